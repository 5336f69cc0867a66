"""Metrics (Prometheus, always counted, served where configured) and traces (OpenTelemetry, only where configured)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry, Counter, Histogram, start_http_server

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span

    from memporium_platform.settings import PlatformSettings

# Seconds; the aims lie between 1 ms and 40 ms, a model's answer in the seconds.
_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0)
# More tenants than this share the label `other`, so that a scrape stays small.
_MAX_TENANTS = 1000


class Telemetry:
    """The process's metrics and tracer."""

    def __init__(self, *, registry: CollectorRegistry | None = None) -> None:
        """Make the metrics; a registry of its own, so that a process may hold several platforms."""
        self.registry = registry or CollectorRegistry()
        # Calls that ended, by full gRPC method, tenant (organisation id) and gRPC code.
        self._calls = Counter(
            "memporium_calls", "Calls that ended.", ["method", "tenant", "code"], registry=self.registry
        )
        # Seconds from a call's arrival to its end, by full gRPC method.
        self._seconds = Histogram(
            "memporium_call_seconds",
            "Seconds from a call's arrival to its end.",
            ["method"],
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self._tenants: set[str] = set()
        self._counters: dict[tuple[str, str, str], Any] = {}
        self._histograms: dict[str, Any] = {}
        self._provider: TracerProvider | None = None
        self._tracer: Any = None
        self._server: Any = None

    def start(self, settings: PlatformSettings) -> None:
        """Serve /metrics and send traces, each only where the settings say so."""
        if settings.metrics_listen:
            host, _, port = settings.metrics_listen.rpartition(":")
            self._server, _ = start_http_server(int(port), addr=host or "127.0.0.1", registry=self.registry)
        if settings.otlp_endpoint:
            self._provider = _provider(settings.otlp_endpoint)
            self._tracer = self._provider.get_tracer("memporium")

    @property
    def metrics_port(self) -> int:
        """The port of /metrics; 0 where it is not served."""
        return int(self._server.server_port) if self._server is not None else 0

    def observe(self, method: str, tenant: str, code: str, seconds: float) -> None:
        """Count a call that ended."""
        key = (method, tenant, code)
        counter = self._counters.get(key)
        if counter is None:
            counter = self._counters[key] = self._calls.labels(method, self._label(tenant), code)
        counter.inc()
        histogram = self._histograms.get(method)
        if histogram is None:
            histogram = self._histograms[method] = self._seconds.labels(method)
        histogram.observe(seconds)

    def begin_span(self, method: str, traceparent: str) -> Span | None:
        """Begin the span of a call, below the caller's; None where traces are off."""
        if self._tracer is None:
            return None
        from opentelemetry.trace import SpanKind
        from opentelemetry.trace.propagation.tracecontext import (
            TraceContextTextMapPropagator,
        )

        parent = TraceContextTextMapPropagator().extract({"traceparent": traceparent})
        span: Span = self._tracer.start_span(method.lstrip("/"), context=parent, kind=SpanKind.SERVER)
        span.set_attribute("rpc.system", "grpc")
        return span

    def stop(self) -> None:
        """Send what is left and close the endpoint."""
        if self._provider is not None:
            self._provider.shutdown()
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()

    def _label(self, tenant: str) -> str:
        if tenant in self._tenants or len(self._tenants) < _MAX_TENANTS:
            self._tenants.add(tenant)
            return tenant
        return "other"


def traceparent_of(span: Span) -> str:
    """Return the W3C `traceparent` of a span."""
    context = span.get_span_context()
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"


def _provider(endpoint: str) -> TracerProvider:
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider(resource=Resource.create({"service.name": "memporium"}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint, insecure=True)))
    return provider
