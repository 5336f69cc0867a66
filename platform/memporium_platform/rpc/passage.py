"""One call on its way through the gate: what was found out about it, and its end."""

from __future__ import annotations

import asyncio
import hmac
import time
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NoReturn

import grpc
import structlog

from memporium_platform.audit import RECORDED, AuditRecord, notes_of, record_of
from memporium_platform.authz.refusal import CallerRefusedError
from memporium_platform.call import Call, Principal, PrincipalKind, enter
from memporium_platform.errors import PlatformError, Reason
from memporium_platform.names import new_id, org_of
from memporium_platform.rpc.errors_client import reason_of
from memporium_platform.rpc.gate import Gate, RefusedError, parse
from memporium_platform.rpc.identity import POLICY_EPOCH, Identity, Metadata, read_metadata, trace_id_of
from memporium_platform.rpc.status import DETAILS_KEY, ERROR_ID_KEY, STATUS, to_status
from memporium_platform.storage.full_disk import disk_full, full_disk
from memporium_platform.telemetry import traceparent_of

if TYPE_CHECKING:
    from datetime import datetime

    from google.protobuf.message import Message

    from memporium_platform.rpc.method_table import Row

_log = structlog.get_logger("memporium.rpc")

# The relay's own call: a record of it would make the next one, for ever.
_UNRECORDED = "/AppendAuditRecords"
# What a peer may say about the user; all else about credentials concerns the services among themselves.
_OWN_CREDENTIAL_FAULTS = (Reason.CREDENTIAL_MISSING, Reason.CREDENTIAL_INVALID, Reason.CREDENTIAL_EXPIRED)


class Passage:
    """One call. Begin with `identify`, then `begin`; end with `succeed` or `fail`."""

    __slots__ = (
        "_context",
        "_counted",
        "_gate",
        "_identity",
        "_metadata",
        "_names",
        "_refused",
        "_row",
        "_span",
        "_started",
        "_stream",
        "call",
    )

    def __init__(self, gate: Gate, row: Row, context: Any, *, stream: bool) -> None:
        """Note when the call came in."""
        self._gate = gate
        self._row = row
        self._context = context
        self._stream = stream
        self._started = time.perf_counter()
        self._counted = False
        self._metadata: Metadata = read_metadata(context.invocation_metadata())
        self._span = gate.telemetry.begin_span(row.method, self._metadata.traceparent)
        if self._span is not None:
            self._metadata = self._metadata._replace(traceparent=traceparent_of(self._span))
        self._identity: Identity | None = None
        self._names: tuple[str, ...] = ()
        self._refused: Principal | None = None
        self.call: Call | None = None

    async def identify(self) -> None:
        """Find out who calls."""
        self._identity = await self._gate.identify(self._row, self._metadata, self._context)

    def begin(self, raw: bytes) -> tuple[Message, float | None]:
        """Authorise and admit the call with its first message; return that, and the seconds to enforce."""
        gate, row = self._gate, self._row
        assert self._identity is not None  # noqa: S101 - the order of the wrapper
        request = parse(row, raw)
        self._names = row.resources(request)
        deadline, enforce_s = gate.deadline(self._context, stream=self._stream)
        request_id = row.request_id(request)
        call = gate.authorise(
            row, self._identity, self._metadata, self._names, request_id=request_id, deadline=deadline
        )
        if request_id:
            call = replace(call, request_digest=hmac.digest(gate.digest_key, row.digest(request), "sha256"))
        self.call = call
        self._counted = gate.admit(row, call, request, raw, stream=self._stream)
        enter(call)
        return request, enforce_s

    def check_again(self) -> None:
        """Refuse to go on with a stream whose principal or permission is gone since it began."""
        call, identity, gate = self.call, self._identity, self._gate
        assert call is not None  # noqa: S101 - the order of the wrapper
        assert identity is not None  # noqa: S101 - the order of the wrapper
        if identity.internal:
            if identity.principal.org:
                gate.authz.check_principal(identity.principal)
        else:
            gate.authenticator.identify(self._metadata.bearer, audience=self._row.service, context=self._context)
        decision = gate.decide(self._row, identity, self._names, purpose=call.purpose, region=call.region)
        self.call = replace(call, epoch=decision.epoch, rule=decision.rule)
        if not decision.allowed:
            raise RefusedError(self.call)

    @property
    def stale(self) -> bool:
        """Whether the policy has changed since the call was authorised."""
        return self.call is not None and self.call.epoch != self._gate.authz.epoch

    def succeed(self) -> None:
        """Note the good end."""
        self._context.set_trailing_metadata(_trailing(self._gate.authz.epoch))
        self._end("OK", "")

    async def fail(self, error: BaseException) -> NoReturn:
        """Answer with an error; always raises."""
        if isinstance(error, asyncio.CancelledError):
            self._end("CANCELLED", Reason.CANCELLED.value)
            raise error
        if isinstance(error, grpc.aio.AbortError):
            self._end("ABORTED", "ABORTED")
            raise error
        if not isinstance(error, Exception):
            raise error
        public, error_id = self._public(error)
        code, message, blob = to_status(public)
        self._end(code.name, public.reason.value)
        trailing: list[tuple[str, str | bytes]] = [
            (DETAILS_KEY, blob),
            (POLICY_EPOCH, str(self._gate.authz.epoch)),
        ]
        if error_id:
            trailing.append((ERROR_ID_KEY, error_id))
        await self._context.abort(code, message, trailing_metadata=tuple(trailing))
        raise AssertionError from error  # abort always raises

    def _public(self, error: Exception) -> tuple[PlatformError, str]:
        """Return what the caller may know of an error, and the id under which the rest is logged."""
        if isinstance(error, grpc.aio.AioRpcError):
            peer = reason_of(error)
            if peer.reason not in _OWN_CREDENTIAL_FAULTS and peer.reason is not Reason.INTERNAL:
                return peer, ""
        elif isinstance(error, PlatformError):
            if isinstance(error, RefusedError):
                self.call = error.call
            elif isinstance(error, CallerRefusedError):
                self._refused = Principal(
                    error.principal, org_of(error.principal), PrincipalKind.USER, credential=error.credential
                )
            return error, ""
        elif isinstance(error, TimeoutError):
            return PlatformError(Reason.DEADLINE_EXCEEDED, "the call took too long"), ""
        elif disk_full(error):
            _log.error("disk.full", method=self._row.method, cause=type(error).__name__)
            return full_disk(), ""
        error_id = new_id()
        _log.error("rpc.failed", method=self._row.method, error_id=error_id, exc_info=error)
        public = PlatformError(
            Reason.INTERNAL, f"an internal error occurred; its id is {error_id}", metadata={"error_id": error_id}
        )
        return public, error_id

    def _end(self, code: str, reason: str) -> None:
        """Release, measure and record; runs exactly once for each call."""
        gate, row, call = self._gate, self._row, self.call
        org = self._identity.principal.org if self._identity is not None else ""
        if self._counted:
            gate.limits.leave(org, stream=self._stream)
        gate.telemetry.observe(row.method, org, code, time.perf_counter() - self._started)
        if self._span is not None:
            self._span.set_attribute("rpc.grpc.status_code", code)
            self._span.end()
        if reason:
            _log.info("rpc.refused", method=row.method, reason=reason, org=org)
        elif row.method.endswith(_UNRECORDED):
            return
        recorded = call is not None and RECORDED in call.marks
        if recorded:
            gate.audit.nudge()
        if reason or not recorded:
            record = self._record(reason, gate.clock.now(), recorded=recorded)
            if self._identity is None:
                gate.audit.submit_unknown(record)
            else:
                gate.audit.submit(record)

    def _record(self, reason: str, now: datetime, *, recorded: bool) -> AuditRecord:
        effect = "DENY" if reason in _DENIALS else "ERROR" if reason else "ALLOW"
        if self.call is not None:
            record = record_of(self.call, now=now, effect=effect, reason=reason, details=notes_of(self.call))
            if recorded:
                # The mutation's own record has the id already and says that it was done.
                record = replace(record, decision_id=new_id(now), details={"decision": record.decision_id})
            return record
        principal = self._identity.principal if self._identity is not None else self._refused or _NOBODY
        return AuditRecord(
            decision_id=new_id(now),
            time_us=int(now.timestamp() * 1_000_000),
            principal=principal.name,
            principal_org=principal.org,
            credential=principal.credential,
            via=principal.via,
            method=self._row.method,
            action=self._row.action,
            effect=effect,
            reason=reason,
            epoch=self._gate.authz.epoch,
            trace_id=trace_id_of(self._metadata.traceparent),
        )


@lru_cache(maxsize=8)
def _trailing(epoch: int) -> tuple[tuple[str, str], ...]:
    return ((POLICY_EPOCH, str(epoch)),)


_NOBODY = Principal(name="", org="", kind=PrincipalKind.USER)
_DENIALS = frozenset(
    reason.value
    for reason, code in STATUS.items()
    if code in {grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED}
)
