"""Who is accused: only where chance would name an innocent once in a billion."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from memporium_platform.tracing.code import bits
from memporium_platform.tracing.scores import Tail, totals, weights, z_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from memporium_platform.tracing.keys import RecipientKey
    from memporium_platform.tracing.scores import Array

# Least score of an accusation: one in a billion for a recipient, one in a million for a thousand of them.
THRESHOLD_Z = 6.0
# Most that all recipients and detectors together may add up to.
FALSE_ACCUSATIONS_MAX = 1e-6


@dataclass(frozen=True, slots=True)
class Score:
    """What a detector says of a recipient.

    Attributes:
        recipient: Its name.
        detector: Which detector found it, and by which guess.
        z: How far above the innocents it is, corrected for the detector's guesses.
        log_p: Logarithm of the bound on chance.
    """

    recipient: str
    detector: str
    z: float
    log_p: float


def accused(score: Score, *, recipients: int, detectors: int) -> bool:
    """Return whether a score accuses, among so many recipients and detectors."""
    log_p = score.log_p + math.log(max(1, detectors))
    return z_of(log_p) >= THRESHOLD_Z and log_p + math.log(max(1, recipients)) <= math.log(FALSE_ACCUSATIONS_MAX)


def scored(
    keys: Mapping[str, RecipientKey], slot_ids: bytes, evidence: Array, bias: Array, *, detector: str
) -> list[Score]:
    """Return every recipient's best score over the bank, highest first."""
    names = list(keys)
    if not names or not len(evidence):
        return []
    codes: NDArray[np.bool_] = np.stack([bits(keys[name], slot_ids, bias) for name in names])
    return sorted(best_of_bank(names, codes, evidence, bias, detector=detector), key=lambda score: score.log_p)


def best_of_bank(
    names: list[str], codes: NDArray[np.bool_], evidence: Array, bias: Array, *, detector: str
) -> list[Score]:
    """Return every recipient's best score over the bank, in order; `codes` is (recipients, n) bool."""
    best = [(0.0, "")] * len(names)
    bank = weights(evidence, bias)
    for row in bank:
        bounds = Tail(row, bias).log_p(totals(row, codes))
        best = [min(old, (float(bound), row.name)) for old, bound in zip(best, bounds, strict=True)]
    found = []
    for name, (chance, guess) in zip(names, best, strict=True):
        log_p = min(0.0, chance + math.log(len(bank)))
        found.append(Score(name, f"{detector}: {guess}" if guess else detector, z_of(log_p), log_p))
    return found
