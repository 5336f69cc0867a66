"""The marketplace: negotiations a second through gRPC, and what holding a use against its agreement costs in process.

`automatic` is an offer that agrees by itself (two calls, both sides sign); `by_hand` asks, agrees, verifies and
finalises. `check_us` is the evaluation of the terms alone; `entitlement_us` reserves a use with a quota, a rate and
concurrency in a durable transaction, `metered_us` also commits it. The limit in the same run: durable transactions a
second of the same database, one empty write each, and signatures a second.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "platform"), str(ROOT / "services"), str(ROOT / "tests")]

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: E402

from memporium_platform.licence.check import check_terms  # noqa: E402
from memporium_platform.licence.codec import read_terms  # noqa: E402
from memporium_platform.licence.evaluate import Use, evaluate  # noqa: E402
from memporium_platform.licence.terms import Action, Form  # noqa: E402
from memporium_services.memstore.app.entitlements import UseRequest  # noqa: E402
from memporium_services.memstore.domain.entitlements import Units  # noqa: E402
from support.market import licence, running_market  # noqa: E402
from support.meter_worker import AGREEMENT, agree, as_buyer, entitlements_on, open_store  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


def _percentiles(seconds: list[float]) -> dict[str, float]:
    ordered = sorted(seconds)
    at = {"p50": statistics.median(ordered), "p99": ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]}
    return {name: round(value * 1e6, 1) for name, value in at.items()}


def _terms() -> Any:
    terms = licence("READ", "RETRIEVE", calls=10_000_000, max_concurrency=64)
    terms.permissions[0].constraints.rates.add(limit=1_000_000).interval.FromSeconds(60)
    return terms


async def _a_second(count: int, at_once: int, work: Callable[[int], Awaitable[Any]]) -> float:
    """Run `work` so many times, so many at once; return how many a second."""
    numbers = iter(range(count))

    async def client() -> None:
        for number in numbers:
            await work(number)

    began = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(at_once)))
    return round(count / (time.perf_counter() - began), 1)


async def negotiations(count: int, at_once: int, folder: Path) -> dict[str, float]:
    """Return negotiations a second."""
    async with asynccontextmanager(running_market)(folder, "seller", "buyer", tenant_calls_per_s=0.0) as market:
        listing = await market.listing()
        automatic = await market.offer(listing.name, "automatic", terms=_terms(), auto_agree=True)
        by_hand = await market.offer(listing.name, "by-hand", terms=_terms())

        async def take(_number: int) -> None:
            await market.step(await market.request(automatic.name), "Verify", org="buyer")

        async def talk(_number: int) -> None:
            talks = await market.request(by_hand.name)
            for trigger, org in (("Agree", "seller"), ("Verify", "buyer"), ("Finalize", "seller")):
                talks = await market.step(talks, trigger, org=org)

        return {
            "automatic_a_s": await _a_second(count, at_once, take),
            "by_hand_a_s": await _a_second(count, at_once, talk),
        }


async def uses(count: int, folder: Path) -> dict[str, Any]:
    """Return what one use costs, one after the other, and the limits of the machine."""
    content = check_terms(_terms(), "terms")
    terms, now = read_terms(content), datetime.now(UTC)
    use = Use(Action.READ, Form.PLAINTEXT, now, now, memories=1)
    checks = []
    for _ in range(count):
        began = time.perf_counter()
        evaluate(terms, use)
        checks.append(time.perf_counter() - began)
    store = await open_store(folder, "")
    await agree(store, content)
    meter = entitlements_on(store, ttl_s=60)
    reserved, metered = [], []
    for number in range(count):
        use_id = f"u{number}"
        began = time.perf_counter()
        with as_buyer(use_id):
            await meter.reserve(UseRequest(AGREEMENT, Action.READ, Form.PLAINTEXT, Units(calls=1, memories=1), use_id))
            reserved.append(time.perf_counter() - began)
            await meter.commit(AGREEMENT, use_id, None)
        metered.append(time.perf_counter() - began)
    empty = []
    for number in range(count):
        began = time.perf_counter()
        await store.write(lambda tx, number=number: tx.next_number(f"bench-{number % 7}"))  # type: ignore[misc]
        empty.append(time.perf_counter() - began)
    key, began = Ed25519PrivateKey.generate(), time.perf_counter()
    for _ in range(count):
        key.sign(content)
    signed = time.perf_counter() - began
    await store.close()
    return {
        "check_us": _percentiles(checks),
        "entitlement_us": _percentiles(reserved),
        "metered_us": _percentiles(metered),
        "limit": {"empty_transaction_us": _percentiles(empty), "signatures_a_s": round(count / signed)},
    }


async def uses_at_once(count: int, callers: int, folder: Path) -> dict[str, float]:
    """Return what one of many uses costs that come at once: the transactions of all of them share their commits."""
    store = await open_store(folder, "")
    await agree(store, check_terms(_terms(), "terms"))
    meter = entitlements_on(store, ttl_s=600)
    wall = dict.fromkeys(("reserve", "commit"), 0.0)
    spent = dict(wall)

    async def reserve(use_id: str) -> None:
        with as_buyer(use_id):
            await meter.reserve(UseRequest(AGREEMENT, Action.READ, Form.PLAINTEXT, Units(calls=1, memories=1), use_id))

    async def commit(use_id: str) -> None:
        with as_buyer(f"{use_id}-made"):
            await meter.commit(AGREEMENT, use_id, None)

    rounds = max(1, count // callers)
    for turn in range(rounds):
        for name, work in (("reserve", reserve), ("commit", commit)):
            began, cpu = time.perf_counter(), time.process_time()
            await asyncio.gather(*(work(f"u{turn}-{number}") for number in range(callers)))
            wall[name] += time.perf_counter() - began
            spent[name] += time.process_time() - cpu
    await store.close()
    each = 1e3 / (rounds * callers)
    figures = {f"{name}_wall_ms": round(seconds * each, 3) for name, seconds in wall.items()}
    return figures | {f"{name}_cpu_ms": round(seconds * each, 3) for name, seconds in spent.items()}


async def main(count: int, at_once: int) -> dict[str, Any]:
    """Run everything."""
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        many = {}
        for callers in (1, 64):
            (folder := Path(other) / str(callers)).mkdir()
            many[str(callers)] = await uses_at_once(count * 4, callers, folder)
        return {
            "bench": "market",
            "negotiations": {"count": count, "at_once": at_once, **await negotiations(count, at_once, Path(one))},
            "uses": await uses(count, Path(other)),
            "uses_by_callers": many,
        }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--at-once", type=int, default=8)
    parser.add_argument("--quick", action="store_true", help="a few only: seconds, and rough figures")
    parser.add_argument("--data", type=Path, help="not used")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    found = asyncio.run(main(50 if given.quick else given.count, given.at_once))
    if given.out:
        given.out.write_text(json.dumps(found, indent=1))
    print(json.dumps(found))
