from __future__ import annotations

from typing import Any

import pytest

from memporium_platform.errors import PlatformError, Reason
from memporium_platform.limits import Limits
from memporium_platform.settings import PlatformSettings


class Time:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def limits(time: Time | None = None, **settings: Any) -> Limits:
    values = {"tenant_calls_per_s": 0, "tenant_concurrent_calls": 0, "tenant_concurrent_streams": 0, **settings}
    return Limits(PlatformSettings(**values), monotonic=time or Time())


def refused(limit: Limits, tenant: str = "a", *, stream: bool = False) -> PlatformError:
    with pytest.raises(PlatformError) as caught:
        limit.enter(tenant, stream=stream)
    assert caught.value.retry_after_s is not None
    return caught.value


def test_a_bucket_refills_with_time_and_is_each_tenants_own() -> None:
    time = Time()
    limit = limits(time, tenant_calls_per_s=10, tenant_burst_calls=2)
    for _ in range(2):
        limit.enter("a", stream=False)
    error = refused(limit)
    assert error.reason is Reason.RATE_LIMITED
    assert error.retry_after_s == pytest.approx(0.1)
    limit.enter("b", stream=False)
    time.now += 0.1
    limit.enter("a", stream=False)
    refused(limit)
    time.now += 100
    for _ in range(2):
        limit.enter("a", stream=False)
    refused(limit)


def test_calls_in_progress() -> None:
    limit = limits(tenant_concurrent_calls=2)
    limit.enter("a", stream=False)
    limit.enter("a", stream=False)
    assert refused(limit).reason is Reason.RATE_LIMITED
    limit.enter("a", stream=True)
    limit.leave("a", stream=False)
    limit.enter("a", stream=False)


def test_streams_in_progress() -> None:
    limit = limits(tenant_concurrent_streams=1)
    limit.enter("a", stream=True)
    assert refused(limit, stream=True).reason is Reason.RATE_LIMITED
    limit.leave("a", stream=True)
    limit.enter("a", stream=True)


def test_calls_of_all_tenants() -> None:
    limit = limits(concurrent_calls=2)
    limit.enter("a", stream=False)
    limit.enter("b", stream=False)
    assert refused(limit, "c").reason is Reason.OVERLOADED
    limit.leave("a", stream=False)
    limit.enter("c", stream=False)


def test_zero_is_no_limit() -> None:
    limit = limits(concurrent_calls=0)
    for _ in range(10_000):
        limit.enter("a", stream=False)
