"""The policies by name: those that come with the platform, and those of installed packages.

A package adds one by an entry point of the group `memporium.tier_policies`: its name is the policy's, and it names
something that takes a budget of bytes and returns a fresh `Policy`, such as a class. One registry serves the tier of
tensors, placement in vaults, and the simulator.
"""

from __future__ import annotations

import functools
import inspect
import re
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import TYPE_CHECKING

import structlog

from memporium_platform.tiering.hybrid import Hybrid
from memporium_platform.tiering.policies import LabelMatch, LeastFrequentlyUsed, LeastRecentlyUsed, SemanticMatch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from memporium_platform.tiering.policies import Policy

ENTRY_POINTS = "memporium.tier_policies"
_NAME = re.compile(r"[a-z][a-z0-9-]{0,30}")
_DESCRIPTION_CHARACTERS = 200
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Plugin:
    """A policy that can be chosen.

    Attributes:
        name: Its name in settings and requests.
        description: What it holds, for people.
        make: Makes a fresh policy for a tier of so many bytes.
        origin: The package that it comes from; empty: the platform.
        by_meaning: Whether it goes by vectors of memories: where nobody knows them, it cannot rule.
    """

    name: str
    description: str
    make: Callable[[int], Policy]
    origin: str = ""
    by_meaning: bool = False


_BUILT_IN = (
    Plugin("lru", "holds what was used last", lambda _budget: LeastRecentlyUsed()),
    Plugin("lfu", "holds what was used most, uses decaying with time", lambda _budget: LeastFrequentlyUsed()),
    Plugin("label", "holds what shares labels with what was used lately", lambda _budget: LabelMatch()),
    Plugin(
        "semantic",
        "holds what is near in meaning to what was used lately",
        lambda _budget: SemanticMatch(),
        by_meaning=True,
    ),
    Plugin("hybrid", "holds what is expected to save the most time per byte, or what has paid more lately", Hybrid),
)

# Those of the platform: each makes a fresh policy for a tier of so many bytes.
POLICIES: Mapping[str, Callable[[int], Policy]] = {one.name: one.make for one in _BUILT_IN}


@functools.cache
def plugins() -> Mapping[str, Plugin]:
    """Return every policy by name. One of a package that cannot be loaded, or takes a name, is left out and logged."""
    found = {one.name: one for one in _BUILT_IN}
    for entry in entry_points(group=ENTRY_POINTS):
        origin = entry.dist.name if entry.dist is not None else entry.value
        if entry.name in found or not _NAME.fullmatch(entry.name):
            _log.warning("tiering.plugin_left_out", plugin=entry.name, origin=origin, why="its name is taken or wrong")
            continue
        try:
            make = entry.load()
            # Tried once, so that what is wrong with it shows here and not in the middle of a call.
            made = make(1)
            _ = made.used, made.value, made.admits_all
        except Exception as error:  # noqa: BLE001 - whatever another's package raises, the platform starts without it
            _log.warning("tiering.plugin_left_out", plugin=entry.name, origin=origin, why=type(error).__name__)
            continue
        told = (inspect.getdoc(make) or "of another package").partition("\n")[0][:_DESCRIPTION_CHARACTERS]
        found[entry.name] = Plugin(entry.name, told, make, origin)
    return found


def for_uses(names: Iterable[str] = ()) -> list[str]:
    """Return the policies of these names, or all, that can rule by uses alone: tensors and traces have no vectors.

    Raises:
        ValueError: One is not known, or goes by meaning; the message says so.
    """
    wanted = list(dict.fromkeys(names))
    for name in wanted:
        if name not in plugins():
            raise ValueError(f"{name} is none of {', '.join(for_uses())}")
        if plugins()[name].by_meaning:
            raise ValueError(
                f"{name} goes by meaning, and what is ruled here knows no vectors; choose another strategy"
            )
    return wanted or sorted(name for name, one in plugins().items() if not one.by_meaning)


def policy(name: str, budget_bytes: int) -> Policy:
    """Return a fresh policy.

    Raises:
        KeyError: There is none of this name.
    """
    return plugins()[name].make(budget_bytes)
