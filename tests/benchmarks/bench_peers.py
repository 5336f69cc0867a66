"""Trade between two platforms over mutual TLS on one machine, beside the same on one platform in the same run.

`negotiations` go from request to agreement in three calls, one after the other; `reserve` is one use under an agreement,
where the peer's needs a living lease; `revocation` counts from the start of the provider's call to the moment when a use
at the consumer's platform is refused.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "platform"), str(ROOT / "services"), str(ROOT / "tests")]

import grpc  # noqa: E402

from memporium_platform.errors import PlatformError  # noqa: E402
from support.market import licence  # noqa: E402
from support.peers import leased, running_side, until  # noqa: E402

_LEASE_S = 60.0
# The settings of tests state what was used five times a second; by default that is once a minute.
_QUIET = {"USAGE_S": "60"}


def percentiles(seconds: list[float]) -> dict[str, float]:
    """Return p50, p99 and the longest, in milliseconds."""
    ordered = sorted(seconds)
    last = len(ordered) - 1
    shown = {"p50_ms": ordered[last // 2], "p99_ms": ordered[round(last * 0.99)], "max_ms": ordered[last]}
    return {name: round(value * 1000, 2) for name, value in shown.items()}


async def negotiate(buyer: Any, offer: str, org: str) -> tuple[str, float]:
    """Return an agreement on an offer that agrees by itself, and how long it took."""
    began = time.perf_counter()
    talks = await buyer.step(await buyer.request(offer, org=org), "Verify", org=org)
    return talks.agreement, time.perf_counter() - began


async def reserve(buyer: Any, agreement: str, org: str, count: int) -> list[float]:
    """Return how long each of some uses took to reserve."""
    taken = []
    for number in range(count):
        began = time.perf_counter()
        await buyer.reserve(agreement, f"use-{number}", org=org)
        taken.append(time.perf_counter() - began)
    return taken


async def revoke(seller: Any, buyer: Any, here: str, there: str, org: str) -> float:
    """Return how long after the call began a use was refused at the consumer's platform."""
    began = time.perf_counter()
    await seller.end(here, "Revoke")
    number = 0
    while True:
        number += 1
        try:
            await buyer.reserve(there, f"after-{number}", org=org)
        except (grpc.aio.AioRpcError, PlatformError):
            return time.perf_counter() - began


async def measure(folder: Path, agreements: int, uses: int) -> dict[str, Any]:
    """Return the figures."""
    async with (
        running_side(folder / "north", "north", "seller", "local", peer=_QUIET) as north,
        running_side(folder / "south", "south", "buyer", peer=_QUIET) as south,
    ):
        await north.register(south, lease_s=_LEASE_S)
        await south.register(north)
        listing = await north.market.listing("pack")
        offer = await north.market.offer(listing.name, terms=licence(calls=None), auto_agree=True)
        across = offer.name.replace("orgs/seller/", "orgs/seller.north/")
        await until(lambda: _reachable(south, across))
        await leased(south, "north")
        sides = {"one_platform": (north, offer.name, "local"), "two_platforms": (south, across, "buyer")}
        found: dict[str, Any] = {}
        for kind, (side, name, org) in sides.items():
            made = [await negotiate(side.market, name, org) for _ in range(agreements)]
            names = [agreement for agreement, _ in made]
            await until(lambda at=side, last=names[-1], who=org: _known(at, last, who))
            await side.market.reserve(names[0], "warm", org=org)
            found[kind] = {
                "negotiation": percentiles([seconds for _, seconds in made]),
                "reserve": percentiles(await reserve(side.market, names[0], org, uses)),
            }
            ended = []
            for agreement in names:
                here = agreement.replace("orgs/seller.north/", "orgs/seller/")
                ended.append(await revoke(north.market, side.market, here, agreement, org))
            found[kind]["revocation"] = percentiles(ended)
        return {"agreements": agreements, "uses": uses, **found}


async def _known(side: Any, name: str, org: str) -> bool:
    try:
        await side.market.get(name, org=org)
    except grpc.aio.AioRpcError:
        return False
    return True


async def _reachable(side: Any, offer: str) -> bool:
    try:
        await negotiate(side.market, offer, "buyer")
    except grpc.aio.AioRpcError:
        return False
    return True


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--agreements", type=int, default=50)
    parser.add_argument("--uses", type=int, default=200)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(asyncio.run(measure(Path(folder), given.agreements, given.uses))))


if __name__ == "__main__":
    main()
