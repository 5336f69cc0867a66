"""Reads a vault's settings out of the bytes that its row keeps."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from memporium.vault.v1.vault_pb2 import Vault
from memporium_services.vault.domain.fusion import CONTEXT, DENSE, OWN
from memporium_services.vault.domain.lifespan import (
    DEFAULT_ARCHIVE_AFTER_S,
    DEFAULT_GRACE_S,
    DEFAULT_HALF_LIFE_S,
    Retention,
)

if TYPE_CHECKING:
    from google.protobuf.duration_pb2 import Duration

    from memporium.vault.v1.vault_pb2 import LegWeights


@lru_cache(maxsize=4096)
def settings_of(stored: bytes) -> Vault:
    """Return the settings that callers made; do not change the message."""
    return Vault.FromString(stored)


@lru_cache(maxsize=4096)
def retention_of(stored: bytes) -> Retention:
    """Return a vault's retention policy with defaults filled in."""
    policy = settings_of(stored).retention
    return Retention(
        ttl_s=seconds(policy.default_ttl) if policy.HasField("default_ttl") else None,
        grace_s=seconds(policy.grace_period) if policy.HasField("grace_period") else DEFAULT_GRACE_S,
        half_life_s=seconds(policy.half_life) if policy.HasField("half_life") else DEFAULT_HALF_LIFE_S,
        archive_below_heat=policy.archive_below_heat,
        archive_after_s=seconds(policy.archive_after) if policy.HasField("archive_after") else DEFAULT_ARCHIVE_AFTER_S,
    )


def seconds(duration: Duration) -> float:
    """Return a duration in seconds."""
    return duration.seconds + duration.nanos / 1e9


def weights_of(weights: LegWeights) -> dict[str, float]:
    """Return leg weights by leg."""
    return {DENSE: weights.dense, OWN: weights.own, CONTEXT: weights.context}
