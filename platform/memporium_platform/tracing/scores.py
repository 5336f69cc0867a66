"""Scores of recipients against what was read, and how surely an innocent one would score less.

An innocent recipient's bits are independent of what was read, given the biases: so whatever leakers and attacks did,
its score under *any* weights computed from the reading is a sum of independent two-valued terms, whose tail Chernoff's
bound caps without approximation. `z` is that cap on the scale of the normal distribution: z = 6 is one in a billion.

The weights are log-likelihood ratios for a bank of guesses at what happened (how many leakers, how they chose, how much
was rewritten), with soft evidence a slot, and Tardos' symmetric score beside them for what the bank did not guess. The
bank costs a factor: `p` is multiplied by its size.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

_NORMAL = NormalDist()
# Exponents of the bound, in units of one over the standard deviation: best for a normal sum at that many deviations,
# far larger ones for scores near the greatest that is possible.
_TRIED = (*(step / 4 for step in range(1, 61)), *(15.0 * 1.15**step for step in range(1, 40)))


_EVEN = 0.5
# Least deviation of a score that is more than rounding.
_LEAST = 1e-6


@dataclass(frozen=True, slots=True)
class Guess:
    """What may have happened: leakers, how they chose where their bits differ, and the share that was rewritten.

    `ones[k]` is the probability that the leak shows a 1 where k of the leakers have it.
    """

    name: str
    ones: tuple[float, ...]
    rewritten: float


GUESSES = (
    Guess("one", (0.0, 1.0), 0.02),
    Guess("one, rewritten", (0.0, 1.0), 0.35),
    Guess("two", (0.0, 0.5, 1.0), 0.3),
    Guess("three, mixed", (0.0, 1 / 3, 2 / 3, 1.0), 0.3),
    Guess("three, majority", (0.0, 0.0, 1.0, 1.0), 0.3),
    Guess("three, minority", (0.0, 1.0, 0.0, 1.0), 0.3),
)


@dataclass(frozen=True, slots=True)
class Weights:
    """What a slot adds to a score where the recipient's bit is 1 and where it is 0: each (n,) float64."""

    name: str
    one: Array
    zero: Array


def weights(evidence: Array, bias: Array) -> list[Weights]:
    """Return the bank's weights.

    Args:
        evidence: (n,) the share of 1 among a slot's readings, in [0, 1].
        bias: (n,) the probability of a 1.
    """
    # Where every bias is 1/2 all guesses weigh the slots alike, so that one score is all there is to correct for.
    even = bool(np.all(bias == _EVEN))
    found = [] if even else [_likelihood(guess, evidence, bias) for guess in GUESSES]
    odds = np.sqrt((1.0 - bias) / bias)
    signed = 2.0 * evidence - 1.0
    found.append(Weights("symmetric", signed * odds, -signed / odds))
    return found


def totals(weights_: Weights, bits: NDArray[np.bool_]) -> Array:
    """Return scores; `bits` is (recipients, n)."""
    scores: Array = bits.astype(np.float64) @ (weights_.one - weights_.zero) + weights_.zero.sum()
    return scores


class Tail:
    """How surely an innocent recipient scores less: the log-moments of its score on a grid of exponents."""

    def __init__(self, weights_: Weights, bias: Array) -> None:
        """Compute the moments; bits are 1 with probability `bias`."""
        spread = weights_.one - weights_.zero
        deviation = math.sqrt(float(np.sum(bias * (1.0 - bias) * spread**2)))
        # Weights that are all rounding say nothing, and no bound may be made of them.
        self._exponents = np.array(_TRIED if deviation > _LEAST else (0.0,)) / max(deviation, _LEAST)
        self._moments = np.array([_log_moment(weights_, bias, exponent) for exponent in self._exponents])

    def log_p(self, scores: Array) -> Array:
        """Return the logarithm of a bound on the chance of each score, at most 0."""
        bounds = self._moments[:, None] - self._exponents[:, None] * scores[None, :]
        least: Array = bounds.min(axis=0, initial=0.0)
        return least


def z_of(log_p: float) -> float:
    """Return the normal quantile of a probability given by its logarithm."""
    if log_p >= math.log(0.5):
        return 0.0
    if log_p > -600.0:  # noqa: PLR2004  -- exp() still has it
        return -_NORMAL.inv_cdf(math.exp(log_p))
    # log Q(z) ~ -z^2/2 - log(z sqrt(2 pi)), solved by iteration.
    z = math.sqrt(-2.0 * log_p)
    for _ in range(4):
        z = math.sqrt(max(0.0, -2.0 * (log_p + math.log(z * math.sqrt(2.0 * math.pi)))))
    return z


def _log_moment(weights_: Weights, bias: Array, exponent: float) -> float:
    high, low = exponent * weights_.one, exponent * weights_.zero
    top = np.maximum(high, low)
    return float((top + np.log(bias * np.exp(high - top) + (1.0 - bias) * np.exp(low - top))).sum())


def _likelihood(guess: Guess, evidence: Array, bias: Array) -> Weights:
    """Weights log P(reading | bit) - log P(reading), the other leakers' bits unknown."""
    others = len(guess.ones) - 2
    with_one, with_zero = np.zeros_like(bias), np.zeros_like(bias)
    for k in range(others + 1):
        chance = math.comb(others, k) * bias**k * (1.0 - bias) ** (others - k)
        with_one += chance * guess.ones[k + 1]
        with_zero += chance * guess.ones[k]
    keep, noise = 1.0 - guess.rewritten, guess.rewritten / 2.0
    one, zero = keep * with_one + noise, keep * with_zero + noise
    any_bit = bias * one + (1.0 - bias) * zero
    return Weights(guess.name, _log_odds(one, any_bit, evidence), _log_odds(zero, any_bit, evidence))


def _log_odds(given: Array, any_bit: Array, evidence: Array) -> Array:
    return evidence * np.log(given / any_bit) + (1.0 - evidence) * np.log((1.0 - given) / (1.0 - any_bit))
