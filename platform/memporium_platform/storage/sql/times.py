"""Times as tables hold them: whole microseconds since 1970 in UTC, in a BigInteger."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def to_us(time: datetime) -> int:
    """Return microseconds since the epoch.

    Raises:
        ValueError: `time` has no zone.
    """
    if time.tzinfo is None:
        message = "a time without a zone cannot be stored"
        raise ValueError(message)
    return (time - _EPOCH) // _MICROSECOND


def from_us(microseconds: int) -> datetime:
    """Return the time, aware, in UTC."""
    return _EPOCH + timedelta(microseconds=microseconds)
