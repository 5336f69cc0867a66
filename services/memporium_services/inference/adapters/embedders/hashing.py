"""`hashing-384`: signed feature hashing of words and character n-grams. Deterministic, instant, needs no model.

For tests and for machines without any model: texts that share words or parts of words are near, meaning is not known.
"""

from __future__ import annotations

import hashlib
import math
import re
import unicodedata
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from memporium_services.inference.domain.values import EmbeddedText, Kind, ModelInfo

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

DIMENSIONS = 384
# Longest text that is read, in words: as the window of a model, so that callers meet the flag.
WINDOW_WORDS = 2048
_WORD = re.compile(r"\w+")
_NGRAMS = (3, 4)
# Character n-grams tell of a word's parts; the word itself counts for more.
_WORD_WEIGHT = 1.0
_NGRAM_WEIGHT = 0.35
# Very common words say little; a short list keeps the embedder free of data.
_COMMON_WORDS = (
    "a an and are as at be but by for from had has have he her his i in is it its of on or our she that the their they "
    "this to was we were what when where which who will with you your did do does"
)
_COMMON = frozenset(_COMMON_WORDS.split())
_COMMON_WEIGHT = 0.15


class HashingEmbedder:
    """Feature hashing (Weinberger et al. 2009): each feature adds its weight, signed, to one of 384 places."""

    info = ModelInfo(
        name="hashing-384",
        kind=Kind.EMBEDDER,
        engine="feature-hashing",
        fingerprint=hashlib.sha256(b"memporium hashing-384 version 1").hexdigest(),
        tokenizer_fingerprint=hashlib.sha256(b"memporium words version 1").hexdigest(),
        context_tokens=WINDOW_WORDS,
        dimensions=DIMENSIONS,
        loaded=True,
    )

    def load(self) -> None:
        """Do nothing: there is no model."""

    def embed(self, texts: Sequence[str]) -> list[EmbeddedText]:
        """Return the vectors in the order of the texts."""
        return [_embed(text) for text in texts]

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Return the number of words of each text."""
        return [len(_words(text)) for text in texts]

    def close(self) -> None:
        """Do nothing: there is no model."""


def _words(text: str) -> list[str]:
    return _WORD.findall(unicodedata.normalize("NFKC", text).lower())


def _embed(text: str) -> EmbeddedText:
    words = _words(text)
    vector = np.zeros(DIMENSIONS, dtype=np.float32)
    for word, count in Counter(words[:WINDOW_WORDS]).items():
        # Repetition adds, but less each time.
        weight = 1.0 + math.log(count)
        for feature, share in _features(word):
            digest = int.from_bytes(hashlib.blake2b(feature.encode(), digest_size=8).digest(), "little")
            sign = 1.0 if digest >> 63 else -1.0
            vector[digest % DIMENSIONS] += sign * weight * share
    norm = float(np.linalg.norm(vector))
    if norm > 0:
        vector /= norm
    return EmbeddedText(vector, min(len(words), WINDOW_WORDS), len(words) > WINDOW_WORDS)


def _features(word: str) -> Iterator[tuple[str, float]]:
    scale = _COMMON_WEIGHT if word in _COMMON else 1.0
    yield f"w:{word}", _WORD_WEIGHT * scale
    marked = f"<{word}>"
    for size in _NGRAMS:
        if len(marked) > size:
            for start in range(len(marked) - size + 1):
                yield f"c:{marked[start : start + size]}", _NGRAM_WEIGHT * scale
