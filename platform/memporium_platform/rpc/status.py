"""PlatformError as a gRPC status: `google.rpc.Status` with exactly one ErrorInfo of domain `memporium` (AIP-193)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import grpc
from google.protobuf.any_pb2 import Any as AnyProto
from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2, status_pb2

from memporium_platform.errors import STATUS_NAMES, PlatformError, Reason

if TYPE_CHECKING:
    from google.protobuf.message import Message

DOMAIN = "memporium"
# Where gRPC carries the rich status.
DETAILS_KEY = "grpc-status-details-bin"
ERROR_ID_KEY = "memporium-error-id"
# Trailing metadata shares an 8 KiB limit with everything else; longer texts are cut.
_MAX_TEXT = 1024
_MAX_VIOLATIONS = 20

STATUS: dict[Reason, grpc.StatusCode] = {reason: grpc.StatusCode[name] for reason, name in STATUS_NAMES.items()}


def to_status(error: PlatformError) -> tuple[grpc.StatusCode, str, bytes]:
    """Return the code, the public message and the serialised `google.rpc.Status` of an error."""
    code = STATUS[error.reason]
    message = error.message[:_MAX_TEXT]
    details: list[Message] = [
        error_details_pb2.ErrorInfo(
            reason=error.reason.value,
            domain=DOMAIN,
            metadata={key: value[:_MAX_TEXT] for key, value in error.metadata.items()},
        )
    ]
    if error.fields:
        violations = [
            error_details_pb2.BadRequest.FieldViolation(field=wrong.field[:_MAX_TEXT], description=wrong.description)
            for wrong in error.fields[:_MAX_VIOLATIONS]
        ]
        details.append(error_details_pb2.BadRequest(field_violations=violations))
    if error.retry_after_s is not None:
        delay = Duration()
        delay.FromNanoseconds(round(error.retry_after_s * 1e9))
        details.append(error_details_pb2.RetryInfo(retry_delay=delay))
    status = status_pb2.Status(code=code.value[0], message=message, details=[_packed(detail) for detail in details])
    return code, message, status.SerializeToString()


def _packed(message: Message) -> AnyProto:
    packed = AnyProto()
    packed.Pack(message)
    return packed
