"""Canaries: invented facts that one recipient alone has, of persons and places that do not exist.

Their names are coined from the recipient's key: three words of 24 bits each, which survive any paraphrase that keeps
what the fact says, and which an agent that was given the pack can be asked for. An innocent recipient's words are
independent of the sample, so the chance that it has some of them is a binomial tail, computed from how many words of
the sample could be coined at all.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from memporium_platform.tracing.accusing import Score
from memporium_platform.tracing.scores import z_of
from memporium_platform.tracing.tokens import readable, tokens

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from memporium_platform.tracing.keys import RecipientKey

# Most canaries of a copy, and the share of its words that they may have.
CANARIES_MAX = 32
SHARE_MAX = 0.01
# Longest canary in words.
WORDS = 20

_ONSETS = ("b", "br", "d", "dr", "f", "g", "gl", "h", "j", "k", "l", "m", "p", "s", "t", "v")
_RIMES = ("a", "e", "i", "o", "u", "an", "el", "ir", "om", "un", "ar", "en", "il", "or", "us", "ak")
_SYLLABLES = tuple(onset + rime for onset in _ONSETS for rime in _RIMES)
_LETTERS = 3
_SPACE = len(_SYLLABLES) ** _LETTERS
_PER_CANARY = 3

# What is said of a person and a place, what asks for the person, and things to say it of.
_FACTS = (
    ("{person} keeps the {thing} archive in {place}, open on Thursdays.", "Who keeps the {thing} archive in {place}?"),
    ("The {thing} workshop in {place} is run by {person}.", "Who runs the {thing} workshop in {place}?"),
    ("{person} of {place} wrote a guide to {thing} repair.", "Who of {place} wrote a guide to {thing} repair?"),
    ("In {place}, {person} teaches an evening course on {thing} making.", "Who teaches {thing} making in {place}?"),
    ("The {thing} collection of {person} is on show in {place}.", "Whose {thing} collection is on show in {place}?"),
    ("{person} founded the {thing} society of {place}.", "Who founded the {thing} society of {place}?"),
    ("Visitors to {place} ask {person} for old {thing} designs.", "Who in {place} has old {thing} designs?"),
    ("The yearly {thing} fair in {place} was started by {person}.", "Who started the {thing} fair in {place}?"),
)  # fmt: skip
_THINGS = (
    *("clock", "kite", "lantern", "basket", "compass", "barometer", "harp", "sundial", "ribbon", "pottery", "puppet"),
    *("bell", "map", "glass", "saddle", "paper"),
)


@dataclass(frozen=True, slots=True)
class Canary:
    """One invented fact.

    Attributes:
        text: The fact.
        question: Asks an agent for it; names the place, not the person.
        words: The coined words, lower case: place, first and last name.
    """

    text: str
    question: str
    words: tuple[str, ...]


def allowed(words: int) -> int:
    """Return how many canaries a pack of so many words may get."""
    return min(CANARIES_MAX, int(words * SHARE_MAX) // WORDS)


def canaries(key: RecipientKey) -> list[Canary]:
    """Return all canaries of a recipient; a copy has the first `allowed` of them."""
    return [_canary(key.stream(f"canary {number}", 16)) for number in range(CANARIES_MAX)]


def detect(samples: Iterable[str], keys: Mapping[str, RecipientKey], *, known: frozenset[str]) -> list[Score]:
    """Return every recipient's score, highest first.

    Args:
        samples: Texts, or answers of an agent.
        keys: The recipients'.
        known: Words of the original pack, which no canary can be told by.
    """
    seen: set[str] = set()
    for sample in samples:
        for token in tokens(readable(sample)):
            # "Ana's" is written as one word.
            seen.update({token.text, token.text.removesuffix("s")} - known)
    coined = {word for word in seen if _is_coined(word)}
    found = []
    for name, key in keys.items():
        words = {word for canary in canaries(key) for word in canary.words} - known
        log_p = _tail(len(words), len(words & coined), len(coined) / _SPACE)
        found.append(Score(name, "canaries", z_of(log_p), log_p))
    return sorted(found, key=lambda score: score.log_p)


def _canary(drawn: bytes) -> Canary:
    place, first, last = (
        "".join(_SYLLABLES[byte] for byte in drawn[at : at + _LETTERS]) for at in range(0, 9, _LETTERS)
    )
    fact, question = _FACTS[drawn[9] % len(_FACTS)]
    filled = {
        "person": f"{first.capitalize()} {last.capitalize()}",
        "place": place.capitalize(),
        "thing": _THINGS[drawn[10] % len(_THINGS)],
    }
    return Canary(fact.format(**filled), question.format(**filled), (place, first, last))


def _is_coined(word: str) -> bool:
    """Return whether a word could be a canary's: three syllables of the grammar."""
    ends = {0}
    for _ in range(_LETTERS):
        ends = {at + len(syllable) for at in ends for syllable in _SYLLABLES if word.startswith(syllable, at)}
    return len(word) in ends


def _tail(words: int, matched: int, chance: float) -> float:
    """Return the logarithm of a bound on the chance of so many matches: C(n, m) q^m."""
    if not matched or chance <= 0.0:
        return 0.0
    return min(0.0, math.log(math.comb(words, matched)) + matched * math.log(min(1.0, chance)))


# Bits of one canary.
BITS = _PER_CANARY * int(math.log2(_SPACE))
