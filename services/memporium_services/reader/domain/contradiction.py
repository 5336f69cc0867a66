"""Which of several claims hold, which are superseded, and which are in conflict.

Two times belong to a claim: since when it is true, and when it was learnt. Of claims on one subject and attribute:

    1. Claims disagree where their values do; with an attribute that has several values at once, only where one says
       that the other's value holds no longer.
    2. Of two that disagree, the one that came true later (the later learnt, where that is equal) supersedes the other,
       if its source is trusted no less.
    3. What nothing supersedes holds. Claims that hold and disagree are in conflict; among them the one with the most
       trusted source is named.
    4. A value that came back holds from its first statement on: that one is not superseded by what came between.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from memporium_services.reader.domain.claim_words import same

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from memporium_services.reader.domain.claims import Claim


@dataclass(frozen=True, slots=True)
class Statement:
    """A claim as a cube's fact makes it.

    Attributes:
        cube: Name of the cube.
        unit: Which of its facts.
        claim: The claim.
        trust: Trust in the source, 0 to 1.
        since: Since when it is true.
        known: When it was said or written.
        made: When the cube was made: decides where all else is equal.
    """

    cube: str
    unit: int
    claim: Claim
    trust: float
    since: datetime
    known: datetime
    made: datetime

    @property
    def age(self) -> tuple[datetime, datetime, datetime, str, int]:
        """What orders statements in time."""
        return self.since, self.known, self.made, self.cube, self.unit


@dataclass(frozen=True, slots=True)
class Standing:
    """What became of a statement; see `memporium.reader.v1.ClaimStatus`."""

    statement: Statement
    superseded_by: tuple[Statement, ...] = ()
    supersedes: tuple[Statement, ...] = ()
    in_conflict_with: tuple[Statement, ...] = ()
    most_trusted: bool = False


def standings(statements: Sequence[Statement]) -> list[Standing]:
    """Return what became of each statement, in order."""
    groups: dict[str, list[Statement]] = {}
    for one in statements:
        groups.setdefault(one.claim.key, []).append(one)
    holding = {one: _holds(one, group) for group in groups.values() for one in group}
    found: list[Standing] = []
    for one in statements:
        others = [other for other in groups[one.claim.key] if other is not one and disagree(one.claim, other.claim)]
        takes = tuple(other for other in others if holding[other] and _supersedes(other, one))
        lost = bool(takes)
        gone = tuple(other for other in others if _supersedes(one, other)) if not lost and holding[one] else ()
        rivals = () if lost or not holding[one] else tuple(other for other in others if holding[other])
        most = bool(rivals) and all((one.trust, one.age) > (other.trust, other.age) for other in rivals)
        found.append(Standing(one, takes, gone, rivals, most))
    return found


def disagree(one: Claim, other: Claim) -> bool:
    """Say whether two claims on the same subject and attribute cannot both hold."""
    if one.ended or other.ended:
        return one.ended != other.ended and same(one.value, other.value)
    return not (one.several or other.several) and not same(one.value, other.value)


def _holds(one: Statement, group: Sequence[Statement]) -> bool:
    return not any(_supersedes(other, one) and disagree(one.claim, other.claim) for other in group)


def _supersedes(newer: Statement, older: Statement) -> bool:
    return newer.age > older.age and newer.trust >= older.trust
