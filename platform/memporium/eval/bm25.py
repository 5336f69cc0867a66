"""BM25 over a dialogue's turns: what Recall is measured beside."""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from typing import TYPE_CHECKING

import snowballstemmer

if TYPE_CHECKING:
    from collections.abc import Sequence

# Saturation of a word that is repeated, and how much long texts pay: the usual values (Robertson and Zaragoza, 2009).
_K1, _B = 1.2, 0.75
_WORD = re.compile(r"\w+")
_STOP_WORDS = """
a an and are as at be been but by did do does for from had has have he her him his how i if in is it its me my of on or
our she so that the their them then there they this to was we were what when where which who why will with would you
your
"""
_STOP = frozenset(_STOP_WORDS.split())


class Bm25:
    """An index of texts by the stems of their words."""

    def __init__(self, texts: Sequence[str]) -> None:
        """Index the texts."""
        # One of its own: stemmers are not for several threads.
        self._stemmer = snowballstemmer.stemmer("english")
        self._stems: dict[str, str] = {}
        counted = [Counter(self._words(text)) for text in texts]
        self._sizes = [sum(one.values()) for one in counted]
        self._mean_size = (sum(self._sizes) / len(texts) if texts else 0) or 1.0
        self._holders: dict[str, list[tuple[int, int]]] = defaultdict(list)
        for index, counts in enumerate(counted):
            for word, count in counts.items():
                self._holders[word].append((index, count))

    def rank(self, question: str) -> list[int]:
        """Return the indices of the texts that share a word with a question, best first."""
        scores: dict[int, float] = defaultdict(float)
        for word in set(self._words(question)):
            holders = self._holders.get(word, [])
            rarity = math.log(1 + (len(self._sizes) - len(holders) + 0.5) / (len(holders) + 0.5))
            for index, count in holders:
                length = 1 - _B + _B * self._sizes[index] / self._mean_size
                scores[index] += rarity * count * (_K1 + 1) / (count + _K1 * length)
        return sorted(scores, key=lambda index: (-scores[index], index))

    def _words(self, text: str) -> list[str]:
        return [self._stem(word) for word in _WORD.findall(text.lower()) if word not in _STOP]

    def _stem(self, word: str) -> str:
        if word not in self._stems:
            self._stems[word] = str(self._stemmer.stemWord(word))
        return self._stems[word]
