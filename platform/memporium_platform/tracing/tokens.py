"""Text as words: what is left of it after changed case, punctuation, white space and compatibility characters."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from memporium_platform.tracing.words import word_set

_WORD = re.compile(r"[^\W_]+(?:['\u2019\u02bc][^\W_]+)*")
_SUFFIXES = frozenset({"m", "re", "ve", "ll", "s"})
# Words that a contraction hangs on.
BASES = word_set("i you we they he she it that what who here there where how")
# Contractions that have lost their apostrophe. Some are words of their own: they are read as the same in every text,
# so the original and its copies stay equal.
_BARE = {base + suffix: (base, suffix) for base in BASES for suffix in _SUFFIXES}
for _word in ("his", "is", "hers", "heres", "theres", "whatll", "hell", "whore", "here", "there", "where", "ire"):
    _BARE.pop(_word, None)


@dataclass(frozen=True, slots=True)
class Token:
    """A word: normalised, and where it stands in the text."""

    text: str
    start: int
    end: int


def readable(text: str) -> str:
    """Return a sample as it is read: compatibility forms folded, invisible characters gone."""
    folded = unicodedata.normalize("NFKC", text)
    return "".join(char for char in folded if unicodedata.category(char) not in {"Cf", "Mn", "Co", "Cn"})


def tokens(text: str) -> list[Token]:
    """Return the words of a text; the ending of a contraction is a word (`'m`, `'re`, `'ve`, `'ll`, `'s`)."""
    found = []
    for match in _WORD.finditer(text):
        start, end = match.span()
        word = match.group()
        if not word.isascii():
            word = unicodedata.normalize("NFKC", word).replace("\u2019", "'").replace("\u02bc", "'")
        word = word.casefold()
        base, apostrophe, suffix = word.partition("'")
        if apostrophe and suffix in _SUFFIXES and base in BASES:
            cut = start + len(base)
            found += [Token(base, start, cut), Token(f"'{suffix}", cut, end)]
        elif word in _BARE:
            base, suffix = _BARE[word]
            cut = start + len(base)
            found += [Token(base, start, cut), Token(f"'{suffix}", cut, end)]
        else:
            found.append(Token(word.replace("'", ""), start, end))
    return found
