"""An authoriser for tests of services without governance: owners may do everything in their organisation."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from memporium_platform.authz.ports import Decision
from memporium_platform.call import Call, Principal, PrincipalKind
from memporium_platform.errors import PlatformError, Reason, denied
from memporium_platform.names import org_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime


class StaticAuthorizer:
    """Keys and permissions in memory; every change is a new epoch."""

    def __init__(self) -> None:
        self.epoch = 1
        self._changed = asyncio.Condition()
        self._principals: dict[str, Principal] = {}
        self._revoked: set[str] = set()
        self._expired: set[str] = set()
        self._allowed: dict[str, tuple[str, ...]] = {}
        self._disabled: set[str] = set()

    def add(
        self, org: str, principal: str, *, actions: tuple[str, ...] = ("*",), kind: PrincipalKind = PrincipalKind.USER
    ) -> str:
        """Make a principal who may do `actions` (`vault.*` is a prefix) in its organisation; return its key."""
        name = f"orgs/{org}/principals/{principal}"
        key = f"mpk_{org}-{principal}_static"
        self._principals[key] = Principal(name, org, kind, credential=f"{org}-{principal}")
        self._allowed[name] = actions
        self.epoch += 1
        return key

    def revoke(self, key: str) -> int:
        """Revoke a key; return the epoch."""
        self._revoked.add(key)
        self.epoch += 1
        return self.epoch

    def expire(self, key: str) -> None:
        """End a key's time."""
        self._expired.add(key)
        self.epoch += 1

    def disable(self, key: str) -> None:
        """Disable the principal of a key."""
        self._disabled.add(self._principals[key].name)
        self.epoch += 1

    async def reach(self, epoch: int) -> None:
        """Go to a later epoch."""
        async with self._changed:
            self.epoch = epoch
            self._changed.notify_all()

    def authenticate(self, bearer: str, now: datetime) -> Principal:
        principal = self._principals.get(bearer)
        if principal is None:
            raise PlatformError(Reason.CREDENTIAL_INVALID, "the credential is not valid")
        if bearer in self._expired:
            raise PlatformError(Reason.CREDENTIAL_EXPIRED, "the credential has expired")
        if bearer in self._revoked:
            raise PlatformError(Reason.CREDENTIAL_REVOKED, "the credential was revoked")
        self.check_principal(principal)
        return principal

    def authenticate_certificate(self, subject: str, now: datetime) -> Principal:
        for principal in self._principals.values():
            if principal.credential == subject:
                return principal
        raise PlatformError(Reason.CREDENTIAL_INVALID, "the certificate is nobody's")

    def check_principal(self, principal: Principal) -> None:
        if principal.name in self._disabled:
            raise PlatformError(Reason.CREDENTIAL_REVOKED, "the principal is disabled")

    def decide(
        self, principal: Principal, action: str, resource_org: str, resource: str, context: Mapping[str, str]
    ) -> Decision:
        allowed = principal.org == resource_org and any(
            action == pattern or (pattern.endswith("*") and action.startswith(pattern[:-1]))
            for pattern in self._allowed.get(principal.name, ())
        )
        return Decision(allowed=allowed, rule="static" if allowed else "default-deny", epoch=self.epoch)

    def require(self, call: Call, action: str, resource: str) -> None:
        if not self.decide(call.principal, action, org_of(resource), resource, {}).allowed:
            raise denied(action, resource)

    async def wait_for(self, epoch: int, timeout_s: float) -> None:
        try:
            async with asyncio.timeout(timeout_s):
                async with self._changed:
                    await self._changed.wait_for(lambda: self.epoch >= epoch)
        except TimeoutError as error:
            raise PlatformError(
                Reason.POLICY_STALE,
                "the policy is not that new here",
                metadata={"epoch": str(self.epoch), "at_least_epoch": str(epoch)},
                retry_after_s=0.1,
            ) from error
