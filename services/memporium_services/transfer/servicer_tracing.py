# ruff: noqa: N802, D102, ARG002  -- gRPC names its methods in upper camel case; the protos document them
"""The gRPC face of leak tracing: convert, call, convert back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from memporium.transfer.v1 import transfer_service_pb2 as pb
from memporium_platform.paging import PageTokens, page_size
from memporium_services.transfer import convert, convert_tracing

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from memporium_services.transfer.app.leaks import Leaks


class TracingServicer:
    """Serves the methods of `TransferService` that trace leaks; the service's servicer inherits them."""

    _leaks: Leaks
    _tokens: PageTokens

    async def TraceLeak(self, requests: AsyncIterator[pb.TraceLeakRequest], context: Any) -> pb.TraceLeakResponse:
        header = await convert_tracing.header_in(requests)
        sample = convert_tracing.sample_in(requests)
        trace = await self._leaks.trace(convert.org_in(header.parent), header.listing, sample)
        return convert_tracing.trace_out(trace)

    async def ListCanaryQuestions(
        self, request: pb.ListCanaryQuestionsRequest, context: Any
    ) -> pb.ListCanaryQuestionsResponse:
        scope = f"transfer.leaks.ask:{request.parent}:{request.listing}"
        start = int((self._tokens.open(scope, request.page_token) or {"at": 0})["at"])
        found = await self._leaks.questions(convert.org_in(request.parent), request.listing)
        end = start + page_size(request.page_size)
        more = self._tokens.seal(scope, {"at": end}) if end < len(found) else ""
        questions = [convert_tracing.question_out(*one) for one in found[start:end]]
        return pb.ListCanaryQuestionsResponse(questions=questions, next_page_token=more)
