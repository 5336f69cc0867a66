from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc

from memporium_platform.call import current_call
from support.echo import SERVICE, EchoModule, EchoRequest, EchoStub
from support.platform import running_platform

if TYPE_CHECKING:
    from pathlib import Path

NAME = "orgs/acme/vaults/v"
TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = "b7ad6b7169203331"


class Collector(trace_service_pb2_grpc.TraceServiceServicer):
    """An OpenTelemetry collector that keeps what it gets."""

    def __init__(self) -> None:
        self.spans: dict[str, Any] = {}

    def Export(self, request: Any, context: Any) -> Any:
        for resource in request.resource_spans:
            for scope in resource.scope_spans:
                self.spans.update({span.name: span for span in scope.spans})
        return trace_service_pb2.ExportTraceServiceResponse()


async def test_a_trace_goes_through_all_calls(tmp_path: Path) -> None:
    collector = Collector()
    server = grpc.server(ThreadPoolExecutor(1))
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(collector, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    module = EchoModule()
    seen = []

    async def forward(name: str, _request: Any) -> None:
        seen.append(current_call().trace_id)
        if name == "Echo":
            await module.kernel.channels.stub(EchoStub).Inside(EchoRequest(name=NAME))

    module.on_call = forward
    async with running_platform(
        data_dir=tmp_path, modules=[module], otlp_endpoint=f"http://127.0.0.1:{port}"
    ) as platform:
        module.kernel = platform.kernel
        org = await platform.organisation("acme")
        traceparent = (("traceparent", f"00-{TRACE}-{PARENT}-01"),)
        await EchoStub(platform.channel(org.owner_key)).Echo(EchoRequest(name=NAME), metadata=traceparent)
    server.stop(None).wait()
    outer, inner = collector.spans[f"{SERVICE}/Echo"], collector.spans[f"{SERVICE}/Inside"]
    assert seen == [TRACE, TRACE]
    assert outer.trace_id.hex() == inner.trace_id.hex() == TRACE
    assert outer.parent_span_id.hex() == PARENT
    assert inner.parent_span_id == outer.span_id
