"""What a person's own statements tell of them: facts that they state, and topics that they keep coming back to.

Rules:
    1. A fact is a claim that formation found of the person, or where it found none in a statement, what a pattern in
       the first person reads ("I live in", "my favourite ... is"); a taste ("I don't like") is always read.
    2. Of facts that cannot both hold, the last one said supersedes the others where its source is trusted no less;
       else they stand in conflict.
    3. A topic is a word that the person uses in several episodes; recent ones count more, and those that everybody
       uses count less. Days and months are none.
"""

from __future__ import annotations

import calendar
from collections import Counter, defaultdict
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from memporium_services.reader.domain.self_statements import TASTES, Stated, stated_in, tells
from memporium_services.reader.domain.sentences import is_question, sentences
from memporium_services.reader.domain.terms import COMMON, words_and_stems

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from memporium_services.reader.domain.values import Span

MOST_EVIDENCE = 8
MOST_TRAITS = 12
LEAST_EPISODES = 3
_HALF_LIFE_DAYS = 180.0
# A topic has at least so many letters; shorter words are rarely one.
_LEAST_LETTERS = 4
# Days and months are when something was, and no topic.
_CALENDAR = frozenset(name.lower() for names in (calendar.day_name, calendar.month_name) for name in names if name)


class Standing(StrEnum):
    """Whether a fact holds; see `ProfileStanding` in the protos."""

    CURRENT = "CURRENT"
    SUPERSEDED = "SUPERSEDED"
    IN_CONFLICT = "IN_CONFLICT"


@dataclass(frozen=True, slots=True)
class Told:
    """A statement as it was told.

    Attributes:
        cube: Its cube.
        unit: Which of the cube's facts.
        text: The statement.
        said: The statement without the speaker and the date.
        span: Where it was read, with speaker and time.
        time: When it was said.
        role: The role of its speaker; "" where not told.
        claims: What formation read in it of its speaker.
        trust: Trust in its source, 0 to 1.
    """

    cube: str
    unit: int
    text: str
    said: str
    span: Span
    time: datetime
    role: str = ""
    claims: tuple[Stated, ...] = ()
    trust: float = 1.0


@dataclass(frozen=True, slots=True)
class ProfileFact:
    """A fact with the statements that say so, oldest first."""

    attribute: str
    value: str
    standing: Standing
    evidence: tuple[Told, ...]
    first: datetime
    last: datetime


@dataclass(frozen=True, slots=True)
class Trait:
    """A topic with one statement an episode, newest first."""

    topic: str
    episodes: int
    weight: float
    evidence: tuple[Told, ...]
    last: datetime


def facts_in(told: Told) -> tuple[Stated, ...]:
    """Return what a statement says of its speaker."""
    read = stated_in(told.said)
    if not told.claims:
        return read
    claims = tuple(one for one in told.claims if tells(one.value))
    if any(one.attribute in TASTES for one in claims):
        return claims
    return (*claims, *(one for one in read if one.attribute in TASTES))


def facts_of(statements: Sequence[Told]) -> list[ProfileFact]:
    """Return the facts of a person's statements, newest first."""
    said: dict[tuple[str, str, str], list[tuple[Told, Stated]]] = defaultdict(list)
    for told in sorted(statements, key=lambda one: (one.time, one.cube, one.unit)):
        for stated in facts_in(told):
            said[stated.slot, stated.attribute, stated.value.casefold()].append((told, stated))
    rivals: dict[str, list[tuple[str, str, str]]] = defaultdict(list)
    for key in said:
        rivals[key[0]].append(key)
    found = []
    for key, uses in said.items():
        last, evidence = uses[-1], tuple(told for told, _stated in uses)
        standing = Standing.SUPERSEDED if last[1].ended else _standing(key, rivals[key[0]], said)
        found.append(
            ProfileFact(
                attribute=last[1].attribute,
                value=last[1].value,
                standing=standing,
                evidence=evidence[-MOST_EVIDENCE:],
                first=evidence[0].time,
                last=evidence[-1].time,
            )
        )
    return sorted(found, key=lambda one: (-one.last.timestamp(), one.attribute, one.value))


def _standing(
    key: tuple[str, str, str],
    rivals: Sequence[tuple[str, str, str]],
    said: dict[tuple[str, str, str], list[tuple[Told, Stated]]],
) -> Standing:
    """Return how a fact stands beside those that it cannot hold together with."""

    def weigh(one: tuple[str, str, str]) -> tuple[datetime, float]:
        return said[one][-1][0].time, max(told.trust for told, _stated in said[one])

    time, trust = weigh(key)
    standing = Standing.CURRENT
    for other in rivals:
        if other == key:
            continue
        other_time, other_trust = weigh(other)
        later, earlier = (trust, other_trust) if time > other_time else (other_trust, trust)
        if later < earlier:
            return Standing.IN_CONFLICT
        if other_time > time:
            standing = Standing.SUPERSEDED
    return standing


def traits_of(statements: Sequence[Told], others: Sequence[Told], now: datetime) -> list[Trait]:
    """Return the topics that a person keeps coming back to, most outstanding first.

    Args:
        statements: The person's.
        others: Other people's in the same episodes.
        now: From when age counts.
    """
    own, forms = _uses(statements)
    # Who addresses somebody by name speaks of something else.
    for speaker in {told.span.speaker for told in (*statements, *others)}:
        for _word, stem in words_and_stems(speaker):
            own.pop(stem, None)
    theirs, _forms = _uses(others)
    weights: dict[str, float] = {}
    for stem, cubes in own.items():
        if len(cubes) >= LEAST_EPISODES:
            recent = sum(0.5 ** (max(0.0, (now - told.time).days) / _HALF_LIFE_DAYS) for told in cubes.values())
            weights[stem] = recent * len(cubes) / (len(cubes) + len(theirs.get(stem, ())))
    best = sorted(weights, key=lambda stem: (-weights[stem], stem))[:MOST_TRAITS]
    found = []
    for stem in best:
        newest = sorted(own[stem].values(), key=lambda told: told.time, reverse=True)
        topic = min(forms[stem], key=lambda word: (-forms[stem][word], word))
        share = weights[stem] / weights[best[0]]
        found.append(Trait(topic, len(newest), share, tuple(newest[:MOST_EVIDENCE]), newest[0].time))
    return found


def _uses(statements: Sequence[Told]) -> tuple[dict[str, dict[str, Told]], dict[str, Counter[str]]]:
    """Return by stem one statement a cube that uses it, and the stem's forms."""
    uses: dict[str, dict[str, Told]] = defaultdict(dict)
    forms: dict[str, Counter[str]] = defaultdict(Counter)
    for told in statements:
        for sentence in sentences(told.said):
            if is_question(sentence):
                continue
            for word, stem in words_and_stems(sentence):
                if len(word) >= _LEAST_LETTERS and word not in COMMON and word not in _CALENDAR:
                    uses[stem].setdefault(told.cube, told)
                    forms[stem][word] += 1
    return uses, forms
