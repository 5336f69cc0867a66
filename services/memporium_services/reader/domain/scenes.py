"""Gathers episodes into scenes: one theme, close in time (EverMemOS, arXiv 2601.02163). Incremental and deterministic.

Rules:
    1. Episodes are placed in order of time, each once; an episode that has a scene keeps it.
    2. An episode may join a scene where no more than `gap` lies between it and the scene's span of time, and the scene
       is not full.
    3. Of those it joins the one whose centre it is most alike, by cosine, where that is above `threshold`; else it
       begins a scene.
    4. The centre is the mean of the members' vectors, of the last ones where there are many.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from memporium_services.reader.domain.terms import terms

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime, timedelta

    from numpy.typing import NDArray

# Members that a centre is made of: the last ones; bounds what has to be embedded for a long scene.
CENTRE_MEMBERS = 8
# A scene with so many members takes no more: what refers to them stays small, and can be read at once.
MOST_MEMBERS = 256
# Statements of a summary.
SUMMARY_STATEMENTS = 5


@dataclass(frozen=True, slots=True)
class Member:
    """An episode in a scene: its cube, and when it began."""

    cube: str
    start: datetime


@dataclass(slots=True)
class Cluster:
    """A scene while it is gathered: its members in order of time; `name` "": it is new."""

    name: str = ""
    members: list[Member] = field(default_factory=list)

    @property
    def start(self) -> datetime:
        """When its first episode began."""
        return self.members[0].start

    @property
    def end(self) -> datetime:
        """When its last episode began."""
        return self.members[-1].start

    def near(self, time: datetime, gap: timedelta) -> bool:
        """Say whether an episode of that time may join: no more than `gap` lies between, and there is room."""
        return 0 < len(self.members) < MOST_MEMBERS and self.start - gap <= time <= self.end + gap

    def add(self, member: Member) -> None:
        """Take an episode in."""
        self.members.append(member)
        self.members.sort(key=lambda one: (one.start, one.cube))


def open_clusters(clusters: Sequence[Cluster], new: Iterable[Member], gap: timedelta) -> list[Cluster]:
    """Return the scenes that one of the new episodes might join, directly or after another has widened the scene."""
    times = sorted(member.start for member in new)
    found = []
    for cluster in clusters:
        if not 0 < len(cluster.members) < MOST_MEMBERS:
            continue
        low, high = cluster.start, cluster.end
        for time in reversed(times):
            if low - gap <= time <= high:
                low = min(low, time)
        for time in times:
            if low <= time <= high + gap:
                high = max(high, time)
        if any(low - gap <= time <= high + gap for time in times):
            found.append(cluster)
    return found


def place(
    new: Iterable[Member],
    clusters: list[Cluster],
    vectors: Mapping[str, NDArray[np.float32]],
    *,
    threshold: float,
    gap: timedelta,
) -> list[Cluster]:
    """Place new episodes; return the scenes that gained one, old and new, in the order in which they did.

    Args:
        new: Episodes without a scene.
        clusters: The scenes that are there; they are changed, and new ones appended.
        vectors: (d,) unit vectors by cube, of the new episodes and of the last members of scenes that may be joined.
        threshold: Least cosine to a scene's centre.
        gap: Most time between an episode and a scene.
    """
    changed: dict[int, Cluster] = {}
    for member in sorted(new, key=lambda one: (one.start, one.cube)):
        vector = vectors[member.cube]
        best, likeness = None, threshold
        for cluster in clusters:
            if cluster.near(member.start, gap):
                found = float(vector @ _centre(cluster, vectors))
                if found > likeness:
                    best, likeness = cluster, found
        if best is None:
            best = Cluster()
            clusters.append(best)
        best.add(member)
        changed[id(best)] = best
    return list(changed.values())


def _centre(cluster: Cluster, vectors: Mapping[str, NDArray[np.float32]]) -> NDArray[np.float32]:
    known = [vectors[one.cube] for one in cluster.members[-CENTRE_MEMBERS:] if one.cube in vectors]
    if not known:
        return np.zeros(len(next(iter(vectors.values()))), np.float32)
    return unit(np.mean(known, axis=0))


def unit(vector: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return a vector of unit length in the same direction; zeros stay zeros."""
    size = float(np.linalg.norm(vector))
    return vector / np.float32(size) if size else vector


def representatives(
    texts: Sequence[str], *, most: int = SUMMARY_STATEMENTS, lift: frozenset[str] = frozenset()
) -> list[int]:
    """Return the indices, in order, of the statements that stand for all of them best; stems in `lift` come first.

    Each in turn is the one that holds most of what is said often and was not said by those chosen before
    (SumBasic, Nenkova and Vanderwende 2005, with stems).
    """
    words = [frozenset(terms(text)) for text in texts]
    counts = Counter(word for one in words for word in one)
    weight = {word: count / len(texts) + (word in lift) for word, count in counts.items()}
    chosen: list[int] = []
    while len(chosen) < min(most, len(texts)):
        rest = [index for index in range(len(texts)) if index not in chosen]
        # The root keeps a long statement from winning by its length alone, and a word of one stem by its shortness.
        best = max(
            rest, key=lambda index: (sum(weight[word] for word in words[index]) / (len(words[index]) + 4), -index)
        )
        if not words[best]:
            break
        chosen.append(best)
        for word in words[best]:
            weight[word] *= weight[word]
    return sorted(chosen)
