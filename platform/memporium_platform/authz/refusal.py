"""Refusals of callers whose credential proved who they are: their organisation's log shall tell of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from memporium_platform.errors import PlatformError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from memporium_platform.errors import Reason


class CallerRefusedError(PlatformError):
    """A proven credential that is expired or revoked, or whose holder is disabled.

    Never raised for a credential that was merely claimed: whoever guesses at keys must not write into a tenant's log.

    Attributes:
        principal: Name of the holder.
        credential: Id of the credential.
    """

    def __init__(
        self,
        reason: Reason,
        message: str,
        *,
        principal: str,
        credential: str,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        """Keep what the caller will see, and whom the audit record names."""
        super().__init__(reason, message, metadata=metadata)
        self.principal = principal
        self.credential = credential
