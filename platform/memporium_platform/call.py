"""Who calls, what for: the context of the call in progress, set by the server and read by services."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class PrincipalKind(StrEnum):
    """What kind of caller."""

    USER = "USER"
    WORKLOAD = "WORKLOAD"
    # Runs the platform; holds roles in the platform's own domain and none in a tenant's.
    OPERATOR = "OPERATOR"
    # Another service of this platform, with no user behind it.
    SERVICE = "SERVICE"


@dataclass(frozen=True, slots=True)
class Principal:
    """An authenticated caller.

    Attributes:
        name: `orgs/{org}/principals/{principal}`, or `services/{service}`.
        org: Id of its organisation; "" for services; "platform" for operators.
        kind: What kind of caller.
        credential: Id of the credential it came with.
        via: Name of the service that calls on its behalf; "" where it calls itself.
    """

    name: str
    org: str
    kind: PrincipalKind
    credential: str = ""
    via: str = ""


@dataclass(frozen=True, slots=True)
class Call:
    """One call: immutable, but for `marks`.

    Attributes:
        principal: The caller.
        method: Full gRPC method, `/memporium.vault.v1.VaultService/CreateCube`.
        action: The action of the method table, `vault.cubes.create`.
        resource: The resource name that was authorised.
        request_id: The caller's idempotency id, or "".
        request_digest: HMAC-SHA-256, under the platform's key, of the request without its request id.
        decision_id: ULID of the authorisation decision; the id of the audit record.
        epoch: Policy epoch of the decision.
        rule: The rule that decided.
        purpose: Declared purpose, by metadata `memporium-purpose`; "" where none was.
        region: Declared region, by metadata `memporium-region`; "" where none was.
        trace_id: W3C trace id, hexadecimal.
        root_id: Decision id of the first call of the chain: the same in every service that works on one user call.
        traceparent: W3C trace context that outgoing calls carry on; "" where there is none.
        deadline: Time by `time.monotonic()` until which the call must be answered; 0: none.
        marks: Notes of the kernel about this call, for instance that its audit record is written.
    """

    principal: Principal
    method: str = ""
    action: str = ""
    resource: str = ""
    request_id: str = ""
    request_digest: bytes = b""
    decision_id: str = ""
    epoch: int = 0
    rule: str = ""
    purpose: str = ""
    region: str = ""
    trace_id: str = ""
    root_id: str = ""
    traceparent: str = ""
    deadline: float = 0.0
    marks: dict[str, str] = field(default_factory=dict, compare=False)


_CURRENT: ContextVar[Call | None] = ContextVar("memporium_call", default=None)


def current_call() -> Call:
    """Return the call in progress.

    Raises:
        LookupError: Outside of any call.
    """
    call = _CURRENT.get()
    if call is None:
        message = "no call in progress"
        raise LookupError(message)
    return call


def maybe_call() -> Call | None:
    """Return the call in progress, or None outside of any."""
    return _CURRENT.get()


def enter(call: Call) -> None:
    """Make `call` the one in progress for the rest of this task; the server runs each call in a task of its own."""
    _CURRENT.set(call)


@contextmanager
def in_call(call: Call) -> Iterator[Call]:
    """Make `call` the one in progress for the block."""
    token = _CURRENT.set(call)
    try:
        yield call
    finally:
        _CURRENT.reset(token)


@contextmanager
def acting_as(principal: Principal, *, purpose: str = "", root_id: str = "") -> Iterator[Call]:
    """Let background work call other services as `principal` for the block."""
    with in_call(Call(principal=principal, purpose=purpose, root_id=root_id)) as call:
        yield call


def service_principal(service: str) -> Principal:
    """Return the principal of a service itself."""
    return Principal(name=f"services/{service}", org="", kind=PrincipalKind.SERVICE)
