"""Which sentences of an answer rest on which memory: by the words that carry their meaning.

Words that a question and every text have say nothing; a sentence counts as resting on a memory when more than half of
its other words, and two at least, are found there.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_SENTENCE = re.compile(r"[^.!?\n]+[.!?]*", re.UNICODE)
_WORD = re.compile(r"\w+", re.UNICODE)
_LEAST_SHARE = 0.5
_LEAST_WORDS = 2
# Characters that words of meaning have at least; numbers count whatever their length.
_LEAST_CHARACTERS = 3
_LITTLE = """
about after all also and any are because been before being but can could did does for from had has have her here him his
how into its just like may more most much must not now only other our out over own said say she should some such than
that the their them then there these they this those through under until upon very was were what when where which while
who whom why will with would you your
"""
_EMPTY_WORDS = frozenset(_LITTLE.split())


@dataclass(frozen=True, slots=True)
class Passage:
    """A passage of an answer, in characters, and the share of its words that a memory has."""

    begin: int
    end: int
    share: float


def passages_of(answer: str, memory: str) -> tuple[Passage, ...]:
    """Return the sentences of an answer that rest on a memory, in order."""
    known = _words(memory)
    found = []
    for match in _SENTENCE.finditer(answer) if known else ():
        words = _words(match.group())
        shared = words & known
        if len(shared) >= _LEAST_WORDS and len(shared) > _LEAST_SHARE * len(words):
            begin = match.start() + len(match.group()) - len(match.group().lstrip())
            found.append(Passage(begin, match.start() + len(match.group().rstrip()), len(shared) / len(words)))
    return tuple(found)


def _words(text: str) -> frozenset[str]:
    return frozenset(
        word
        for word in _WORD.findall(text.casefold())
        if word.isdigit() or (len(word) >= _LEAST_CHARACTERS and word not in _EMPTY_WORDS)
    )
