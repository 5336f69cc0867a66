"""What a context says of statements that do not hold, or that others contradict."""

from __future__ import annotations

from typing import TYPE_CHECKING

from memporium_services.reader.domain.budget import Mark

if TYPE_CHECKING:
    from memporium_services.reader.app.contradicting import Settled
    from memporium_services.reader.domain.contradiction import Standing, Statement

# Of one statement; more would crowd it out.
_MOST = 3


def marks_of(settled: Settled) -> dict[int, tuple[Mark, ...]]:
    """Return the marks of each candidate that has some, by its place; they name others by their place in the order."""
    place = {settled.candidates[index].key: at for at, index in enumerate(settled.order)}
    found = {}
    for index, some in settled.standings.items():
        marks = [mark for standing in some for mark in _marks(standing, place)]
        if marks:
            found[index] = tuple(dict.fromkeys(marks))[:_MOST]
    return found


def _marks(standing: Standing, place: dict[tuple[str, int], int]) -> list[Mark]:
    own = standing.statement
    about = f"{own.claim.subject}, {own.claim.attribute}"
    found = [
        _mark(f"holds no longer ({about}): superseded by {{}}", other, place) for other in standing.superseded_by[:1]
    ]
    for other in sorted(standing.in_conflict_with, key=lambda one: (one.trust, one.age), reverse=True)[:_MOST]:
        how = "less" if other.trust < own.trust else "more" if other.trust > own.trust else "as much"
        found.append(_mark(f"in conflict ({about}) with {{}}, whose source is trusted {how}", other, place))
    return found


def _mark(words: str, other: Statement, place: dict[tuple[str, int], int]) -> Mark:
    claim = other.claim
    value = f"not {claim.value}" if claim.ended else claim.value
    return Mark(words, place.get((other.cube, other.unit), -1), f'"{value}"')
