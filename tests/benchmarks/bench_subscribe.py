"""A thousand subscribers of one listing: from publishing a release to its last delivery, with a restart in between.

Every subscriber is an organisation of its own with a stream through gRPC. A first release is published while all streams
are open; a second one, and then the server is stopped at once, so that some have seen it and nobody has acknowledged it;
a third one while half of the subscribers are away. `to_last_ms` counts from the call that publishes to the last
subscriber's receipt. Each must have seen each release, by its event id (`lost` 0); what is seen twice is counted. The
limit in the same run: as many unary calls at once, with as many callers.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
from collections import Counter
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "platform"), str(ROOT / "services"), str(ROOT / "tests")]

import grpc  # noqa: E402

from memporium.memstore.v1 import subscription_calls_pb2 as calls  # noqa: E402
from support.market import running_market  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from support.market import Market

_RELEASE = 1
_OPTIONS = {"tenant_calls_per_s": 0.0}


class Subscriber:
    """One organisation with a stream."""

    def __init__(self, org: str) -> None:
        """Begin without a subscription."""
        self.org, self.name = org, ""
        self.seen: Counter[str] = Counter()
        self.at: dict[str, float] = {}
        self.cursor = 0
        self._task: asyncio.Task[None] | None = None

    async def subscribe(self, market: Market, listing: str) -> None:
        """Make the subscription."""
        asked = calls.CreateSubscriptionRequest(
            parent=f"orgs/{self.org}", subscription={"mode": 1, "filter": {"listings": [listing]}}
        )
        self.name = (await market.stub(self.org).CreateSubscription(asked)).subscription.name

    def open(self, market: Market) -> None:
        """Begin to listen."""
        self._task = asyncio.create_task(self._listen(market))

    async def close(self) -> None:
        """Hang up."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def acknowledge(self, market: Market) -> None:
        """Move the durable cursor to the newest event seen."""
        await market.stub(self.org).AckEvents(calls.AckEventsRequest(name=self.name, cursor=self.cursor))

    async def _listen(self, market: Market) -> None:
        try:
            async for message in market.stub(self.org).StreamEvents(calls.StreamEventsRequest(name=self.name)):
                event = message.event
                if event.kind == _RELEASE:
                    self.seen[event.version] += 1
                    self.at.setdefault(event.version, time.perf_counter())
                    self.cursor = max(self.cursor, event.cursor)
        except grpc.aio.AioRpcError:
            return


@asynccontextmanager
async def _market(folder: Path, orgs: list[str]) -> AsyncIterator[Market]:
    async with asynccontextmanager(running_market)(folder, *orgs, **_OPTIONS) as market:
        yield market


async def _all(work: Any, subscribers: list[Subscriber]) -> None:
    """Run `work` for all, some at once."""
    todo = iter(subscribers)

    async def client() -> None:
        for one in todo:
            await work(one)

    await asyncio.gather(*(client() for _ in range(32)))


async def _delivered(subscribers: list[Subscriber], version: str, began: float, longest_s: float) -> dict[str, float]:
    """Wait until all have seen a release; return how long that took them."""
    while any(version not in one.at for one in subscribers):
        if time.perf_counter() - began > longest_s:
            break
        await asyncio.sleep(0.005)
    times = sorted((one.at[version] - began) * 1e3 for one in subscribers if version in one.at)
    return {
        "delivered": len(times),
        "to_first_ms": round(times[0], 1),
        "p50_ms": round(statistics.median(times), 1),
        "to_last_ms": round(times[-1], 1),
    }


async def main(count: int, longest_s: float) -> dict[str, Any]:
    """Run the benchmark."""
    subscribers = [Subscriber(f"s{number:04d}") for number in range(count)]
    orgs = ["seller", *(one.org for one in subscribers)]
    report: dict[str, Any] = {"bench": "subscribe", "subscribers": count}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        async with _market(folder, orgs) as market:
            listing = (await market.listing()).name
            await _all(lambda one: one.subscribe(market, listing), subscribers)
            for one in subscribers:
                one.open(market)
            await asyncio.sleep(1)
            began = time.perf_counter()
            await market.release(listing, "1.0.0")
            report["publish_ms"] = round((time.perf_counter() - began) * 1e3, 1)
            report["all_listening"] = await _delivered(subscribers, "1.0.0", began, longest_s)
            await _all(lambda one: one.acknowledge(market), subscribers)
            await market.release(listing, "1.1.0")
        report["seen_before_the_stop"] = sum("1.1.0" in one.at for one in subscribers)
        async with _market(folder, orgs) as market:
            for one in subscribers[::2]:
                await one.close()
                one.open(market)
            began = time.perf_counter()
            await market.release(listing, "1.2.0")
            half = await _delivered(subscribers[::2], "1.2.0", began, longest_s)
            report["half_listening_after_restart"] = half
            began = time.perf_counter()
            for one in subscribers[1::2]:
                await one.close()
                one.open(market)
            report["others_come_back"] = await _delivered(subscribers[1::2], "1.2.0", began, longest_s)
            await _delivered(subscribers, "1.1.0", began, longest_s)
            began = time.perf_counter()
            await _all(
                lambda one: market.stub(one.org).GetSubscription(calls.GetSubscriptionRequest(name=one.name)),
                subscribers,
            )
            report["limit"] = {"unary_calls_ms": round((time.perf_counter() - began) * 1e3, 1)}
            for one in subscribers:
                await one.close()
    wanted = ("1.0.0", "1.1.0", "1.2.0")
    report["lost"] = sum(version not in one.seen for one in subscribers for version in wanted)
    report["seen_again"] = sum(one.seen[version] - 1 for one in subscribers for version in wanted if one.seen[version])
    return report


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--subscribers", type=int, default=1000)
    parser.add_argument("--longest-s", type=float, default=120.0)
    parser.add_argument("--quick", action="store_true", help="a hundred subscribers")
    parser.add_argument("--data", type=Path, help="not used")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    found = asyncio.run(main(100 if given.quick else given.subscribers, given.longest_s))
    if given.out:
        given.out.write_text(json.dumps(found, indent=1))
    print(json.dumps(found))
