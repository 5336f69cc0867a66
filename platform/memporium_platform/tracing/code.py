"""The fingerprinting code: the probability with which each slot carries a 1, and every recipient's bits.

Tardos' construction: per slot a secret bias `p`, and each recipient's bit is 1 with probability `p`, independently. The
biases are the discrete distributions that are best for small coalitions (Nuida et al., "An improvement of discrete
Tardos fingerprinting codes", 2009: Gauss-Legendre nodes), which also bound them away from 0 and 1. Against two
leakers 1/2 is best, and gives a single one the most evidence a slot; but three that always take the minority's word
cancel it out. So small packs, which cannot trace three anyway, take the first, and large ones the second.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from memporium_platform.tracing.keys import RecipientKey, TracingSecret

# Slots from which on a line is coded against three.
LARGE = 2048
# (1 - sqrt(1/3)) / 2: the lower Gauss-Legendre node of order two.
_NODE = 0.21132486540518713


class Profile(StrEnum):
    """Against how many leakers a line is coded; fixed when its first marked release is made."""

    PAIR = "pair"
    TRIPLE = "triple"


def profile_for(slots: int) -> Profile:
    """Return the profile for a pack with so many slots."""
    return Profile.TRIPLE if slots >= LARGE else Profile.PAIR


def biases(secret: TracingSecret, slot_ids: bytes, profile: Profile) -> NDArray[np.float64]:
    """Return the probability of a 1 in each slot: (n,) float64."""
    draws = secret.bias_draws(slot_ids)
    if profile is Profile.PAIR:
        return np.full(draws.shape, 0.5)
    return np.where(draws < 0.5, _NODE, 1.0 - _NODE)  # noqa: PLR2004  -- half each


def bits(key: RecipientKey, slot_ids: bytes, bias: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return a recipient's bits: (n,) bool."""
    return key.uniform(slot_ids) < bias
