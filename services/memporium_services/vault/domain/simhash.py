"""SimHash (Charikar 2002): texts that differ little have hashes that differ in few bits."""

from __future__ import annotations

import hashlib
import itertools
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

BITS = 64
# Four bands of 16 bits: hashes at a distance of at most three share one of them (pigeonhole).
BANDS = 4
MAX_DISTANCE = 3
# Fewer terms say too little: short texts collide.
MIN_TERMS = 8


def simhash(terms: Sequence[str]) -> int:
    """Return the 64-bit SimHash of analysed terms (unigrams and bigrams), 0 for too few of them."""
    if len(terms) < MIN_TERMS:
        return 0
    counts = Counter(terms)
    counts.update(f"{a} {b}" for a, b in itertools.pairwise(terms))
    digests = b"".join(hashlib.blake2b(term.encode(), digest_size=8).digest() for term in counts)
    bits = np.unpackbits(np.frombuffer(digests, np.uint8).reshape(-1, 8), axis=1).astype(np.int64)
    weights = np.fromiter(counts.values(), np.int64, len(counts))
    sums = weights @ (2 * bits - 1)
    return int.from_bytes(np.packbits(sums > 0).tobytes(), "big")


def bands(value: int) -> tuple[int, ...]:
    """Return the four bands of a hash, most significant first."""
    return tuple((value >> (16 * (BANDS - 1 - index))) & 0xFFFF for index in range(BANDS))


def distance(a: int, b: int) -> int:
    """Return in how many bits two hashes differ."""
    return (a ^ b).bit_count()
