"""Facts and vectors for benchmarks of scale; needs numpy alone, so that peers in other environments draw the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Of daily life, so that dialogue of them is as long in tokens as people's.
_DAILY = (
    "time year people way day man thing woman life child world school family student group country problem hand "
    "part place case week company system program question work night point home water room mother area money "
    "story month lot right study book eye job word business issue side kind head house service friend father "
    "power hour game line end member law car city community name president team minute idea kid body information "
    "back parent face others level office door health person art war history party result change morning reason "
    "research girl guy moment air teacher force education foot boy age policy music market sense nation plan "
    "college interest death experience garden summer winter train river bridge kitchen dinner coffee window "
    "letter doctor brother sister holiday weekend picture painting piano guitar concert movie novel camera phone "
    "computer bicycle mountain beach island forest lake"
)
_SAID = _DAILY.split()
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

    def said(self, words: int = FACT_WORDS) -> str:
        """Return some words as they are said, each a token or two to a language model: for embedders that read."""
        picked = np.searchsorted(self._below, self._numbers.random(words)).tolist()
        return " ".join(_SAID[number % len(_SAID)] for number in picked)

    def vectors(self, count: int) -> NDArray[np.float32]:
        """Return rows of unit length."""
        found = self._centres[self._numbers.integers(CENTRES, size=count)]
        found = found + self._numbers.standard_normal((count, DIMENSIONS)).astype(np.float32)
        return (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32)
