"""Errors that a caller may see: one class, its reason, and the gRPC status each reason has.

Services raise `PlatformError`; only the error interceptor knows gRPC. `Reason` mirrors the proto enum
`memporium.common.v1.ErrorReason` (a test holds them equal), so that pure code needs no protobuf.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class Reason(StrEnum):
    """Why a call was refused; the comments in `error_reason.proto` say when and with which metadata."""

    CREDENTIAL_MISSING = "CREDENTIAL_MISSING"
    CREDENTIAL_INVALID = "CREDENTIAL_INVALID"
    CREDENTIAL_EXPIRED = "CREDENTIAL_EXPIRED"
    CREDENTIAL_REVOKED = "CREDENTIAL_REVOKED"
    PERMISSION_DENIED = "PERMISSION_DENIED"
    NOT_FOUND = "NOT_FOUND"
    ALREADY_EXISTS = "ALREADY_EXISTS"
    INVALID_FIELD = "INVALID_FIELD"
    INVALID_PAGE_TOKEN = "INVALID_PAGE_TOKEN"  # noqa: S105 - a reason, not a secret
    REQUEST_ID_REUSED = "REQUEST_ID_REUSED"
    DIGEST_MISMATCH = "DIGEST_MISMATCH"
    ETAG_MISMATCH = "ETAG_MISMATCH"
    CONFLICT = "CONFLICT"
    ILLEGAL_TRANSITION = "ILLEGAL_TRANSITION"
    CUBE_FROZEN = "CUBE_FROZEN"
    VAULT_READ_ONLY = "VAULT_READ_ONLY"
    LEGAL_HOLD = "LEGAL_HOLD"
    MODEL_MISMATCH = "MODEL_MISMATCH"
    MODEL_UNAVAILABLE = "MODEL_UNAVAILABLE"
    BLOB_MISSING = "BLOB_MISSING"
    PII_UNMASKED = "PII_UNMASKED"
    FAILED_PRECONDITION = "FAILED_PRECONDITION"
    LICENCE_NOT_PERMITTED = "LICENCE_NOT_PERMITTED"
    LICENCE_EXPIRED = "LICENCE_EXPIRED"
    LICENCE_REVOKED = "LICENCE_REVOKED"
    LICENCE_SUSPENDED = "LICENCE_SUSPENDED"
    LICENCE_QUOTA_EXHAUSTED = "LICENCE_QUOTA_EXHAUSTED"
    LICENCE_LEASE_EXPIRED = "LICENCE_LEASE_EXPIRED"
    RATE_LIMITED = "RATE_LIMITED"
    QUOTA_EXCEEDED = "QUOTA_EXCEEDED"
    OVERLOADED = "OVERLOADED"
    BUNDLE_REJECTED = "BUNDLE_REJECTED"
    INTEGRITY_FAILURE = "INTEGRITY_FAILURE"
    REVISION_COMPACTED = "REVISION_COMPACTED"
    UNAVAILABLE = "UNAVAILABLE"
    POLICY_STALE = "POLICY_STALE"
    DEADLINE_EXCEEDED = "DEADLINE_EXCEEDED"
    CANCELLED = "CANCELLED"
    INTERNAL = "INTERNAL"


# Reason -> name of the gRPC status code (members of grpc.StatusCode). A test walks the enum and demands an entry.
STATUS_NAMES: Mapping[Reason, str] = {
    Reason.CREDENTIAL_MISSING: "UNAUTHENTICATED",
    Reason.CREDENTIAL_INVALID: "UNAUTHENTICATED",
    Reason.CREDENTIAL_EXPIRED: "UNAUTHENTICATED",
    Reason.CREDENTIAL_REVOKED: "UNAUTHENTICATED",
    Reason.PERMISSION_DENIED: "PERMISSION_DENIED",
    Reason.NOT_FOUND: "NOT_FOUND",
    Reason.ALREADY_EXISTS: "ALREADY_EXISTS",
    Reason.INVALID_FIELD: "INVALID_ARGUMENT",
    Reason.INVALID_PAGE_TOKEN: "INVALID_ARGUMENT",
    Reason.REQUEST_ID_REUSED: "INVALID_ARGUMENT",
    Reason.DIGEST_MISMATCH: "INVALID_ARGUMENT",
    Reason.ETAG_MISMATCH: "ABORTED",
    Reason.CONFLICT: "ABORTED",
    Reason.ILLEGAL_TRANSITION: "FAILED_PRECONDITION",
    Reason.CUBE_FROZEN: "FAILED_PRECONDITION",
    Reason.VAULT_READ_ONLY: "FAILED_PRECONDITION",
    Reason.LEGAL_HOLD: "FAILED_PRECONDITION",
    Reason.MODEL_MISMATCH: "FAILED_PRECONDITION",
    Reason.MODEL_UNAVAILABLE: "FAILED_PRECONDITION",
    Reason.BLOB_MISSING: "FAILED_PRECONDITION",
    Reason.PII_UNMASKED: "FAILED_PRECONDITION",
    Reason.FAILED_PRECONDITION: "FAILED_PRECONDITION",
    Reason.LICENCE_NOT_PERMITTED: "PERMISSION_DENIED",
    Reason.LICENCE_EXPIRED: "PERMISSION_DENIED",
    Reason.LICENCE_REVOKED: "PERMISSION_DENIED",
    Reason.LICENCE_SUSPENDED: "PERMISSION_DENIED",
    Reason.LICENCE_QUOTA_EXHAUSTED: "RESOURCE_EXHAUSTED",
    Reason.LICENCE_LEASE_EXPIRED: "PERMISSION_DENIED",
    Reason.RATE_LIMITED: "RESOURCE_EXHAUSTED",
    Reason.QUOTA_EXCEEDED: "RESOURCE_EXHAUSTED",
    Reason.OVERLOADED: "RESOURCE_EXHAUSTED",
    Reason.BUNDLE_REJECTED: "DATA_LOSS",
    Reason.INTEGRITY_FAILURE: "DATA_LOSS",
    Reason.REVISION_COMPACTED: "OUT_OF_RANGE",
    Reason.UNAVAILABLE: "UNAVAILABLE",
    Reason.POLICY_STALE: "UNAVAILABLE",
    Reason.DEADLINE_EXCEEDED: "DEADLINE_EXCEEDED",
    Reason.CANCELLED: "CANCELLED",
    Reason.INTERNAL: "INTERNAL",
}


@dataclass(frozen=True, slots=True)
class FieldViolation:
    """One wrong field: its path in the request and what is wrong with it."""

    field: str
    description: str


class PlatformError(Exception):
    """An error that the caller may see.

    Attributes:
        reason: Decides the status code.
        message: Public text; holds no secret and no other tenant's data.
        metadata: Every dynamic value of the message, by the keys that `error_reason.proto` names.
        fields: Wrong fields, for `INVALID_FIELD` and where a request names nobody's resource.
        retry_after_s: Seconds after which a retry may help; None: no advice.
    """

    def __init__(
        self,
        reason: Reason,
        message: str,
        *,
        metadata: Mapping[str, str] | None = None,
        fields: Sequence[FieldViolation] = (),
        retry_after_s: float | None = None,
    ) -> None:
        """Keep what the caller will see."""
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.metadata: dict[str, str] = dict(metadata or {})
        self.fields = tuple(fields)
        self.retry_after_s = retry_after_s


def invalid(field: str, description: str) -> PlatformError:
    """Return the error for one wrong field."""
    return PlatformError(Reason.INVALID_FIELD, f"{field}: {description}", fields=[FieldViolation(field, description)])


def denied(action: str, resource: str) -> PlatformError:
    """Return the error for a refusal; an absent resource gets the same one, so neither tells of the other."""
    return PlatformError(
        Reason.PERMISSION_DENIED,
        f"{action} is not permitted on {resource or 'this'} (or it might not exist)",
        metadata={"action": action, "resource": resource},
    )


def unnamed(action: str, resource: str, field: str) -> PlatformError:
    """Return the refusal of a request that names nobody's resource: it tells of none, so it may say what is wrong.

    Args:
        action: What was asked for.
        resource: What stands where the name belongs.
        field: Path of that field in the request; in a stream, in its first message.
    """
    wrong = "is no name of a resource" if resource else "is empty"
    return PlatformError(
        Reason.PERMISSION_DENIED,
        f"{action} is not permitted: {field} {wrong}; names begin with orgs/",
        metadata={"action": action, "resource": resource},
        fields=[FieldViolation(field, f"{wrong}; names begin with orgs/")],
    )


def not_found(resource: str) -> PlatformError:
    """Return the error for an absent resource; only for callers who may read its parent."""
    return PlatformError(Reason.NOT_FOUND, f"{resource} does not exist", metadata={"resource": resource})


def already_exists(resource: str) -> PlatformError:
    """Return the error for a name that is taken."""
    return PlatformError(Reason.ALREADY_EXISTS, f"{resource} exists already", metadata={"resource": resource})


def etag_mismatch(resource: str) -> PlatformError:
    """Return the error for an etag that is not current."""
    return PlatformError(
        Reason.ETAG_MISMATCH, f"{resource} was changed since it was read", metadata={"resource": resource}
    )
