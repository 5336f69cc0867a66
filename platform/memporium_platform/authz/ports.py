"""What the kernel asks of authorisation: who is it, and may it do this. Answers are local and take microseconds."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from memporium_platform.call import Call, Principal


class Decision(NamedTuple):
    """The answer to one question.

    Attributes:
        allowed: True where the action is permitted.
        rule: Id of the rule that decided, for instance `role:publisher`; `default-deny` where none did.
        epoch: Policy epoch of the snapshot that decided.
    """

    allowed: bool
    rule: str
    epoch: int


class Authorizer(Protocol):
    """Authenticates credentials and decides, from an immutable snapshot. Methods that are not async never block."""

    @property
    def epoch(self) -> int:
        """The policy epoch of the present snapshot."""
        ...

    def authenticate(self, bearer: str, now: datetime) -> Principal:
        """Return whose API key (`mpk_<keyid>_<secret>`) or issuer's JWT this is.

        Internal tokens never get here: the kernel verifies them itself.

        Raises:
            PlatformError: CREDENTIAL_INVALID, CREDENTIAL_EXPIRED or CREDENTIAL_REVOKED.
        """
        ...

    def authenticate_certificate(self, subject: str, now: datetime) -> Principal:
        """Return whose client certificate this is; `subject` is the certificate's common name or URI name.

        Raises:
            PlatformError: CREDENTIAL_INVALID, CREDENTIAL_EXPIRED or CREDENTIAL_REVOKED.
        """
        ...

    def check_principal(self, principal: Principal) -> None:
        """Refuse a principal, named by an internal token, that was disabled since the token was made.

        Raises:
            PlatformError: CREDENTIAL_REVOKED.
        """
        ...

    def decide(
        self, principal: Principal, action: str, resource_org: str, resource: str, context: Mapping[str, str]
    ) -> Decision:
        """Decide whether the principal may do `action` on `resource`.

        Args:
            principal: The caller.
            action: `<service>.<resource>.<verb>`.
            resource_org: The organisation whose roles count: the resource's, the caller's own, or `platform`.
            resource: The resource's name.
            context: `purpose`, `region` and `channel`, where known.

        Returns:
            The decision. Deny overrides, unknown is deny, a wildcard never crosses an organisation.
        """
        ...

    def require(self, call: Call, action: str, resource: str) -> None:
        """Check another resource within a call.

        Raises:
            PlatformError: PERMISSION_DENIED.
        """
        ...

    async def wait_for(self, epoch: int, timeout_s: float) -> None:
        """Return once the snapshot has reached `epoch`.

        Raises:
            PlatformError: POLICY_STALE, where it has not in `timeout_s` seconds.
        """
        ...
