"""Facts and vectors for benchmarks of scale; needs numpy alone, so that peers in other environments draw the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

WORDS, FACT_WORDS, CENTRES = 20_000, 14, 1_000
DIMENSIONS = 384


class Corpus:
    """Facts of words drawn as in natural text, and vectors around a thousand centres."""

    def __init__(self, seed: int) -> None:
        self._numbers = np.random.default_rng(seed)
        weights = 1.0 / np.arange(1, WORDS + 1)
        self._below = np.cumsum(weights / weights.sum())
        # The same centres for every corpus: tenants talk of the same things.
        self._centres = np.random.default_rng(1).standard_normal((CENTRES, DIMENSIONS)).astype(np.float32)

    def text(self, words: int = FACT_WORDS) -> str:
        """Return some words."""
        picked = np.searchsorted(self._below, self._numbers.random(words))
        return " ".join(f"w{min(number, WORDS - 1):05d}" for number in picked.tolist())

    def vectors(self, count: int) -> NDArray[np.float32]:
        """Return rows of unit length."""
        found = self._centres[self._numbers.integers(CENTRES, size=count)]
        found = found + self._numbers.standard_normal((count, DIMENSIONS)).astype(np.float32)
        return (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32)
