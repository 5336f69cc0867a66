"""The error that the client raises for every refused or failed call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from google.rpc import error_details_pb2, status_pb2

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import grpc

_DETAILS_KEY = "grpc-status-details-bin"


class MemporiumError(Exception):
    """A call that the platform refused, or that did not reach it.

    Attributes:
        code: Name of the gRPC status code, for instance `PERMISSION_DENIED`.
        reason: Name from `memporium.common.v1.ErrorReason` without its prefix; "" where none was sent.
        message: What went wrong, for people.
        metadata: The dynamic values of the message.
        fields: Wrong fields and what is wrong with each.
        retry_after_s: Seconds after which a retry may help; None: no advice.
    """

    def __init__(
        self,
        *,
        code: str,
        reason: str,
        message: str,
        metadata: Mapping[str, str] | None = None,
        fields: Mapping[str, str] | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        """Keep what the server sent."""
        super().__init__(f"{reason or code}: {message}")
        self.code = code
        self.reason = reason
        self.message = message
        self.metadata = dict(metadata or {})
        self.fields = dict(fields or {})
        self.retry_after_s = retry_after_s


def from_rpc_error(error: grpc.RpcError) -> MemporiumError:
    """Return the client's error for one of gRPC's, with the details that the server sent."""
    code = error.code().name
    message = error.details() or code
    trailing: Iterable[Any] = error.trailing_metadata() or ()
    blob = next((value for key, value in trailing if key == _DETAILS_KEY), None)
    if not isinstance(blob, bytes):
        return MemporiumError(code=code, reason="", message=message)
    reason, metadata, fields, retry_after_s = "", {}, {}, None
    for detail in status_pb2.Status.FromString(blob).details:
        info, bad, retry = (
            error_details_pb2.ErrorInfo(),
            error_details_pb2.BadRequest(),
            error_details_pb2.RetryInfo(),
        )
        if detail.Unpack(info):
            reason, metadata = info.reason, dict(info.metadata)
        elif detail.Unpack(bad):
            fields = {violation.field: violation.description for violation in bad.field_violations}
        elif detail.Unpack(retry):
            retry_after_s = retry.retry_delay.ToTimedelta().total_seconds()
    return MemporiumError(
        code=code,
        reason=reason.removeprefix("ERROR_REASON_"),
        message=message,
        metadata=metadata,
        fields=fields,
        retry_after_s=retry_after_s,
    )
