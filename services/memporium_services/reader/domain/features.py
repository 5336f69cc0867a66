"""What makes a statement a better answer, each as one number from 0 to 1 a candidate."""

from __future__ import annotations

import math
import re
from collections import Counter
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np

from memporium_services.reader.domain.question import Kind
from memporium_services.reader.domain.sentences import is_question, sentences
from memporium_services.reader.domain.terms import terms

if TYPE_CHECKING:
    from collections.abc import Collection, Hashable, Mapping, Sequence

    from numpy.typing import NDArray

    from memporium_services.reader.domain.candidates import Candidate
    from memporium_services.reader.domain.question import Question

# From so many stems on, a statement is full; two thirds of its fullness it has at half of that.
_SUBSTANCE_TERMS = 24
# Statements that feedback learns from, and words it learns.
_FEEDBACK_TOP = 5
_FEEDBACK_WORDS = 15
# Roles whose statements are the asker's own.
_ASKING_ROLES = frozenset({"user", "human"})
# Roles of those who are asked.
_ANSWERING_ROLES = frozenset({"assistant", "ai", "bot", "agent", "model"})
# How much less surely than the only one named the first of several is asked about.
_FIRST_OF_SEVERAL = 1 / 3
# How surely what nobody is named in is about what others than an assistant said.
_NOT_ASSISTANTS = 0.75
# The share of candidates that are an assistant's from which on its talk is all around.
_ASSISTED = 1 / 4
_FIRST_PERSON = re.compile(r"\b(?:I|my|we|our)\b")
_TIME_WORDS = re.compile(
    r"\b(?:yesterday|today|tonight|tomorrow|last|next|ago|week|weekend|month|year|morning|recently|since|summer|winter|"
    r"spring|autumn|fall|(?:mon|tues|wednes|thurs|fri|satur|sun)day|january|february|march|april|may|june|july|august|"
    r"september|october|november|december|\d{4})s?\b",
    re.IGNORECASE,
)


def scale(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return scores scaled to 0..1 by least and greatest; NaN (not known) and all-equal become 0."""
    known = np.isfinite(scores)
    out = np.zeros(len(scores))
    if known.any():
        low, high = scores[known].min(), scores[known].max()
        if high > low:
            out[known] = (scores[known] - low) / (high - low)
    return out


def leg(candidates: Sequence[Candidate], name: str) -> NDArray[np.float64]:
    """Return the raw scores of a leg, NaN where it has none."""
    return np.array([one.legs.get(name, np.nan) for one in candidates], dtype=np.float64)


def clarity(scaled: NDArray[np.float64]) -> float:
    """Return how clearly a leg tells its best from the rest: 0.5 for a flat leg, to 1.5 for one sharp answer."""
    if not len(scaled) or not scaled.any():
        return 0.0
    best = np.sort(scaled)[-5:].mean()
    return float(0.5 + min(1.0, max(0.0, best - np.median(scaled))))


def speaker_match(
    candidates: Sequence[Candidate], question: Question, names: Sequence[str], *, first_named: bool = True
) -> NDArray[np.float64]:
    """Return 1 where the statement was made by the one that the question is about, or that it is put to.

    Of several who are named the first is asked about, though not as surely: "What did Ann make for Bob?". Where nobody
    is named, what an assistant said stands behind what others said and wrote: it talks about all that it is asked.

    Args:
        candidates: The statements.
        question: What was read in the question.
        names: Speakers that it names.
        first_named: False: of several who are named none is told apart.
    """
    wanted = {name.lower() for name in names}
    if len(wanted) == 1:
        return np.array([float(one.speaker.lower() in wanted) for one in candidates])
    if wanted and first_named:
        first = _named_first(question.text.lower(), wanted)
        return np.array([_FIRST_OF_SEVERAL * float(one.speaker.lower() == first) for one in candidates])
    if not wanted and question.addressed:
        return np.array([float(one.role.lower() in _ANSWERING_ROLES) for one in candidates])
    if not wanted and question.asker:
        return np.array([float(one.role.lower() in _ASKING_ROLES) for one in candidates])
    answered = _answered(candidates)
    if not wanted and answered.any():
        return _NOT_ASSISTANTS * (1.0 - answered)
    return np.zeros(len(candidates))


def assisted(candidates: Sequence[Candidate]) -> float:
    """Return how much of chats with an assistant is in it: 0, nothing that one said, to 1, a quarter of all."""
    return min(1.0, float(_answered(candidates).mean()) / _ASSISTED) if candidates else 0.0


def _answered(candidates: Sequence[Candidate]) -> NDArray[np.float64]:
    return np.array([float(one.role.lower() in _ANSWERING_ROLES) for one in candidates])


def _named_first(text: str, names: Collection[str]) -> str:
    """Return the one of several names that stands first in a text; "": two stand at the same place."""
    places = sorted((text.find(name.split(" ", 1)[0]), name) for name in names)
    return places[0][1] if places[0][0] < places[1][0] else ""


def period_match(candidates: Sequence[Candidate], question: Question) -> NDArray[np.float64]:
    """Return 1 where the statement lies in the time that the question speaks of."""
    start, end = question.start, question.end
    if start is None or end is None:
        return np.zeros(len(candidates))
    times = [one.event_time or one.source_time for one in candidates]
    return np.array([float(time is not None and start <= time < end) for time in times])


def asking(said: Sequence[str]) -> NDArray[np.float64]:
    """Return the share of a statement's stems that stand in questions: who asks does not tell."""
    found = np.zeros(len(said))
    for index, one in enumerate(said):
        if "?" not in one and "\uff1f" not in one:
            continue
        counts = [(len(terms(sentence)), is_question(sentence)) for sentence in sentences(one)]
        total = sum(count for count, _asks in counts)
        found[index] = sum(count for count, asks in counts if asks) / total if total else 1.0
    return found


def timed(said: Sequence[str], question: Question) -> NDArray[np.float64]:
    """Return 1 where the question asks for a time and the statement has words for one."""
    if question.kind is not Kind.TIME:
        return np.zeros(len(said))
    return np.array([float(_TIME_WORDS.search(one) is not None) for one in said])


def telling(said: Sequence[str], question: Question, names: Sequence[str]) -> NDArray[np.float64]:
    """Return 1 where a question about a person meets a statement in the first person: people tell of themselves."""
    if not names and not question.asker:
        return np.zeros(len(said))
    return np.array([float(_FIRST_PERSON.search(one) is not None) for one in said])


def words_of(said: Sequence[str]) -> list[frozenset[str]]:
    """Return the stems of each statement."""
    return [frozenset(terms(one)) for one in said]


def substance(words: Sequence[frozenset[str]]) -> NDArray[np.float64]:
    """Return how much each statement says, by its stems: "Wow, thanks!" says nothing."""
    shares = np.fromiter(map(len, words), np.float64, len(words)) / _SUBSTANCE_TERMS
    full: NDArray[np.float64] = (2 * np.minimum(1.0, 2 * shares) + np.minimum(1.0, shares)) / 3
    return full


def beside(candidates: Sequence[Candidate]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the places of the statements right before and right after each one in its cube; -1: not among them."""
    keys = [(one.cube, one.ordinal) for one in candidates]
    place = {key: index for index, key in enumerate(keys)}
    before, after = ([place.get((cube, ordinal + step), -1) for cube, ordinal in keys] for step in (-1, 1))
    return np.array(before, dtype=np.int64), np.array(after, dtype=np.int64)


def at(scores: NDArray[np.float64], places: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the scores at places; 0 for -1."""
    # What stands last is what -1 takes.
    return np.append(scores, 0.0)[places]


def group_best(keys: Sequence[Hashable], scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the best score in each statement's group, for instance its episode or session."""
    best: dict[Hashable, float] = {}
    for key, score in zip(keys, scores.tolist(), strict=True):
        if score > best.setdefault(key, 0.0):
            best[key] = score
    return np.array([best[key] for key in keys])


def feedback(
    words: Sequence[frozenset[str]],
    question: Question,
    scores: NDArray[np.float64],
    spread: Mapping[str, int] | None = None,
) -> NDArray[np.float64]:
    """Return how many of the rare words of the best statements each one holds."""
    expansion = expansion_terms(words, question, scores, spread)
    if not expansion:
        return np.zeros(len(words))
    wanted = frozenset(expansion)
    # Exact sums: in which order a set gives its words differs from one start of the process to the next.
    held = [math.fsum([expansion[term] for term in wanted & one]) for one in words]
    return scale(np.array(held, dtype=np.float64))


def expansion_terms(
    words: Sequence[frozenset[str]],
    question: Question,
    scores: NDArray[np.float64],
    spread: Mapping[str, int] | None = None,
) -> dict[str, float]:
    """Return words of the best statements that the question lacks, weighted by their rarity among the candidates.

    Args:
        words: Stems of each statement.
        question: What was read in the question.
        scores: (n,) scores.
        spread: How many of the statements hold each stem; None: they are counted.
    """
    top = np.argsort(-scores, kind="stable")[:_FEEDBACK_TOP]
    spread = spread_of(words) if spread is None else spread
    asked = frozenset(question.terms)
    gained: dict[str, float] = {}
    for index in top:
        for term in words[index] - asked:
            rarity = math.log(1 + len(words) / spread[term])
            gained[term] = gained.get(term, 0.0) + float(max(scores[index], 0.0)) * rarity
    best = sorted(gained.items(), key=lambda pair: (-pair[1], pair[0]))[:_FEEDBACK_WORDS]
    return {term: weight / best[0][1] for term, weight in best} if best and best[0][1] > 0 else {}


def spread_of(words: Sequence[frozenset[str]]) -> Counter[str]:
    """Return how many of the statements hold each stem."""
    return Counter(chain.from_iterable(words))
