"""Metrics (Prometheus, always counted, served where configured) and traces (OpenTelemetry, only where configured)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry, start_http_server

from memporium_platform.call_metrics import CallMetrics

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span

    from memporium_platform.settings import PlatformSettings


class Telemetry:
    """The process's metrics and tracer."""

    def __init__(self, *, registry: CollectorRegistry | None = None) -> None:
        """Make the metrics; a registry of its own, so that a process may hold several platforms."""
        self.registry = registry or CollectorRegistry()
        self._metrics = CallMetrics()
        self.registry.register(self._metrics)
        # Count a call that ended: full gRPC method, tenant (organisation id), gRPC code, seconds.
        self.observe = self._metrics.observe
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
