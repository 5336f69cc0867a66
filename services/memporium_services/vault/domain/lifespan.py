"""When a cube expires and when it is purged."""

from __future__ import annotations

from dataclasses import dataclass

_US = 1_000_000

# Of vaults that say nothing else.
DEFAULT_GRACE_S = 7 * 86_400.0
DEFAULT_HALF_LIFE_S = 7 * 86_400.0
DEFAULT_ARCHIVE_AFTER_S = 30 * 86_400.0


@dataclass(frozen=True, slots=True)
class Retention:
    """A vault's policy, with defaults filled in; times in seconds, `ttl_s` None: no end."""

    ttl_s: float | None = None
    grace_s: float = DEFAULT_GRACE_S
    half_life_s: float = DEFAULT_HALF_LIFE_S
    archive_below_heat: float = 0.0
    archive_after_s: float = DEFAULT_ARCHIVE_AFTER_S


def expire_us(*, create_us: int, ttl_s: float | None, retention: Retention) -> int | None:
    """Return when a cube's life ends; its own time to live goes before the vault's. None: never."""
    ttl = ttl_s if ttl_s is not None else retention.ttl_s
    return None if ttl is None else create_us + round(ttl * _US)


def purge_us(*, expired_us: int, retention: Retention) -> int:
    """Return when a cube that expired is purged."""
    return expired_us + round(retention.grace_s * _US)
