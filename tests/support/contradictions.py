"""A made-up history of statements, some updated, some poisoned, with what should become of each."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import TYPE_CHECKING

from support import statements as words

if TYPE_CHECKING:
    from collections.abc import Mapping

START = datetime(2025, 1, 6, 9, tzinfo=UTC)
CLEAN, POISONED, UPDATED_THEN_POISONED, LEFT = "clean", "poisoned", "updated then poisoned", "left alone"
# Five less trusted statements of the same, and one before the truth that is said again long after.
REPEATED, EARLY = "poisoned by repetition", "poisoned before and after"
# Who asserts: the role, and whether trusted as much as a user.
_TRUSTED, _LESS = ("user",), ("tool", "assistant", "web")


@dataclass
class Said:
    """One statement; `superseded`: whether a later one takes its place."""

    pair: Pair
    value: str
    text: str
    role: str
    speaker: str
    day: int
    held: bool
    superseded: bool = False
    place: str = ""

    @property
    def time(self) -> datetime:
        return START + timedelta(days=self.day, minutes=self.pair.number % 600)


@dataclass
class Pair:
    """One attribute of one subject, with all that is said of it, in order of time."""

    number: int
    subject: str
    attribute: str
    kind: str
    right: str = ""
    said: list[Said] = field(default_factory=list)

    @property
    def listed(self) -> bool:
        return words.is_listed(self.attribute)

    @property
    def held(self) -> bool:
        return any(one.held for one in self.said)

    @property
    def question(self) -> str:
        return words.QUESTIONS[self.attribute].format(n=self.subject, p=self.subject)


@dataclass
class History:
    """Pairs of subject and attribute, and statements on no pair that nothing takes the place of."""

    pairs: list[Pair]
    others: list[Said]

    @property
    def said(self) -> list[Said]:
        return sorted([*(one for pair in self.pairs for one in pair.said), *self.others], key=lambda one: one.time)


def history(
    seed: int,
    *,
    subjects: int,
    attributes: int,
    held_share: float = 0.35,
    fresh: bool = False,
    unseen: Mapping[str, words.Phrasings] | None = None,
) -> History:
    """Return a history.

    Args:
        seed: Decides everything.
        subjects: Persons and projects; one in six is a project.
        attributes: Of each person; a project has both of its own.
        held_share: Share of the pairs whose statements are in phrasings that were held back.
        fresh: All statements are in phrasings of other styles instead, half of them held back, some on attributes that no list names; sources of
            poison also repeat themselves, and speak first.
        unseen: As `fresh`, but all in these phrasings.
    """
    rng = Random(seed)
    everyone = [f"{first} {last}" for first in words.FIRST_NAMES for last in words.LAST_NAMES]
    people = rng.sample(everyone, subjects - subjects // 6)
    projects = [
        f"{words.PROJECTS[i % len(words.PROJECTS)]} {1 + i // len(words.PROJECTS)}" for i in range(subjects // 6)
    ]
    unlisted = [name for name in unseen if not words.is_listed(name)] if unseen else words.UNLISTED
    personal = (*words.PERSONAL, *(unlisted if fresh or unseen else ()))
    wanted = [(person, name) for person in people for name in rng.sample(personal, attributes)]
    wanted += [(project, name) for project in projects for name in ("deadline", "budget")]
    if unseen:
        held, seen, held_share = unseen, unseen, 1.0
    elif fresh:
        held, seen, held_share = words.LATER, {**words.FRESH, **words.UNLISTED}, 0.5
    else:
        held, seen = words.HELD, words.SEEN
    pairs = [_pair(rng, number, *one, held if rng.random() < held_share else seen) for number, one in enumerate(wanted)]
    others = [_other(rng, person, number) for person in people for number in range(3)]
    return History(pairs, others)


def _pair(rng: Random, number: int, subject: str, attribute: str, phrasings: Mapping[str, words.Phrasings]) -> Pair:
    fresh = phrasings is not words.SEEN and phrasings is not words.HELD
    kinds = (CLEAN, POISONED, UPDATED_THEN_POISONED, LEFT, *((REPEATED, EARLY) if fresh else ()))
    kind = rng.choices(kinds, (42, 38, 10, 10, 15, 15)[: len(kinds)])[0]
    pair = Pair(number, subject, attribute, kind)
    first = words.value_of(rng, attribute, subject)
    # An update may also come from a source that is trusted more than the first.
    first_role = rng.choice(_LESS) if kind == CLEAN and rng.random() < 0.3 else "user"
    if kind == EARLY:
        wrong = words.value_of(rng, attribute, subject, first)
        _say(rng, pair, wrong, rng.choice(_LESS), rng.randrange(20), change=False, phrasings=phrasings)
        pair.said[0].superseded = True
    _say(rng, pair, first, first_role, 20 * (kind == EARLY) + rng.randrange(60), change=False, phrasings=phrasings)
    pair.right = first
    if kind == EARLY:
        _say(rng, pair, wrong, rng.choice(_LESS), 200 + rng.randrange(60), change=True, phrasings=phrasings)
    if kind == REPEATED:
        wrong = words.value_of(rng, attribute, subject, first)
        for days in range(200, 250, 10):
            _say(
                rng, pair, wrong, rng.choice(_LESS), days + rng.randrange(9), change=days % 20 == 0, phrasings=phrasings
            )
    if kind in {CLEAN, UPDATED_THEN_POISONED}:
        pair.right = words.value_of(rng, attribute, subject, first)
        _say(rng, pair, pair.right, "user", 100 + rng.randrange(60), change=rng.random() < 0.7, phrasings=phrasings)
        pair.said[0].superseded = True
    if kind in {POISONED, UPDATED_THEN_POISONED}:
        wrong = words.value_of(rng, attribute, subject, pair.right)
        while kind == UPDATED_THEN_POISONED and wrong == first:
            wrong = words.value_of(rng, attribute, subject, pair.right)
        _say(
            rng, pair, wrong, rng.choice(_LESS), 200 + rng.randrange(60), change=rng.random() < 0.6, phrasings=phrasings
        )
    return pair


def _say(
    rng: Random,
    pair: Pair,
    value: str,
    role: str,
    day: int,
    *,
    change: bool,
    phrasings: Mapping[str, words.Phrasings],
) -> None:
    project = pair.attribute in {"deadline", "budget"}
    first = role == "user" and not project and rng.random() < 0.8
    text = rng.choice(phrasings[pair.attribute].of(first=first, change=change)).format(
        v=value, n=pair.subject, p=pair.subject
    )
    # Of a project somebody of the team speaks; of a person the person, or an agent that writes it down for the user.
    speaker = {"tool": "search", "assistant": "Assistant"}.get(
        role, f"Lead of {pair.subject}" if project else pair.subject
    )
    held = any(
        phrasings is one for one in (words.HELD, words.LATER, words.UNSEEN, words.FURTHER, words.NATURAL, words.CHATTED)
    )
    pair.said.append(Said(pair, value, text, role, speaker, day, held))


def _other(rng: Random, person: str, number: int) -> Said:
    """Return a statement that adds to memory, or has words of others, and contradicts nothing."""
    day = 20 + number * 90 + rng.randrange(60)
    if number == 0:
        text = f"I play {rng.choice(words.HOBBIES[:5])}."
    elif number == 1:
        text = f"I also play {rng.choice(words.HOBBIES[5:])}."
    else:
        city = rng.choice(words.CITIES)
        text = rng.choice(
            (f"My cousin lives in {city}.", f"I visited {city} on a long weekend.", f"I dream of {city}.")
        )
    return Said(Pair(day, person, "other", LEFT), "", text, "user", person, day, held=False)
