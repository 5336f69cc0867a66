"""Orders what is told of a subject with regard to who tells it, where it is not read as claims.

Rules:
    1. Among the statements about the asked subject, a more trusted source goes before a less trusted one that fits the
       question about as well; among equally trusted ones the newer has a small advantage. They change places among
       themselves alone.
    2. A short statement whose claims are all of another attribute, with values that nothing else has (an address, a
       number, a game), cannot tell of the asked one; it stands in no claim's way.
    3. Claims are not put first by their key where a statement about the same subject fits about as well that is trusted
       more than the most trusted of them: it may tell of the same in words that are not read.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from memporium_services.reader.domain.candidates import Candidate

# Points of the ranking's score for full trust, and for the newest. With them a user goes before a tool whose statement
# fits by 0.3 better, which is what other words for the same make out.
_TRUST, _NEW = 0.8, 0.1
# How much less well a statement may fit that still keeps a claim from being put first.
_ABOUT_AS_WELL = 0.3
# Attributes whose values tell by themselves of what they are values.
_OF_THEIR_OWN = frozenset({"phone", "email", "hobby", "allergy", "birthday", "age", "language"})
# A longer statement may tell of more than was read.
_SHORT = 80


@dataclass(frozen=True, slots=True)
class Told:
    """A statement about the asked subject: how well it fits, who tells it, how new it is among the others, 0 to 1."""

    score: float
    trust: float
    newness: float


def cautious(order: Sequence[int], about: Mapping[int, Told]) -> list[int]:
    """Return the order with the statements about the subject in the order of rule 1, in the places that they have."""
    best = sorted(about, key=lambda one: -_weight(about[one]))
    places = (at for at, index in enumerate(order) if index in about)
    found = list(order)
    for place, index in zip(places, best, strict=True):
        found[place] = index
    return found


def may_be_first(trust: float, score: float, about: Mapping[int, Told]) -> bool:
    """Say whether a claim may be put first, by rule 3; `about` are the statements that are not read as such claims."""
    return not any(one.trust > trust and one.score > score - _ABOUT_AS_WELL for one in about.values())


def tells_other(one: Candidate, asked: Collection[str]) -> bool:
    """Say whether a statement tells of something else than the asked claims, by rule 2."""
    if not one.claims or len(one.said) > _SHORT or any(claim.key in asked for claim in one.claims):
        return False
    return all(claim.attribute in _OF_THEIR_OWN for claim in one.claims)


def newness(ages: Mapping[int, float]) -> dict[int, float]:
    """Return how new each is among all, 0 to 1, by when it was told."""
    low, high = min(ages.values(), default=0.0), max(ages.values(), default=0.0)
    return {index: (age - low) / (high - low) if high > low else 0.0 for index, age in ages.items()}


def _weight(one: Told) -> float:
    return one.score + _TRUST * one.trust + _NEW * one.newness
