"""Lets what a language model made of a turn speak for the turn: another wording to find it by, and no item of its own.

A fact beside its turn takes a place that another turn could have: measured on dialogue, what is found by it gains less
than that costs. So its turn is ranked by the better of both, and the turn's own words are what is told.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from memporium_services.reader.domain.terms import terms

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from memporium_services.reader.domain.candidates import Candidate

_Place = tuple[str, str, str, str]


def spoken_for(candidates: Sequence[Candidate]) -> tuple[Candidate, ...]:
    """Return the candidates without facts whose turns are among them; those turns score as the better of both."""
    own: dict[_Place, list[int]] = {}
    others: list[int] = []
    for index, one in enumerate(candidates):
        if not one.speaker or one.text.startswith(f"{one.speaker}: "):
            own.setdefault(_place(one), []).append(index)
        elif one.locator:
            others.append(index)
    lent: dict[int, list[Candidate]] = {}
    for index in others:
        turns = own.get(_place(candidates[index]), [])
        if turns:
            lent.setdefault(_nearest(candidates[index], turns, candidates), []).append(candidates[index])
    if not lent:
        return tuple(candidates)
    gone = {one.key for facts in lent.values() for one in facts}
    return tuple(
        _with(one, lent[index]) if index in lent else one for index, one in enumerate(candidates) if one.key not in gone
    )


def _place(one: Candidate) -> _Place:
    return one.mount, one.cube, one.locator, one.speaker


def _nearest(fact: Candidate, turns: Sequence[int], candidates: Sequence[Candidate]) -> int:
    """Return the place of the turn, or of the piece of a long turn, that has the most of a fact's words."""
    if len(turns) == 1:
        return turns[0]
    words = set(terms(fact.text))
    return max(turns, key=lambda index: len(words.intersection(terms(candidates[index].text))))


def _with(turn: Candidate, facts: Sequence[Candidate]) -> Candidate:
    legs = dict(turn.legs)
    for fact in facts:
        legs = _better(legs, fact.legs)
    focus = max((one.focus for one in (turn, *facts) if one.focus is not None), default=None)
    together = (turn, *facts)
    return turn._replace(
        legs=legs,
        focus=focus,
        score=max(one.score for one in together),
        further=max(one.further for one in together),
        round=min(one.round for one in together),
    )


def _better(legs: Mapping[str, float], others: Mapping[str, float]) -> dict[str, float]:
    return {name: max(legs.get(name, value), value) for name, value in {**legs, **others}.items()}
