"""What is counted of calls, as Prometheus reads it."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, generate_latest

from memporium_platform import call_metrics
from memporium_platform.telemetry import Telemetry


def test_calls_are_counted_by_method_tenant_and_code() -> None:
    registry = CollectorRegistry()
    telemetry = Telemetry(registry=registry)
    for code in ("OK", "OK", "NOT_FOUND"):
        telemetry.observe("/a/B", "acme", code, 0.001)
    labels = {"method": "/a/B", "tenant": "acme"}
    assert registry.get_sample_value("memporium_calls_total", {**labels, "code": "OK"}) == 2
    assert registry.get_sample_value("memporium_calls_total", {**labels, "code": "NOT_FOUND"}) == 1


def test_times_fall_into_buckets_that_hold_all_below() -> None:
    registry = CollectorRegistry()
    telemetry = Telemetry(registry=registry)
    for seconds in (0.0004, 0.0005, 0.002, 3.0, 100.0):
        telemetry.observe("/a/B", "acme", "OK", seconds)

    def within(bound: str) -> float | None:
        return registry.get_sample_value("memporium_call_seconds_bucket", {"method": "/a/B", "le": bound})

    bounds = ("0.0005", "0.001", "0.0025", "2.5", "10.0", "60.0", "+Inf")
    assert [within(bound) for bound in bounds] == [2, 2, 3, 3, 4, 4, 5]
    assert registry.get_sample_value("memporium_call_seconds_count", {"method": "/a/B"}) == 5
    assert registry.get_sample_value("memporium_call_seconds_sum", {"method": "/a/B"}) == 0.0004 + 0.0005 + 0.002 + 103
    assert b"# TYPE memporium_call_seconds histogram" in generate_latest(registry)


def test_tenants_beyond_the_limit_share_a_label() -> None:
    registry = CollectorRegistry()
    telemetry = Telemetry(registry=registry)
    for number in range(call_metrics.MAX_TENANTS + 5):
        telemetry.observe("/a/B", f"org-{number}", "OK", 0.001)
    telemetry.observe("/a/B", "org-0", "OK", 0.001)
    labels = {"method": "/a/B", "code": "OK"}
    assert registry.get_sample_value("memporium_calls_total", {**labels, "tenant": "other"}) == 5
    assert registry.get_sample_value("memporium_calls_total", {**labels, "tenant": "org-0"}) == 2
