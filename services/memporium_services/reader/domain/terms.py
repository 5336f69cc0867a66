"""Words of a text as stems without stop words: for telling topics, covering questions and finding new words."""

from __future__ import annotations

import re
from functools import lru_cache

import snowballstemmer

_WORD = re.compile(r"[^\W_]+(?:['\u2019][^\W_]+)?")
_STOP_WORDS = frozenset(
    # ruff: noqa: SIM905 - a list of words
    "a about above after again all also am an and any are as at be been before being both but by can could did do does "
    "doing done down during each few for from further get got had has have having he her here hers him his how i if in "
    "into is it its just let like me more most much my no nor not of off oh ok on once only or other our out over own "
    "really s same she should so some such t than that the their them then there these they this those through to too "
    "under until up us very was we were what when where which while who whom whose why will with would yeah yes you "
    "your hey hi wow thanks thank".split()
)  # fmt: skip
_STEMMER = snowballstemmer.stemmer("english")
_LONGEST = 64


@lru_cache(maxsize=100_000)
def _stem(word: str) -> str:
    bare = word.replace("\u2019", "'")
    head = bare.split("'", 1)[0]
    if bare in _STOP_WORDS or head in _STOP_WORDS:
        return ""
    return str(_STEMMER.stemWord(head[:_LONGEST]))


def terms(text: str) -> list[str]:
    """Return the stems of a text in order, with repeats."""
    return [stem for word in _WORD.findall(text.lower()) if (stem := _stem(word))]
