"""A peer's error as a PlatformError again, so that it can be handled by reason or passes through to the caller.

Only the reason, which must be one of ours, and texts are taken from the peer; no class is ever built from its words.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import grpc
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

from memporium_platform.errors import FieldViolation, PlatformError, Reason
from memporium_platform.rpc.status import DETAILS_KEY, DOMAIN

if TYPE_CHECKING:
    from collections.abc import Mapping

# What a status without our details means: it comes from gRPC itself or from something between.
_BY_CODE: Mapping[grpc.StatusCode, Reason] = {
    grpc.StatusCode.UNAVAILABLE: Reason.UNAVAILABLE,
    grpc.StatusCode.UNIMPLEMENTED: Reason.UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED: Reason.DEADLINE_EXCEEDED,
    grpc.StatusCode.CANCELLED: Reason.CANCELLED,
    grpc.StatusCode.RESOURCE_EXHAUSTED: Reason.OVERLOADED,
}


def reason_of(error: grpc.aio.AioRpcError) -> PlatformError:
    """Return the error that a peer raised; one that does not come from this platform becomes a general one."""
    for key, value in error.trailing_metadata() or ():
        if key == DETAILS_KEY and isinstance(value, bytes):
            found = _from_status(value)
            if found is not None:
                return found
    reason = _BY_CODE.get(error.code(), Reason.INTERNAL)
    if reason is Reason.INTERNAL:
        return PlatformError(reason, "another service failed")
    return PlatformError(reason, f"another service answered {error.code().name}")


def _from_status(blob: bytes) -> PlatformError | None:
    try:
        status = status_pb2.Status.FromString(blob)
    except DecodeError:
        return None
    info = error_details_pb2.ErrorInfo()
    bad = error_details_pb2.BadRequest()
    retry = error_details_pb2.RetryInfo()
    retry_after_s = None
    for detail in status.details:
        if detail.Is(info.DESCRIPTOR):
            detail.Unpack(info)
        elif detail.Is(bad.DESCRIPTOR):
            detail.Unpack(bad)
        elif detail.Is(retry.DESCRIPTOR) and detail.Unpack(retry):
            retry_after_s = retry.retry_delay.ToNanoseconds() / 1e9
    if info.domain != DOMAIN or info.reason not in Reason.__members__:
        return None
    return PlatformError(
        Reason[info.reason],
        status.message,
        metadata=dict(info.metadata),
        fields=[FieldViolation(wrong.field, wrong.description) for wrong in bad.field_violations],
        retry_after_s=retry_after_s,
    )
