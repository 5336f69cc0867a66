"""Clocks: what asks for the time, the system's, and one that tests set by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Time as a dependency."""

    def now(self) -> datetime:
        """Return the present time, aware, in UTC."""
        ...


class SystemClock:
    """The machine's time."""

    def now(self) -> datetime:
        """Return the present time, aware, in UTC."""
        return datetime.now(UTC)


class ManualClock:
    """A clock that stands still until it is moved."""

    def __init__(self, now: datetime | None = None) -> None:
        """Begin at `now` (default: 2026-01-01 UTC)."""
        self._now = now or datetime(2026, 1, 1, tzinfo=UTC)

    def now(self) -> datetime:
        """Return the time that was set last."""
        return self._now

    def advance(self, **duration: float) -> None:
        """Move forward; the arguments are those of `timedelta`."""
        self._now += timedelta(**duration)
