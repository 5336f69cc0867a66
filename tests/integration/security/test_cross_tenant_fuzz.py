"""Thousands of random calls between tenants, by reflection over the whole API: none may see or change what is another's.

Everything follows from the seed. Set MEMPORIUM_TEST_FUZZ_CALLS and MEMPORIUM_TEST_FUZZ_SEED for longer or other runs.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections import Counter
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from google.protobuf import message_factory

from support.filler import Filler, malformed
from support.methods import Method, Outcome, all_methods, outcome
from support.snapshots import snapshot
from support.tenants import ORGS

if TYPE_CHECKING:
    from support.tenants import World

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.slow, pytest.mark.timeout(1800)]

CALLS = int(os.environ.get("MEMPORIUM_TEST_FUZZ_CALLS", "12000"))
SEED = int(os.environ.get("MEMPORIUM_TEST_FUZZ_SEED", "20"))
AT_ONCE = 16
VICTIMS = ("alice", "bob")
# Who calls, how often; the victims only read.
CALLERS = {
    ("mallory", "owner"): 45,
    ("mallory", "agent"): 10,
    ("trent", "owner"): 25,
    ("alice", "owner"): 10,
    ("bob", "owner"): 10,
}
# With these a caller would only hurt itself, and the rest of the run would say less.
SELF_HARM = {"vault.DeleteVault", "governance.CreatePolicy", "governance.DisablePrincipal"}
BROKEN = {grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN, grpc.StatusCode.UNIMPLEMENTED}
METHODS = all_methods()
READS = [method for method in METHODS if not method.mutation]


@dataclass(frozen=True)
class Planned:
    """One call, decided before any is made."""

    org: str
    key: str
    method: Method
    raws: tuple[bytes, ...]
    metadata: tuple[tuple[str, str], ...]


class Names:
    """Draws names of all tenants: a caller's own, its victims', and what does not exist."""

    def __init__(self, world: World, rng: Random) -> None:
        self._names = world.names
        self._rng = rng
        self.org = ""
        self.own = True

    def __call__(self, kind: str, *, about: bool = False) -> str:
        rng = self._rng
        others = [org for org in ORGS if org != self.org]
        own = rng.random() < (0.5 if about else 0.25)
        org = self.org if own and self.own else rng.choice([*others, *VICTIMS])
        pool = self._names[org]
        if kind == "any":
            kind = rng.choice(list(pool))
        found = pool.get(kind)
        if not found:
            return f"orgs/{org}/{kind}s/absent"
        return rng.choice(found) if rng.random() < 0.97 else found[0].rpartition("/")[0] + "/absent"


async def page_tokens(world: World) -> list[str]:
    """Return page tokens that the tenants got for their own lists."""
    tokens = [""]
    for org in ORGS:
        for method in METHODS:
            if method.name.startswith("List") and "page_size" in method.input.fields_by_name:
                request: Any = message_factory.GetMessageClass(method.input)(page_size=1)
                if "parent" in method.input.fields_by_name:
                    kind = Filler.kind(method.input.fields_by_name["parent"], method)
                    request.parent = (world.names[org].get(kind) or [f"orgs/{org}"])[0]
                got = await outcome(world.platform.channel(world.keys[org]), method, [request])
                tokens += _tokens_in(method, got)
    return tokens


def _tokens_in(method: Method, got: Outcome) -> list[str]:
    module = method.input.file.pool.FindMessageTypeByName(method.input.full_name.removesuffix("Request") + "Response")
    if got.code is not grpc.StatusCode.OK:
        return []
    response: Any = message_factory.GetMessageClass(module).FromString(got.responses[0])
    return [response.next_page_token] if response.next_page_token else []


def plan(world: World, tokens: list[str], etags: list[str]) -> list[Planned]:
    """Decide all calls."""
    rng = Random(SEED)
    names = Names(world, rng)
    texts = ["the secret formula", "formula", "cat called", "tag", "Formula c0", "A vault"]
    filler = Filler(rng, names, texts=texts, tokens=tokens, etags=etags, digests=world.digests, hostile=0.08)
    callers, weights = list(CALLERS), list(CALLERS.values())
    planned = []
    for _ in range(CALLS):
        org, role = rng.choices(callers, weights)[0]
        method = rng.choice(READS if org in VICTIMS else METHODS)
        names.org, names.own = org, method.id not in SELF_HARM
        raws = [request.SerializeToString() for request in filler.requests(method)]
        if rng.random() < 0.03:
            raws[0] = _bent(rng, raws[0])
        metadata: list[tuple[str, str]] = []
        if rng.random() < 0.05:
            name = rng.choice(["purpose", "region", "root-id", "at-least-epoch"])
            metadata.append(
                (f"memporium-{name}", rng.choice(["x", "0", "a" * 500, "-1", malformed(rng, "a").encode().hex()]))
            )
        key = world.keys[org] if role == "owner" else world.agents[org]
        planned.append(Planned(org, key, method, tuple(raws), tuple(metadata)))
    return planned


def _bent(rng: Random, raw: bytes) -> bytes:
    """Return other bytes: cut, changed, or made up."""
    kind = rng.randrange(3)
    if kind == 0 or not raw:
        return rng.randbytes(40)
    if kind == 1:
        return raw[: rng.randrange(len(raw))]
    place = rng.randrange(len(raw))
    return raw[:place] + rng.randbytes(1) + raw[place + 1 :]


async def test_the_yardstick_sees_a_leak(world: World) -> None:
    (method,) = [method for method in METHODS if method.id == "vault.GetCube"]
    request: Any = message_factory.GetMessageClass(method.input)(name=world.names["alice"]["cube"][0])
    got = await outcome(world.platform.channel(world.keys["alice"]), method, [request])
    assert not world.leaks("alice", got.seen, b"")
    assert len(world.leaks("mallory", got.seen, b"")) == 3  # uid, tag and text
    assert not world.leaks("mallory", got.seen, got.seen)


async def test_no_call_sees_or_changes_what_is_anothers(world: World) -> None:
    before = {org: await snapshot(world, org) for org in VICTIMS}
    etags = ["", *(kept.etag for found in before.values() for kept in found.values() if hasattr(kept, "etag"))]
    planned = plan(world, await page_tokens(world), etags)
    codes: Counter[str] = Counter()
    succeeded: Counter[str] = Counter()
    leaks, broken, silent, slowest = [], [], [], Counter()
    limit = asyncio.Semaphore(AT_ONCE)

    async def one(call: Planned) -> None:
        async with limit:
            began = time.perf_counter()
            timeout_s = 0.1 if call.method.endless else 120
            channel = world.platform.channel(call.key)
            got = await outcome(channel, call.method, call.raws, timeout_s=timeout_s, metadata=call.metadata)
            slowest[call.method.id] += time.perf_counter() - began
        codes[got.code.name] += 1
        sent = b"\0".join(call.raws)
        if found := world.leaks(call.org, got.seen, sent):
            leaks.append((call.org, call.method.id, found))
        if got.code in BROKEN:
            broken.append((call.org, call.method.id, got.code.name, got.message[:100]))
        if got.code is grpc.StatusCode.OK:
            succeeded[call.org] += 1
        elif not got.reason and not (call.method.endless and got.code is grpc.StatusCode.DEADLINE_EXCEEDED):
            silent.append((call.method.id, got.code.name, got.message[:100]))

    began = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for call in planned:
            group.create_task(one(call))
    seconds = time.perf_counter() - began
    after = {org: await snapshot(world, org) for org in VICTIMS}
    figures = {"calls": len(planned), "leaks": len(leaks), "seconds": round(seconds, 1), "seed": SEED}
    print(json.dumps({**figures, "codes": dict(codes), "succeeded": dict(succeeded)}))
    print("leaks:", leaks[:20])
    print("broken:", broken[:20])
    print("slowest:", {name: round(spent, 1) for name, spent in slowest.most_common(12)})
    assert not leaks
    assert not broken
    assert not silent
    for org in VICTIMS:
        assert after[org].keys() == before[org].keys()
        changed = [name for name, kept in before[org].items() if after[org][name] != kept]
        assert changed == []
    # The callers were not simply locked out of everything.
    assert all(succeeded[org] > CALLS // 500 for org in ORGS)
