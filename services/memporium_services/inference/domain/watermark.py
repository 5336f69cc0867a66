"""A watermark in what a model writes: a secret quarter of the tokens is preferred after each token.

Kirchenbauer et al., A watermark for large language models (arXiv 2301.10226): a text by others holds a quarter of such
tokens, a marked one more, and how much more is a z score. Which quarter is HMAC-SHA256's choice, so who does not hold
the key can neither see the mark nor aim at it.
"""

from __future__ import annotations

import hmac
import math
from dataclasses import dataclass
from itertools import pairwise
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

# The share of tokens that is preferred: bytes below 64 of 256.
SHARE = 0.25
# Added to their logits. 2 is what the paper finds to be seldom visible, and enough in a hundred tokens.
BIAS = 2.0
# A wrong key was seen to reach 3 by chance; with this, one in thirty thousand does.
LEAST_Z = 4.0
_BELOW = int(SHARE * 256)
_NORMAL = NormalDist()


@dataclass(frozen=True, slots=True)
class Evidence:
    """How much a text looks marked.

    Attributes:
        tokens: Pairs of tokens that were looked at; a repeated pair counts once, as it says nothing new.
        preferred: Those of them whose second token is preferred after the first.
        z: Standard deviations above what chance gives.
        p_value: Chance that a text without this mark looks so much or more.
    """

    tokens: int
    preferred: int
    z: float
    p_value: float


def preferred(key: bytes, before: int, vocabulary: int) -> npt.NDArray[np.bool_]:
    """Return which tokens are preferred after a token, (vocabulary,); the same on every machine."""
    digest = hmac.digest(key, before.to_bytes(8, "little"), "sha256")
    stream = np.random.Philox(key=np.frombuffer(digest[:16], dtype="<u8"))
    return stream.random_raw((vocabulary + 7) // 8).astype("<u8").view(np.uint8)[:vocabulary] < _BELOW


def evidence(key: bytes, ids: Sequence[int], vocabulary: int) -> Evidence:
    """Return how much tokens look marked with a key."""
    pairs = dict.fromkeys((before, token) for before, token in pairwise(ids))
    after: dict[int, list[int]] = {}
    for before, token in pairs:
        after.setdefault(before, []).append(token)
    found = sum(int(preferred(key, before, vocabulary)[tokens].sum()) for before, tokens in after.items())
    if not pairs:
        return Evidence(0, 0, 0.0, 1.0)
    z = (found - SHARE * len(pairs)) / math.sqrt(len(pairs) * SHARE * (1.0 - SHARE))
    return Evidence(len(pairs), found, z, 0.5 * math.erfc(z / math.sqrt(2.0)))


def least_z(keys: int) -> float:
    """Return the z from which a mark counts as found when so many keys are tried: each try is a chance to be wrong."""
    return max(LEAST_Z, -_NORMAL.inv_cdf(_NORMAL.cdf(-LEAST_Z) / max(1, keys)))
