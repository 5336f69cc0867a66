"""Two platforms that trade: each its own process-wide state, certificates made for the test, one listener each."""

from __future__ import annotations

import asyncio
import os
import time
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import grpc
from google.protobuf.duration_pb2 import Duration

from memporium.memstore.v1 import peer_calls_pb2 as pb
from memporium.memstore.v1.memstore_service_pb2_grpc import MemstoreServiceStub
from memporium.memstore.v1.peer_pb2 import Peer
from memporium_platform.clock import SystemClock
from support.certificates import self_signed
from support.market import Market, running_market

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
    from pathlib import Path

# Short times, so that tests see what else takes seconds.
FAST = {"RETRY_S": "0.05", "RETRY_LONGEST_S": "0.3", "USAGE_S": "0.2", "CALL_TIMEOUT_S": "30"}


def certify(folder: Path, name: str) -> dict[str, str]:
    """Make a platform's certificate; return the settings that name it."""
    folder.mkdir(parents=True, exist_ok=True)
    key, certificate = self_signed(name)
    (folder / "peer.key").write_bytes(key)
    (folder / "peer.pem").write_bytes(certificate)
    return {"TLS_CERTIFICATE": str(folder / "peer.pem"), "TLS_PRIVATE_KEY": str(folder / "peer.key")}


class Shifted(SystemClock):
    """A clock that is wrong, or goes on when a test says so."""

    def __init__(self, shift: timedelta = timedelta()) -> None:
        self.shift = shift

    def now(self) -> datetime:
        return super().now() + self.shift

    def reach(self, moment: datetime) -> None:
        """Show `moment` now; time goes on from there."""
        self.shift += moment - self.now()


@contextmanager
def environment(values: dict[str, str]) -> Iterator[None]:
    """Set `MEMPORIUM_PEER_*` for the block."""
    before = dict(os.environ)
    os.environ.update({f"MEMPORIUM_PEER_{name}": value for name, value in values.items()})
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@dataclass
class Side:
    """One platform."""

    id: str
    market: Market
    operator: Any

    @property
    def parts(self) -> Any:
        return self.market.module.peers.parts

    @property
    def address(self) -> str:
        return str(self.market.module.peers.listener.address)

    async def identity(self) -> pb.GetPlatformIdentityResponse:
        return await self.operator.GetPlatformIdentity(pb.GetPlatformIdentityRequest())

    async def register(self, other: Side, **fields: Any) -> Peer:
        """Register another platform here."""
        shown = await other.identity()
        lease_s = fields.pop("lease_s", None)
        peer = Peer(
            certificates=shown.certificate,
            platform_key=shown.platform_key,
            address=fields.pop("address", other.address),
            **fields,
        )
        if lease_s is not None:
            peer.lease.CopyFrom(Duration(nanos=int(lease_s % 1 * 1e9), seconds=int(lease_s)))
        made = await self.operator.CreatePeer(pb.CreatePeerRequest(peer_id=other.id, peer=peer))
        return made.peer

    async def peer(self, other: str) -> Peer:
        return (await self.operator.GetPeer(pb.GetPeerRequest(name=f"peers/{other}"))).peer


@asynccontextmanager
async def running_side(data_dir: Path, platform_id: str, *orgs: str, **options: Any) -> AsyncIterator[Side]:
    """Run one platform's marketplace in this process."""
    values = {**FAST, "PLATFORM_ID": platform_id, "LISTEN": "127.0.0.1:0", **options.pop("peer", {})}
    values |= certify(data_dir / "certificates", platform_id)
    async with AsyncExitStack() as stack:
        with environment(values):
            running = running_market(data_dir, *orgs, **options)
            market = await anext(running)
        stack.push_async_callback(running.aclose)
        operator = market.platform.static.add("platform", "operator")
        yield Side(platform_id, market, MemstoreServiceStub(market.platform.channel(operator)))


@asynccontextmanager
async def two_sides(folder: Path, *, lease_s: float = 120.0, **options: Any) -> AsyncIterator[tuple[Side, Side]]:
    """Run `north`, where `seller` offers, and `south`, where `buyer` buys; `south` alone has an address to call."""
    async with AsyncExitStack() as stack:
        north = await stack.enter_async_context(running_side(folder / "north", "north", "seller", **options))
        south = await stack.enter_async_context(running_side(folder / "south", "south", "buyer", **options))
        await north.register(south, lease_s=lease_s)
        await south.register(north)
        yield north, south


async def until(check: Callable[[], Awaitable[Any]], *, limit_s: float = 60.0) -> Any:
    """Return what `check` returns once that is true."""
    limit = time.monotonic() + limit_s
    while True:
        found = await check()
        if found:
            return found
        assert time.monotonic() < limit, "it did not come to that in time"
        await asyncio.sleep(0.02)


async def leased(side: Side, other: str) -> None:
    """Return once a platform may use memory of another one."""

    async def held() -> bool:
        return (await side.peer(other)).HasField("lease_time")

    await until(held)


def home(name: str) -> str:
    """Return what north calls something of its own that south names."""
    return name.replace("orgs/seller.north/", "orgs/seller/")


async def agreed(north: Side, south: Side, *, terms: Any, listing_id: str = "pack", **offer: Any) -> str:
    """Offer at north and agree from south; return the agreement's name at south, once it is usable there."""
    listing = await north.market.listing(listing_id)
    made = await north.market.offer(listing.name, terms=terms, auto_agree=True, **offer)
    talks = await south.market.request(made.name.replace("orgs/seller/", "orgs/seller.north/"), org="buyer")
    name = str((await south.market.step(talks, "Verify", org="buyer")).agreement)

    async def there() -> Any:
        try:
            return await south.market.get(name, org="buyer")
        except grpc.aio.AioRpcError:
            return None

    await until(there)
    await leased(south, "north")
    return name
