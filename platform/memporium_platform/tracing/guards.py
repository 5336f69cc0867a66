"""Where a carrier may be marked: what the rules ask for, and what holds for all of them.

No mark touches a negation or a word in its reach, a name, a value, a unit, code, or what is quoted in another alphabet.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from memporium_platform.tracing.words import SETS, word_set

if TYPE_CHECKING:
    from collections.abc import Sequence

    from memporium_platform.tracing.tokens import Token

NEGATIONS = word_set(
    "not no never none nor neither nobody nothing nowhere without hardly barely scarcely rarely seldom dont doesnt "
    "didnt isnt arent wasnt werent wont wouldnt cant cannot couldnt shouldnt havent hasnt hadnt aint mustnt neednt "
    "unless"
)
# So many words after a negation are in its reach.
_REACH = 4
# Nothing directly behind a quotation mark: it may be a term that is quoted.
_BEFORE = re.compile(r"(?:^|[\s(\u2014\u2013-])$")
_AFTER = re.compile(r"^(?:$|[\s\"')\u2019\u201d\u2014\u2013]|[.,;:!?\u2026](?:$|[\s\"')\u2019\u201d.!?]))")
_VOWELS = frozenset("aeiou")
# Words that begin with a vowel letter and are spoken with a consonant.
_AS_CONSONANT = ("use", "uti", "one", "uni", "eur")


@dataclass(frozen=True, slots=True)
class Guard:
    """What a rule asks of one place around the carrier.

    Attributes:
        position: Words from the carrier, -1 the one before.
        demand: True: one of the words must stand there; False: none may.
        words: The words; `*` any, `.` none within the phrase.
        direction: The variant that it restricts, -1 both.
    """

    position: int
    demand: bool
    words: frozenset[str]
    direction: int = -1

    def permits(self, word: str) -> bool:
        """Return whether it lets a carrier stand beside `word` ("" at the end of the phrase)."""
        found = (word or ".") in self.words or (bool(word) and "*" in self.words)
        return found is self.demand


@dataclass(frozen=True, slots=True)
class Place:
    """A carrier in a text."""

    text: str
    words: Sequence[Token]
    first: int
    last: int
    start: int
    end: int

    def word(self, position: int) -> str:
        """Return the word so many places away, "" where the phrase ends before it."""
        index = self.first + position if position < 0 else self.last - 1 + position
        if not 0 <= index < len(self.words):
            return ""
        token = self.words[index]
        between = self.text[token.end : self.start] if position < 0 else self.text[self.end : token.start]
        return "" if any(char in '.,;:!?\n"()[]{}\u2014\u2026' for char in between) else token.text


def parse_guards(conditions: str) -> tuple[Guard, ...]:
    """Return the guards of a rule."""
    found = []
    for condition in filter(None, (part.strip() for part in conditions.split(";"))):
        direction = {">": 0, "<": 1}.get(condition[0], -1)
        rest = condition if direction == -1 else condition[1:]
        names = rest[3:].split(",")
        words = frozenset().union(*(SETS.get(name, frozenset({name})) for name in names))
        found.append(Guard(int(rest[:2]), rest[2] == "=", words, direction))
    return tuple(found)


def in_prose(place: Place, *, named: bool = False) -> bool:
    """Return whether a carrier stands in plain prose, lower-case or at the head of a sentence; `named`: in any case."""
    text, start, end = place.text, place.start, place.end
    if not _BEFORE.search(text[max(0, start - 1) : start]) or not _AFTER.match(text[end : end + 2]):
        return False
    if text[start - 1 : start] == "(" and text[max(0, start - 2) : start - 1].strip():
        return False
    line_start = text.rfind("\n", 0, start) + 1
    line = text[line_start : max(text.find("\n", end), end) if "\n" in text[end:] else len(text)]
    code = ("...  ", "    ", "::=", "|", "\t")
    if line.startswith(code) or "::=" in line or ">>>" in line or "`" in text[start - 1 : end + 1]:
        return False
    found = text[start:end]
    return named or found == found.lower() or (found[1:] == found[1:].lower() and at_head(text, start))


def at_head(text: str, start: int) -> bool:
    """Return whether a sentence begins at `start`."""
    before = text[:start].rstrip(" \"'(\u2018\u201c\u2014-")
    return not before or before[-1] in ".!?:\n\u2026"


def negated(place: Place) -> bool:
    """Return whether a negation stands beside the carrier or reaches it."""
    low, high = max(0, place.first - _REACH), min(len(place.words), place.last + 1)
    return any(token.text in NEGATIONS for token in place.words[low:high])


def article_fits(place: Place, other: str) -> bool:
    """Return whether an `a` or `an` before the carrier fits the other form too."""
    if place.word(-1) not in {"a", "an"}:
        return True
    return _spoken_vowel(place.words[place.first].text) == _spoken_vowel(other)


def _spoken_vowel(word: str) -> bool:
    return word[:1] in _VOWELS and not word.startswith(_AS_CONSONANT)
