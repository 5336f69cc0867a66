"""Planning which memories stay hot within a budget of bytes. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from memporium_services.scheduler.domain.strategies import Candidate, Strategy


@dataclass(frozen=True, slots=True)
class Placement:
    """The decision for one memory: where it should lie, and why."""

    candidate: Candidate
    hot: bool
    score: float
    reason: str

    @property
    def moves(self) -> bool:
        """Say whether the memory lies elsewhere now."""
        return self.hot != self.candidate.hot


def plan(
    candidates: Sequence[Candidate],
    strategy: Strategy,
    *,
    budget_bytes: int,
    now: datetime,
    labels: frozenset[str] = frozenset(),
) -> list[Placement]:
    """Return a decision for each candidate, the best score first.

    Pinned memories stay where they are and count first. The others are kept hot in order of score while they fit; one
    that does not fit is passed over, so a smaller one behind it may still fit.
    """
    left = budget_bytes - sum(one.size_bytes for one in candidates if one.pinned and one.hot)
    scored = [(*strategy.score(one, now=now, labels=labels), one) for one in candidates]
    decided: list[Placement] = []
    for score, reason, one in sorted(scored, key=lambda row: (-row[0], row[2].cube)):
        if one.pinned:
            decided.append(Placement(candidate=one, hot=one.hot, score=score, reason="pinned"))
            continue
        fits = one.size_bytes <= left
        left -= one.size_bytes if fits else 0
        why = reason if fits else f"{reason}; no room"
        decided.append(Placement(candidate=one, hot=fits, score=score, reason=why))
    return decided
