"""Makes the turns of a dialogue self-contained: who said it, what, when, and what its words for times mean.

Measured on dialogue: an embedder finds turns best with the speaker's name before them, a lexical index gains from the
date, and a second lexical index over two turns on each side finds what a turn answers to.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

from memporium_services.reader.domain.claim_words import subject_of
from memporium_services.reader.domain.claims import read
from memporium_services.reader.domain.dates import day_in_words, render, resolve
from memporium_services.reader.domain.sentences import pieces
from memporium_services.reader.domain.values import Fact, Span

if TYPE_CHECKING:
    from collections.abc import Sequence

    from memporium_services.reader.domain.claim_shapes import Reading
    from memporium_services.reader.domain.claims import Claim
    from memporium_services.reader.domain.values import Turn

_Told = TypeVar("_Told", "Claim", "Reading")
# About 200 tokens: within the window of small embedders (256), with room for the speaker and the date.
MOST_CHARS = 800
# Turns on each side that make up the context.
WINDOW = 2
# Characters of one neighbour in a context; a huge neighbour would drown the turn.
_NEIGHBOUR_CHARS = 600
_MOST_DATES = 4
_USERS = frozenset({"user", "human"})


@dataclass(frozen=True, slots=True)
class People:
    """Who speaks in a session; `user` is the one speaker with the role of the user, "": there are more or none."""

    speakers: frozenset[str]
    user: str

    def listener(self, speaker: str) -> str:
        """Return who is spoken to: the only other speaker; "" where there are more or none."""
        others = self.speakers - {speaker}
        return next(iter(others)) if len(others) == 1 else ""

    def named(self, claims: Sequence[_Told]) -> tuple[_Told, ...]:
        """Return claims, or readings, with the user's name for `the user`."""
        user = subject_of(self.user)
        return tuple(replace(one, subject=user) if user and one.subject == "user" else one for one in claims)


def people_of(turns: Sequence[Turn]) -> People:
    """Return who speaks in a session."""
    users = {turn.speaker for turn in turns if turn.role in _USERS}
    return People(frozenset(turn.speaker for turn in turns), users.pop() if len(users) == 1 else "")


def facts_of(turns: Sequence[Turn], index: int, *, source: str, people: People | None = None) -> list[Fact]:
    """Return the facts of turn `index` of a session: one, or several where it is long; none where it says nothing."""
    turn = turns[index]
    span = Span(source, turn.id, turn.speaker, turn.time)
    parts = pieces(turn.body, most_chars=MOST_CHARS)
    people = people or people_of(turns)
    before, after = _side(turns[max(0, index - WINDOW) : index]), _side(turns[index + 1 : index + 1 + WINDOW])
    found = []
    for number, part in enumerate(parts):
        text = f"{turn.speaker}: {part} ({when_of(part, turn)})"
        around = [*before, *parts[max(0, number - 1) : number], text, *parts[number + 1 : number + 2], *after]
        told = read(part, turn.time, speaker=turn.speaker, listener=people.listener(turn.speaker))
        claims, readings = people.named(told.claims), people.named(told.readings)
        found.append(Fact(text, "\n".join(around), span, turn.role, claims, readings=readings))
    return found


def line_of(turn: Turn) -> str:
    """Return a turn as one line of an episode, with its words for times explained."""
    told = "; ".join(_meanings(turn.body, turn))
    return f"{turn.speaker}: {turn.body}" + (f" ({told})" if told else "")


def _side(turns: Sequence[Turn]) -> list[str]:
    return [f"{turn.speaker}: {turn.body[:_NEIGHBOUR_CHARS]} ({day_in_words(turn.time)})" for turn in turns]


def when_of(text: str, turn: Turn) -> str:
    """Return when something of a turn was said, and what its words for times mean."""
    return "; ".join([day_in_words(turn.time), *_meanings(text, turn)])


def _meanings(text: str, turn: Turn) -> list[str]:
    """Return what words for times mean, where that is another day than the turn's, as `yesterday = 7 May 2023`."""
    today = turn.time.date()
    found = []
    for one in resolve(text, turn.time)[:_MOST_DATES]:
        meaning = render(one)
        if one.start.date() != today and meaning.lower() not in one.words.lower():
            found.append(f"{one.words} = {meaning}")
    return found
