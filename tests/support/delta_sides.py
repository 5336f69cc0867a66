"""Two platforms, each with services and a folder of its own: the seller's, and the buyer's who has the first release."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from memporium.memstore.v1.memstore_service_pb2_grpc import MemstoreServiceStub
from support.delta_world import SERVICES, TERMS, DeltaWorld
from support.peers import FAST, Side, agreed, certify, environment
from support.platform import running_platform
from support.portable import EmailDetector

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

ORGS = {"north": "seller", "south": "buyer"}
# Longer than any test, however slow the machine is.
_LEASE_S = 3600.0


@asynccontextmanager
async def delta_side(folder: Path, side: str, port: int, agreement: str = "") -> AsyncIterator[tuple[Side, DeltaWorld]]:
    """Run a side on its folder; peers reach it at a port of its own.

    Args:
        folder: Of both sides.
        side: `north`, where `seller` is, or `south`, where `buyer` is.
        port: Where it listens for peers.
        agreement: The name of the one that was made when both were built there before.
    """
    home = folder / side
    values = {**FAST, "PLATFORM_ID": side, "LISTEN": f"127.0.0.1:{port}"}
    if (home / "certificates").exists():
        pem, key = (str(home / "certificates" / f"peer.{end}") for end in ("pem", "key"))
        values |= {"TLS_CERTIFICATE": pem, "TLS_PRIVATE_KEY": key}
    else:
        values |= certify(home / "certificates", side)
    with environment(values):
        async with running_platform(SERVICES, data_dir=home / "data", modules=[EmailDetector()]) as platform:
            world = DeltaWorld(platform, None)  # type: ignore[arg-type]  # the real transfer service is there
            world.agreement_name = agreement
            await world.org(ORGS[side])
            operator = platform.static.add("platform", "operator")
            yield Side(side, world, MemstoreServiceStub(platform.channel(operator))), world


async def build_sides(folder: Path, ports: dict[str, int]) -> str:
    """Sell and pull the first release, make the second; return the agreement's name at south."""
    async with (
        delta_side(folder, "north", ports["north"]) as (north, seller),
        delta_side(folder, "south", ports["south"]) as (south, buyer),
    ):
        await north.register(south, lease_s=_LEASE_S)
        await south.register(north)
        await seller.fill()
        buyer.agreement_name = await agreed(north, south, terms=TERMS)
        await seller.release("orgs/seller/listings/pack")
        await buyer.pull("pack")
        await seller.change()
        await seller.release_second()
        return buyer.agreement_name
