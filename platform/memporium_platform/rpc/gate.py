"""The order in which a call is let in: epoch, credential, authorisation, required fields, limits."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from google.protobuf.message import DecodeError

from memporium.common.v1 import access_pb2
from memporium_platform.authz.ports import Decision
from memporium_platform.call import Call, PrincipalKind
from memporium_platform.errors import PlatformError, Reason, denied, unnamed
from memporium_platform.names import new_id, org_of
from memporium_platform.rpc.identity import Authenticator, Identity, Metadata, epoch_demanded, trace_id_of

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from memporium_platform.audit import AuditSink
    from memporium_platform.authz.ports import Authorizer
    from memporium_platform.clock import Clock
    from memporium_platform.limits import Limits
    from memporium_platform.rpc.method_table import Row
    from memporium_platform.settings import PlatformSettings
    from memporium_platform.telemetry import Telemetry

PLATFORM_ORG = "platform"
# Longest metadata text that reaches the audit log.
_MAX_CONTEXT_CHARS = 128
_AUDIT_RETRY_S = 1.0


@dataclass(frozen=True, slots=True)
class Gate:
    """What every call passes; the parts are the kernel's.

    Attributes:
        digest_key: Keys the digests of requests that are kept for repeated calls: they outlive the request, and without
            the key a guess at its content could be tested against them.
    """

    settings: PlatformSettings
    clock: Clock
    authz: Authorizer
    authenticator: Authenticator
    limits: Limits
    audit: AuditSink
    telemetry: Telemetry
    digest_key: bytes

    async def identify(self, row: Row, metadata: Metadata, context: Any) -> Identity:
        """Return who calls, once the snapshot is as new as the caller demands."""
        if metadata.at_least_epoch:
            epoch = epoch_demanded(metadata)
            if epoch > self.authz.epoch:
                await self.authz.wait_for(epoch, self.settings.epoch_wait_s)
        return self.authenticator.identify(metadata.bearer, audience=row.service, context=context)

    def authorise(
        self,
        row: Row,
        identity: Identity,
        metadata: Metadata,
        names: tuple[str, ...],
        *,
        request_id: str,
        deadline: float,
    ) -> Call:
        """Return the call, allowed on the resources of these names.

        Raises:
            RefusedError: The principal may not; carries the call for the audit record.
        """
        purpose = identity.purpose or metadata.purpose[:_MAX_CONTEXT_CHARS]
        region = metadata.region[:_MAX_CONTEXT_CHARS]
        decision = self.decide(row, identity, names, purpose=purpose, region=region)
        decision_id = new_id(self.clock.now())
        call = Call(
            principal=identity.principal,
            method=row.method,
            action=row.action,
            resource=names[0] if names else "",
            request_id=request_id,
            decision_id=decision_id,
            epoch=decision.epoch,
            rule=decision.rule,
            purpose=purpose,
            region=region,
            trace_id=trace_id_of(metadata.traceparent) if metadata.traceparent else "",
            root_id=(metadata.root_id if identity.internal else "") or decision_id,
            traceparent=metadata.traceparent,
            deadline=deadline,
        )
        if not decision.allowed:
            raise RefusedError(call, _wrong_name(row, names))
        return call

    def decide(self, row: Row, identity: Identity, names: tuple[str, ...], *, purpose: str, region: str) -> Decision:
        """Decide by the method's domain; of several resources each must be allowed."""
        principal, domain = identity.principal, row.domain
        if domain == access_pb2.ACCESS_DOMAIN_INTERNAL:
            return Decision(allowed=identity.internal, rule="internal-only", epoch=self.authz.epoch)
        if domain == access_pb2.ACCESS_DOMAIN_ANY:
            return Decision(allowed=True, rule="any-principal", epoch=self.authz.epoch)
        if principal.kind is PrincipalKind.SERVICE:
            # No service holds a master credential: what it does for a user it does as that user.
            return Decision(allowed=False, rule="no-user", epoch=self.authz.epoch)
        context = {"purpose": purpose, "region": region, "channel": principal.via}
        if domain == access_pb2.ACCESS_DOMAIN_CALLER:
            return self._each(row, identity, names, principal.org, context)
        if domain == access_pb2.ACCESS_DOMAIN_PLATFORM:
            return self._each(row, identity, names, PLATFORM_ORG, context)
        return self._each(row, identity, names, "", context)

    def _each(
        self, row: Row, identity: Identity, names: tuple[str, ...], org: str, context: dict[str, str]
    ) -> Decision:
        decision = Decision(allowed=False, rule="default-deny", epoch=self.authz.epoch)
        for name in names or ("",):
            owner = org or org_of(name)
            if not owner:
                return Decision(allowed=False, rule="default-deny", epoch=self.authz.epoch)
            decision = self.authz.decide(identity.principal, row.action, owner, name, context)
            if not decision.allowed:
                return decision
        return decision

    def admit(self, row: Row, call: Call, request: Message, raw: bytes, *, stream: bool) -> bool:
        """Check the fields and the limits; return whether the limits count the call, so that `leave` must follow.

        Calls between services are not counted again: the user's call was.
        """
        row.check(request)
        row.sense(request, raw)
        if self.audit.full:
            raise PlatformError(Reason.OVERLOADED, "the audit log does not keep up", retry_after_s=_AUDIT_RETRY_S)
        principal = call.principal
        if principal.via or principal.kind is PrincipalKind.SERVICE:
            return False
        self.limits.enter(principal.org, stream=stream)
        return True

    def deadline(self, context: Any, *, stream: bool) -> tuple[float, float | None]:
        """Return the deadline by `time.monotonic()` (0: none) and the seconds to enforce here (None: gRPC does)."""
        remaining = context.time_remaining()
        longest = self.settings.default_deadline_s
        if remaining is not None and (stream or remaining < longest):
            return time.monotonic() + remaining, None
        return (0.0, None) if stream else (time.monotonic() + longest, longest)


class RefusedError(PlatformError):
    """A denial, with the call that was denied."""

    def __init__(self, call: Call, public: PlatformError | None = None) -> None:
        """Build the public refusal from the call, unless it is given."""
        public = public or denied(call.action, call.resource)
        super().__init__(public.reason, public.message, metadata=public.metadata, fields=public.fields)
        self.call = call


def _wrong_name(row: Row, names: tuple[str, ...]) -> PlatformError | None:
    """Return what to say of a request whose name is nobody's, as where a stream begins without its header."""
    if row.domain != access_pb2.ACCESS_DOMAIN_RESOURCE or not row.resource:
        return None
    wrong = [name for name in names or ("",) if not org_of(name)]
    return unnamed(row.action, wrong[0], row.resource) if wrong else None


def parse(row: Row, raw: bytes) -> Message:
    """Return the request.

    Raises:
        PlatformError: INVALID_FIELD, where the bytes are no such message.
    """
    try:
        return row.parse(raw)
    except DecodeError as error:
        raise PlatformError(Reason.INVALID_FIELD, "the request is malformed") from error
