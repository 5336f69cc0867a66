"""Limits of each tenant: a rate, and numbers of calls in progress. A tenant that floods hurts only itself."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from memporium_platform.errors import PlatformError, Reason

if TYPE_CHECKING:
    from collections.abc import Callable

    from memporium_platform.settings import PlatformSettings

# Advice where calls in progress are too many: about the time in which some of them end.
_BUSY_RETRY_S = 0.1


@dataclass(slots=True)
class _Tenant:
    tokens: float
    updated: float
    calls: int = 0
    streams: int = 0


class Limits:
    """Token bucket and concurrency caps by tenant, and one cap for all. Used on the event loop only."""

    def __init__(self, settings: PlatformSettings, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        """Read the limits from the settings; `monotonic` gives seconds."""
        self._rate = settings.tenant_calls_per_s
        self._burst = float(settings.tenant_burst_calls)
        self._tenant_calls = settings.tenant_concurrent_calls or 1 << 62
        self._tenant_streams = settings.tenant_concurrent_streams or 1 << 62
        self._all_calls = settings.concurrent_calls or 1 << 62
        self._monotonic = monotonic
        self._tenants: dict[str, _Tenant] = {}
        self._calls = 0

    def enter(self, tenant: str, *, stream: bool) -> None:
        """Take one call in; `leave` must follow.

        Raises:
            PlatformError: RATE_LIMITED or OVERLOADED, with the delay after which a retry may help.
        """
        if self._calls >= self._all_calls:
            raise _overloaded()
        state = self._tenants.get(tenant)
        if state is None:
            state = self._tenants[tenant] = _Tenant(self._burst, self._monotonic())
        if self._rate:
            self._take(state)
        if stream:
            if state.streams >= self._tenant_streams:
                raise _limited("streams in progress", self._tenant_streams, _BUSY_RETRY_S)
            state.streams += 1
        else:
            if state.calls >= self._tenant_calls:
                raise _limited("calls in progress", self._tenant_calls, _BUSY_RETRY_S)
            state.calls += 1
            self._calls += 1

    def leave(self, tenant: str, *, stream: bool) -> None:
        """Take note that a call has ended."""
        state = self._tenants[tenant]
        if stream:
            state.streams -= 1
        else:
            state.calls -= 1
            self._calls -= 1

    def _take(self, state: _Tenant) -> None:
        now = self._monotonic()
        state.tokens = min(self._burst, state.tokens + (now - state.updated) * self._rate)
        state.updated = now
        if state.tokens < 1.0:
            raise _limited("calls a second", self._rate, max((1.0 - state.tokens) / self._rate, 0.001))
        state.tokens -= 1.0


def _limited(what: str, limit: float, retry_after_s: float) -> PlatformError:
    return PlatformError(
        Reason.RATE_LIMITED,
        f"the organisation's limit of {limit:g} {what} is reached",
        metadata={"limit": f"{limit:g} {what}"},
        retry_after_s=retry_after_s,
    )


def _overloaded() -> PlatformError:
    return PlatformError(Reason.OVERLOADED, "the server has too much to do", retry_after_s=_BUSY_RETRY_S)
