"""The policies by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from memporium_platform.tiering.hybrid import Hybrid
from memporium_platform.tiering.policies import LabelMatch, LeastFrequentlyUsed, LeastRecentlyUsed, SemanticMatch

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from memporium_platform.tiering.policies import Policy

# Each makes a fresh policy for a tier of so many bytes.
POLICIES: Mapping[str, Callable[[int], Policy]] = {
    "lru": lambda _budget: LeastRecentlyUsed(),
    "lfu": lambda _budget: LeastFrequentlyUsed(),
    "label": lambda _budget: LabelMatch(),
    "semantic": lambda _budget: SemanticMatch(),
    "hybrid": Hybrid,
}
