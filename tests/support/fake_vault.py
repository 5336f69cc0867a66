"""A vault service that only sweeps: counts its calls, fails or waits as a test asks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from memporium.vault.v1 import vault_service_pb2 as pb
from memporium.vault.v1.vault_service_pb2_grpc import VaultServiceServicer, add_VaultServiceServicer_to_server
from memporium_platform.errors import PlatformError, Reason

if TYPE_CHECKING:
    import asyncio


class FakeVault(VaultServiceServicer):
    """A module of the runner, and its servicer."""

    name = "vault"

    def __init__(self) -> None:
        self.sweeps = 0
        self.fail_next: list[Reason] = []
        self.hold: asyncio.Event | None = None

    def add_to(self, server) -> None:
        add_VaultServiceServicer_to_server(self, server)

    async def start(self) -> None:
        """Nothing runs in the background."""

    async def stop(self) -> None:
        """Nothing to end."""

    async def SweepVaults(self, request, context):
        if self.fail_next:
            raise PlatformError(self.fail_next.pop(), "as the test asks")
        self.sweeps += 1
        if self.hold is not None:
            await self.hold.wait()
        last = request.cursor == "more"
        return pb.SweepVaultsResponse(expired=1, next_cursor="" if last else "more")
