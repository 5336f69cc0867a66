"""The authorisation of one process: a snapshot kept fresh by governance's stream, and answers from it.

Fails closed: without a snapshot nothing is allowed, nor once the stream has been silent for too long.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from typing import TYPE_CHECKING, cast

import grpc
import structlog

from memporium.governance.v1 import watch_pb2
from memporium.governance.v1.governance_service_pb2_grpc import GovernanceServiceStub
from memporium_platform.authz.compile import Compiler
from memporium_platform.authz.credentials import PREFIX, find_credential
from memporium_platform.authz.jwt import JwtVerifier, invalid_credential
from memporium_platform.authz.ports import Decision
from memporium_platform.authz.refusal import CallerRefusedError
from memporium_platform.authz.snapshot import Snapshot
from memporium_platform.authz.wire import entry_from_wire
from memporium_platform.call import Principal
from memporium_platform.errors import PlatformError, Reason, denied
from memporium_platform.names import org_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping
    from datetime import datetime

    from memporium_platform.call import Call
    from memporium_platform.clock import Clock
    from memporium_platform.rpc.channels import Channels

    Watch = Callable[[watch_pb2.WatchAuthorizationRequest], AsyncIterator[watch_pb2.WatchAuthorizationResponse]]

_log = structlog.get_logger("memporium.authz")

# Governance gives a sign of life every second; this many seconds without one mean that revocations may be missing.
STALE_AFTER_S = 15.0
_RECONNECT_S = 0.1
_MAX_RECONNECT_S = 2.0
_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_CERTIFICATE_SCHEME = "memporium://"


class AuthzClient:
    """Implements the kernel's `Authorizer`."""

    def __init__(
        self,
        *,
        clock: Clock,
        channels: Channels | None = None,
        watch: Watch | None = None,
        stale_after_s: float = STALE_AFTER_S,
    ) -> None:
        """Keep how to open the stream; `start` opens it.

        Args:
            clock: The time.
            channels: Reach governance.
            watch: Opens the stream of `WatchAuthorization` in another way.
            stale_after_s: Seconds of silence after which everything is refused.
        """
        if watch is None and channels is not None:
            watch = cast("Watch", channels.stub(GovernanceServiceStub).WatchAuthorization)
        if watch is None:
            message = "needs channels, or a watch"
            raise ValueError(message)
        self._watch: Watch = watch
        self._clock = clock
        self._stale_after_s = stale_after_s
        self._compiler = Compiler()
        self._loading: Compiler | None = None
        self._snapshot = Snapshot()
        self._alive_s = float("-inf")
        self._jwt = JwtVerifier()
        self._task: asyncio.Task[None] | None = None
        self._reached = asyncio.Condition()

    async def start(self) -> None:
        """Begin to follow governance; returns at once."""
        if self._task is None:
            self._task = asyncio.create_task(self._follow(), name="authz-watch")

    async def stop(self) -> None:
        """End following."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def ready(self, timeout_s: float) -> None:
        """Return once there is a snapshot.

        Raises:
            PlatformError: POLICY_STALE, where there is none in `timeout_s` seconds.
        """
        await self.wait_for(1, timeout_s)

    @property
    def snapshot(self) -> Snapshot:
        """The present snapshot; empty, and so refusing all, before the first."""
        return self._snapshot

    @property
    def epoch(self) -> int:
        """The policy epoch of the present snapshot."""
        return self._snapshot.epoch

    def authenticate(self, bearer: str, now: datetime) -> Principal:
        """Return whose API key or issuer's JWT this is.

        Raises:
            PlatformError: CREDENTIAL_INVALID, CREDENTIAL_EXPIRED, CREDENTIAL_REVOKED; POLICY_STALE without a snapshot.
        """
        snapshot = self._fresh()
        if bearer.startswith(PREFIX):
            credential = find_credential(bearer, snapshot.credentials, now_us=int(now.timestamp() * 1_000_000))
            return self._principal(snapshot, credential.principal, credential.key_id)
        issuer, name = self._jwt.verify(bearer, snapshot.issuers, now_s=now.timestamp())
        return self._principal(snapshot, name, f"issuers/{issuer.id}")

    def authenticate_certificate(self, subject: str, now: datetime) -> Principal:  # noqa: ARG002 - TLS checked the dates
        """Return whose client certificate this is: its URI is `memporium://{name}`, or its common name the name.

        Raises:
            PlatformError: CREDENTIAL_INVALID or CREDENTIAL_REVOKED; POLICY_STALE without a snapshot.
        """
        return self._principal(self._fresh(), subject.removeprefix(_CERTIFICATE_SCHEME), "certificate")

    def check_principal(self, principal: Principal) -> None:
        """Refuse a principal of an internal token that was disabled, or whose key was revoked, since it was made.

        Raises:
            PlatformError: CREDENTIAL_REVOKED or CREDENTIAL_INVALID; POLICY_STALE without a snapshot.
        """
        snapshot = self._fresh()
        self._principal(snapshot, principal.name, principal.credential)
        credential = snapshot.credentials.get(principal.credential)
        if credential is not None and credential.revoked:
            raise CallerRefusedError(
                Reason.CREDENTIAL_REVOKED,
                "the API key was revoked",
                principal=principal.name,
                credential=principal.credential,
            )

    def decide(
        self, principal: Principal, action: str, resource_org: str, resource: str, context: Mapping[str, str]
    ) -> Decision:
        """Decide whether the principal may do `action` on `resource`, by the roles and rules of `resource_org`.

        Raises:
            PlatformError: POLICY_STALE, without a snapshot or with one that may miss revocations.
        """
        snapshot = self._fresh()
        if snapshot.conditional:
            context = self._attributes(principal, resource_org, resource, context)
        allowed, rule = snapshot.decide(principal.name, resource_org, resource, action, context)
        return Decision(allowed, rule, snapshot.epoch)

    def require(self, call: Call, action: str, resource: str) -> None:
        """Check another resource within a call.

        Raises:
            PlatformError: PERMISSION_DENIED; POLICY_STALE as `decide`.
        """
        context = {"purpose": call.purpose, "region": call.region, "channel": call.principal.via}
        org = org_of(resource)
        if not org or not self.decide(call.principal, action, org, resource, context).allowed:
            raise denied(action, resource)

    async def wait_for(self, epoch: int, timeout_s: float) -> None:
        """Return once the snapshot has reached `epoch`.

        Raises:
            PlatformError: POLICY_STALE, where it has not in `timeout_s` seconds.
        """
        if self._snapshot.epoch >= epoch:
            return
        try:
            async with asyncio.timeout(timeout_s), self._reached:
                await self._reached.wait_for(lambda: self._snapshot.epoch >= epoch)
        except TimeoutError:
            raise PlatformError(
                Reason.POLICY_STALE,
                f"policy epoch {epoch} has not arrived; this replica is at {self._snapshot.epoch}",
                metadata={"epoch": str(self._snapshot.epoch), "at_least_epoch": str(epoch)},
                retry_after_s=0.2,
            ) from None

    async def apply(self, message: watch_pb2.WatchAuthorizationResponse) -> None:
        """Take in one message of the stream."""
        if message.reset:
            self._loading = Compiler()
        # A full state counts once it is complete, so a stream that breaks halfway leaves no half of it.
        compiler = self._loading or self._compiler
        compiler.update((entry.key, entry_from_wire(entry)) for entry in message.entries)
        if not message.complete:
            return
        changed = bool(message.entries) or self._loading is not None or message.epoch != self._snapshot.epoch
        self._compiler, self._loading = compiler, None
        self._alive_s = time.monotonic()
        if changed:
            self._snapshot = self._compiler.snapshot(message.epoch)
            async with self._reached:
                self._reached.notify_all()

    def _fresh(self) -> Snapshot:
        if time.monotonic() - self._alive_s > self._stale_after_s:
            message = "this replica has lost touch with the governance service"
            raise PlatformError(
                Reason.POLICY_STALE,
                message,
                metadata={"epoch": str(self._snapshot.epoch), "at_least_epoch": ""},
                retry_after_s=1.0,
            )
        return self._snapshot

    def _principal(self, snapshot: Snapshot, name: str, credential: str) -> Principal:
        state = snapshot.principals.get(name)
        if state is None:
            raise invalid_credential()
        org = snapshot.orgs.get(state.org)
        if state.disabled or org is None or not org.active:
            raise CallerRefusedError(
                Reason.CREDENTIAL_REVOKED,
                "the principal or its organisation is disabled",
                principal=name,
                credential=credential,
            )
        return Principal(name=state.name, org=state.org, kind=state.kind, credential=credential)

    def _attributes(
        self, principal: Principal, org: str, resource: str, context: Mapping[str, str]
    ) -> Mapping[str, str]:
        now = self._clock.now()
        other = org_of(resource)
        return {
            **context,
            "via": principal.via,
            "kind": principal.kind.value,
            "counterparty": other if other != org else "",
            "hour": str(now.hour),
            "weekday": _WEEKDAYS[now.weekday()],
        }

    async def _follow(self) -> None:
        """Follow the stream for ever; after a break go on from the epoch that is complete here."""
        delay_s = _RECONNECT_S
        while True:
            self._loading = None
            request = watch_pb2.WatchAuthorizationRequest(after_epoch=self._snapshot.epoch)
            try:
                async for message in self._watch(request):
                    await self.apply(message)
                    delay_s = _RECONNECT_S
            except grpc.aio.AioRpcError as error:
                _log.info("authz.watch_broken", code=error.code().name, epoch=self._snapshot.epoch)
            except PlatformError as error:
                _log.info("authz.watch_broken", code=error.reason.value, epoch=self._snapshot.epoch)
            await asyncio.sleep(random.uniform(0, delay_s))
            delay_s = min(delay_s * 2, _MAX_RECONNECT_S)


__all__ = ["STALE_AFTER_S", "AuthzClient"]
