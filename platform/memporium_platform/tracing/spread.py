"""Spread spectrum: a keyed pattern of signs, a hundredth of the numbers it is added to, summed over all of them.

A score is a sum of independent signs times numbers that do not depend on them, for whoever did not receive the copy: so
Hoeffding's bound caps the chance of a score z by exp(-z^2/2), whatever was done to the copy.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from memporium_platform.tracing.accusing import Score
from memporium_platform.tracing.scores import z_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from memporium_platform.tracing.keys import RecipientKey

    Array = NDArray[np.float32]

# Amplitude of a mark, of the standard deviation of the tensor that carries it.
AMPLITUDE = 0.015
# Deviations at which numbers are cut before they are summed: an attacker's few large ones count as little as others.
_CLIP = 4.0


def signs(key: RecipientKey, label: str, shape: Sequence[int]) -> Array:
    """Return a recipient's pattern for a tensor: +1 and -1, float32."""
    count = math.prod(shape)
    drawn = np.unpackbits(np.frombuffer(key.stream(f"signs {label}", -(-count // 8)), np.uint8), count=count)
    return (drawn.astype(np.float32) * 2.0 - 1.0).reshape(shape)


def marked(
    numbers: Array, key: RecipientKey, label: str, *, amplitude: float = AMPLITUDE, whole: bool = False
) -> Array:
    """Return a tensor with a recipient's mark.

    Args:
        numbers: The tensor.
        key: The recipient's.
        label: Names the tensor.
        amplitude: Of the tensor's standard deviation.
        whole: It holds whole numbers: the mark, below one, is rounded up in as many places as keep its mean.
    """
    step = amplitude * float(numbers.std(dtype=np.float64)) * signs(key, label, numbers.shape)
    if not whole:
        return numbers + step
    drawn = np.frombuffer(key.stream(f"dither {label}", 2 * numbers.size), "<u2").reshape(numbers.shape)
    rounded: Array = np.clip(numbers + np.floor(step + drawn.astype(np.float32) / 65536.0), -127, 127)
    return rounded


def limited(residual: Array) -> Array:
    """Return what is left after regression, in its own standard deviations, outliers cut."""
    deviation = float(residual.std(dtype=np.float64))
    if deviation <= 0.0:
        return np.zeros_like(residual)
    cut: Array = np.clip(residual / deviation, -_CLIP, _CLIP)
    return cut


def scored(keys: Mapping[str, RecipientKey], evidence: Mapping[str, Array], *, detector: str) -> list[Score]:
    """Return every recipient's score, highest first.

    Args:
        keys: The recipients'.
        evidence: For each marked tensor what speaks for a + at each place; the statistic is its product with the signs.
        detector: Name of the detector.
    """
    size = math.sqrt(sum(float(np.sum(values.astype(np.float64) ** 2)) for values in evidence.values()))
    found = []
    for name, key in keys.items():
        total = sum(
            float(np.dot(values.ravel(), signs(key, label, values.shape).ravel())) for label, values in evidence.items()
        )
        raw = total / size if size > 0.0 else 0.0
        log_p = -raw * raw / 2.0 if raw > 0.0 else 0.0
        found.append(Score(name, detector, z_of(log_p), log_p))
    return sorted(found, key=lambda score: score.log_p)
