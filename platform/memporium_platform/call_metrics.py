"""How often and how long calls ran, for Prometheus.

Every call is counted here, on the event loop. The library's own counters take a lock and search the buckets one by one
at each, which is slower than a whole decision about access; these are plain numbers, made into samples when scraped.
"""

from __future__ import annotations

from bisect import bisect_left
from itertools import accumulate
from typing import TYPE_CHECKING

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client.metrics_core import Metric

# Seconds; the aims lie between 1 ms and 40 ms, a model's answer in the seconds.
BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0)
# More tenants than this share the label `other`, so that a scrape stays small.
MAX_TENANTS = 1000


class _Times:
    """How long the calls of one method took."""

    __slots__ = ("counts", "total_s")

    def __init__(self) -> None:
        self.counts = [0] * (len(BUCKETS) + 1)
        self.total_s = 0.0


class CallMetrics(Collector):
    """`memporium_calls_total` by method, tenant and code, and `memporium_call_seconds` by method."""

    def __init__(self) -> None:
        """Begin at zero."""
        self._tenants: set[str] = set()
        self._calls: dict[tuple[str, str, str], int] = {}
        self._times: dict[str, _Times] = {}

    def observe(self, method: str, tenant: str, code: str, seconds: float) -> None:
        """Count a call that ended; on the event loop alone."""
        if tenant not in self._tenants:
            if len(self._tenants) < MAX_TENANTS:
                self._tenants.add(tenant)
            else:
                tenant = "other"
        key = (method, tenant, code)
        self._calls[key] = self._calls.get(key, 0) + 1
        times = self._times.get(method)
        if times is None:
            times = self._times[method] = _Times()
        times.counts[bisect_left(BUCKETS, seconds)] += 1
        times.total_s += seconds

    def collect(self) -> Iterator[Metric]:
        """Yield the samples; runs on the thread of the scrape."""
        calls = CounterMetricFamily("memporium_calls", "Calls that ended.", labels=["method", "tenant", "code"])
        for labels, count in list(self._calls.items()):
            calls.add_metric(labels, count)
        yield calls
        seconds = HistogramMetricFamily(
            "memporium_call_seconds", "Seconds from a call's arrival to its end.", labels=["method"]
        )
        bounds = [*map(floatToGoString, BUCKETS), "+Inf"]
        for method, times in list(self._times.items()):
            buckets = list(zip(bounds, map(float, accumulate(list(times.counts))), strict=True))
            seconds.add_metric([method], buckets=buckets, sum_value=times.total_s)
        yield seconds
