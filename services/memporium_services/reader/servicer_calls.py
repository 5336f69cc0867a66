"""The gRPC face of memory calls: convert, call, convert back."""

# ruff: noqa: N802, D102, ARG002 - gRPC names its methods in upper camel case; the protos document them
from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from memporium.reader.v1 import memory_call_pb2
from memporium_services.reader import convert_calls as convert
from memporium_services.reader.domain.memory_calls import parse

if TYPE_CHECKING:
    from memporium_platform.clock import Clock

_SHORT = 256


class CallMethods:
    """The method of `memporium.reader.v1.ReaderService` on memory calls."""

    _clock: Clock

    async def ParseMemoryCall(
        self, request: memory_call_pb2.ParseMemoryCallRequest, context: Any
    ) -> memory_call_pb2.ParseMemoryCallResponse:
        text, now, previous = convert.request_in(request, self._clock.now())
        # A long text takes half a second at worst, which others on the loop should not wait for.
        call = await asyncio.to_thread(parse, text, now, previous) if len(text) > _SHORT else parse(text, now, previous)
        return memory_call_pb2.ParseMemoryCallResponse(call=convert.call_out(call, request))
