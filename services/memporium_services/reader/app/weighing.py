"""Steps of a recollection that need nothing but what the searches brought: weigh, join, order, fit into the budget."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from memporium_services.reader.app.marking import marks_of
from memporium_services.reader.domain.budget import Context, Entry, compose, distinct
from memporium_services.reader.domain.dates import day_in_words
from memporium_services.reader.domain.keys import spoken_for
from memporium_services.reader.domain.ranking import Levers, Ranked, rank
from memporium_services.reader.domain.sufficiency import ENOUGH, rewritten
from memporium_services.reader.domain.terms import terms

if TYPE_CHECKING:
    from collections.abc import Sequence

    from memporium_services.reader.app.contradicting import Settled
    from memporium_services.reader.app.recall_values import Asked
    from memporium_services.reader.domain.candidates import Candidate
    from memporium_services.reader.domain.gists import Gist
    from memporium_services.reader.domain.question import Question
    from memporium_services.reader.ports import Found


@dataclass(frozen=True, slots=True)
class Weighed:
    """Candidates, how they rank, and the speakers that the question names."""

    candidates: tuple[Candidate, ...]
    ranked: Ranked
    names: tuple[str, ...]


def speakers(candidates: Sequence[Candidate]) -> list[str]:
    """Return who speaks, in the order of the candidates."""
    return list(dict.fromkeys(one.speaker for one in candidates if one.speaker))


def focused(candidates: Sequence[Candidate], found: Found) -> tuple[Candidate, ...]:
    """Return the candidates with their cosine to the question without names."""
    focus = {one.key: one.legs.get("dense") for one in found.candidates}
    return tuple(one._replace(focus=focus.get(one.key)) for one in candidates)


def joined(candidates: Sequence[Candidate], found: Found) -> tuple[Candidate, ...]:
    """Return the candidates with what a further search brought."""
    scores = {one.key: one.score for one in found.candidates}
    known = {one.key for one in candidates}
    kept = [one._replace(further=max(one.further, scores.get(one.key, 0.0))) for one in candidates]
    new = [one._replace(legs={}, further=one.score, round=2) for one in found.candidates if one.key not in known]
    return (*kept, *new)


def weigh(candidates: Sequence[Candidate], question: Question, names: tuple[str, ...], levers: Levers) -> Weighed:
    """Return the candidates weighed; what a model made of a turn speaks for the turn."""
    candidates = spoken_for(candidates)
    return Weighed(tuple(candidates), rank(candidates, question, names=names, levers=levers), names)


def further(weighed: Weighed, question: Question, covered: float, levers: Levers) -> list[str]:
    """Return what to search for beside the question: its parts, and where it is not covered, a rewritten one."""
    found = list(question.parts) if levers.decomposition else []
    if levers.second_round and weighed.candidates and covered < ENOUGH:
        again = rewritten(weighed.ranked, question)
        found.extend([again] if again else [])
    return found


def ordered(weighed: Weighed, levers: Levers) -> list[int]:
    """Return the indices of the candidates, best first, what says nearly the same as a better one behind all others."""
    ranked = weighed.ranked
    order: list[int] = ranked.order.tolist()
    return distinct(order, ranked.words.__getitem__, ranked.spread) if levers.diversity else order


def fitted(settled: Settled, asked: Asked, gists: Sequence[Gist]) -> tuple[tuple[int, ...], Context]:
    """Return the indices of what fits into the budget, and the context of that."""
    marks = marks_of(settled)
    entries = [entry_of(settled.candidates[index]) for index in settled.order]
    if marks:
        entries = [
            entry._replace(marks=marks.get(index, ())) for index, entry in zip(settled.order, entries, strict=True)
        ]
    # What was put first for what it claims is worth the most, whatever its score.
    worth = sorted(settled.ranked.scores.tolist(), reverse=True)
    closing = [gist.line for gist in gists]
    context = compose(
        entries,
        budget_tokens=asked.budget_tokens,
        limit=asked.limit,
        worth=worth,
        closing=closing,
        asked=frozenset(terms(asked.query)),
    )
    return tuple(settled.order[place] for place in context.chosen), context


def entry_of(one: Candidate) -> Entry:
    """Return an item's line: its origin only as far as the statement does not tell it; budgets are for statements.

    Who reads the whole source finds it at the item with the line's number.
    """
    when = day_in_words(one.source_time) if one.source_time is not None else ""
    if one.speaker and one.text.startswith(f"{one.speaker}: "):
        return Entry(one.text, "" if when in one.text else when, one.attribution)
    heading = one.locator.rpartition("#")[0]
    if heading and one.text.startswith(f"{heading}\n"):
        # A passage of a document begins with its headings.
        where = "" if one.source == heading else one.source
    else:
        where = " ".join(part for part in (one.source, one.locator) if part) or one.cube
    return Entry(one.text, "; ".join(part for part in (where, when) if part), one.attribution)
