"""Traces between the wire and the service."""

from __future__ import annotations

from typing import TYPE_CHECKING

from memporium.transfer.v1 import tracing_pb2 as pb
from memporium.transfer.v1 import transfer_service_pb2 as calls
from memporium_platform.errors import invalid
from memporium_platform.tracing.canaries import allowed
from memporium_platform.tracing.promise import in_words, promise

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from memporium_services.transfer.domain.bundles import Bundle
    from memporium_services.transfer.domain.tracing import MarkedCopy, Suspect, Trace


def tracing_out(bundle: Bundle) -> pb.Tracing:
    """Return what marks a bundle has room for, and what that promises."""
    found = promise(slots=bundle.slots, words=bundle.words)
    return pb.Tracing(
        promise=pb.TracePromise.Value(f"TRACE_PROMISE_{found.value}"),
        slots=bundle.slots,
        words=bundle.words,
        canaries=allowed(bundle.words),
        statement=in_words(found, words=bundle.words),
    )


async def header_in(requests: AsyncIterator[calls.TraceLeakRequest]) -> calls.TraceLeakHeader:
    """Return the header, which comes first.

    Raises:
        PlatformError: INVALID_FIELD, where something else comes.
    """
    async for request in requests:
        if request.HasField("header"):
            return request.header
        break
    raise invalid("header", "must come first")


async def sample_in(requests: AsyncIterator[calls.TraceLeakRequest]) -> AsyncIterator[bytes]:
    """Yield the sample's pieces."""
    async for request in requests:
        if request.HasField("header"):
            raise invalid("header", "may come only once")
        yield request.data


def trace_out(trace: Trace) -> calls.TraceLeakResponse:
    """Return the message of a trace."""
    return calls.TraceLeakResponse(
        verdict=pb.TraceVerdict.Value(f"TRACE_VERDICT_{trace.verdict.value}"),
        suspects=map(_suspect_out, trace.suspects),
        recipient_count=trace.recipients,
        detector_count=trace.detectors,
        slots_found=trace.slots_found,
        slots=trace.slots,
        explanation=trace.explanation,
    )


def _suspect_out(suspect: Suspect) -> pb.Suspect:
    return pb.Suspect(
        recipient=suspect.recipient,
        agreement=suspect.agreement,
        z=suspect.z,
        log10_p=suspect.log10_p,
        detector=suspect.detector,
        accused=suspect.accused,
        commitment=suspect.commitment,
        marks_key=suspect.marks_key,
    )


def question_out(copy: MarkedCopy, question: str) -> pb.CanaryQuestion:
    """Return the message of a question."""
    return pb.CanaryQuestion(recipient=copy.recipient, agreement=copy.agreement, question=question)
