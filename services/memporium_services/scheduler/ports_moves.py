"""What moving memory between its forms needs from outside."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from memporium.cube.v1.cube_pb2 import Cube
    from memporium_platform.tiering.simulation import Access
    from memporium_services.scheduler.domain.conversions import Memory, Target


class Moves(Protocol):
    """The other services, called with the rights of the call in progress."""

    async def memories(self, vault: str, limit: int) -> tuple[list[Memory], bool]:
        """Return the memories of a vault and of what it mounts, and whether there are more."""
        ...

    async def refusal(self, agreement: str, target: Target) -> str:
        """Return why an agreement forbids a conversion of text, or "" where it allows it; counts no use."""
        ...

    async def find(self, cube: str) -> Memory:
        """Return one memory.

        Raises:
            PlatformError: NOT_FOUND, PERMISSION_DENIED.
        """
        ...

    async def expire(self, cube: str, *, reason: str, request_id: str) -> Cube:
        """Let a memory expire; one that has is returned as it is."""
        ...

    async def activate(self, cube: str, *, reason: str, request_id: str) -> None:
        """Bring a memory back from the archive."""
        ...

    async def trace(self, org: str) -> Sequence[Access]:
        """Return the recorded uses of an organisation, oldest first."""
        ...
