"""Deterministic measures of answers and of what was recalled."""

from __future__ import annotations

import math
import re
import string
from collections import Counter
from typing import TYPE_CHECKING

import snowballstemmer

if TYPE_CHECKING:
    from collections.abc import Sequence

_ARTICLES = re.compile(r"\b(?:a|an|the|and)\b")
_PUNCTUATION = str.maketrans(dict.fromkeys(string.punctuation, " "))
_UNKNOWN = re.compile(
    r"\b(?:not (?:mentioned|specified|known|stated|available|provided|discussed|clear)|"
    r"no (?:information|mention|record)|(?:do|does|did)(?: not|n't) (?:know|say|mention|specify)|"
    r"cannot (?:be determined|say|tell|answer)|can't (?:say|tell)|unknown|unanswerable|insufficient)\b",
    re.IGNORECASE,
)
_LETTER = re.compile(r"\(([a-z])\)|^\W*([a-z])\b(?!['\u2019])", re.IGNORECASE)
_STEMMER = snowballstemmer.stemmer("porter")

_NUMBERS = {
    word: str(number)
    for number, word in enumerate("one two three four five six seven eight nine ten eleven twelve".split(), 1)  # noqa: SIM905
}


def words(text: str) -> list[str]:
    """Return the words of an answer: lower case, without punctuation and articles, as Porter stems."""
    bare = _ARTICLES.sub(" ", text.lower().replace(",", "").translate(_PUNCTUATION))
    return [str(word) for word in _STEMMER.stemWords(bare.split())]


def exact(answer: str, right: str) -> bool:
    """Say whether two answers are the same words."""
    return words(answer) == words(right)


def same_words(answer: str, right: str) -> bool:
    """Say whether two answers have the same words in any order, as `7 May 2023` and `May 7, 2023`, and any at all."""
    given = sorted(_NUMBERS.get(word, word) for word in words(answer))
    return bool(given) and given == sorted(_NUMBERS.get(word, word) for word in words(right))


def f1(answer: str, right: str) -> float:
    """Return the harmonic mean of the shares of words that two answers have in common."""
    given, wanted = words(answer), words(right)
    common = sum((Counter(given) & Counter(wanted)).values())
    if not common:
        return float(given == wanted)
    return 2 * common / (len(given) + len(wanted))


def bleu1(answer: str, right: str) -> float:
    """Return BLEU of single words: their precision, less where the answer is shorter than the right one."""
    given, wanted = words(answer), words(right)
    if not given or not wanted:
        return float(given == wanted)
    precision = sum((Counter(given) & Counter(wanted)).values()) / len(given)
    return precision * min(1.0, math.exp(1 - len(wanted) / len(given)))


def says_unknown(answer: str) -> bool:
    """Say whether an answer says that it is not known."""
    return not answer.strip() or bool(_UNKNOWN.search(answer))


def chosen(answer: str, letters: Sequence[str]) -> str:
    """Return the letter of the option that an answer chooses; "" where it chooses none."""
    for match in _LETTER.finditer(answer.strip()):
        letter = (match[1] or match[2]).lower()
        if letter in letters:
            return letter
    return ""


def recall_at(found: Sequence[object], wanted: Sequence[object], k: int) -> float:
    """Return the share of what is wanted that is among the first k found."""
    first = set(found[:k])
    return sum(one in first for one in wanted) / len(wanted)


def reciprocal_rank(found: Sequence[object], wanted: Sequence[object]) -> float:
    """Return 1 over the place of the first that is wanted; 0 where none is found."""
    return next((1 / place for place, one in enumerate(found, 1) if one in wanted), 0.0)
