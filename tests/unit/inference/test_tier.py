"""Uses recorded for traces, and tensors brought in ahead."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from memporium_platform.call import Principal, PrincipalKind, acting_as, current_call
from memporium_platform.errors import PlatformError, Reason
from memporium_services.inference.adapters.trace_store import ObjectTraces
from memporium_services.inference.app.blob_cache import BlobCache
from memporium_services.inference.app.prefetch import Prefetch
from memporium_services.inference.app.tier_journal import TierJournal
from memporium_services.inference.app.tier_uses import TierUses
from memporium_services.inference.domain.memory import ActivationRef, BlobRef, Form, Licence, UsedMemory

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def kv(key, size=40, tokens=100, **more):
    return UsedMemory(
        name=f"orgs/a/vaults/v/cubes/{key}",
        form=Form.ACTIVATION,
        blob=BlobRef(key * 64, size),
        activation=ActivationRef("f", "t", "i", tokens, 1, 1, 1, "float16"),
        **more,
    )


def test_a_use_says_what_its_kv_saves_and_nothing_else():
    uses = TierUses(b"s" * 16)
    uses.measured("m", 1000, 4.0)
    text = UsedMemory(name="orgs/a/vaults/v/cubes/t", form=Form.PLAINTEXT, text="w" * 400, title="secret")
    uses.record("a", uses.agent("orgs/a/principals/ada"), [kv("k"), text], model="m", now=NOW)
    (of_kv, of_text), dropped = uses.read("a")
    assert (of_kv.saved_s, of_kv.size_bytes) == (pytest.approx(0.4), 40)
    # Text as its KV would be: a hundred tokens, of 0.4 bytes each by the one that was seen.
    assert (of_text.saved_s, of_text.size_bytes) == (pytest.approx(0.4), 40)
    assert dropped == 0
    assert "secret" not in repr(of_text)
    assert "ada" not in of_kv.agent
    assert of_kv.agent == of_text.agent != TierUses(b"t" * 16).agent("orgs/a/principals/ada")


def test_traces_are_bounded_and_of_one_organisation():
    uses = TierUses(b"s" * 16, most_a_tenant=3, most_tenants=2)
    for step in range(5):
        uses.record("a", "x", [kv("k", tokens=step)], model="m", now=NOW + timedelta(seconds=step))
    found, dropped = uses.read("a")
    assert [one.at.second for one in found] == [2, 3, 4]
    assert dropped == 2
    assert [one.at.second for one in uses.read("a", 1)[0]] == [4]
    assert uses.read("a", 1)[1] == 4
    assert uses.read("b") == ([], 0)
    for tenant in ("b", "c"):
        uses.record(tenant, "x", [kv("k")], model="m", now=NOW)
    assert uses.count("a") == 0


def test_a_clock_that_is_set_back_leaves_uses_in_their_order():
    uses = TierUses(b"s" * 16)
    for name, days in (("first", 400), ("second", 0), ("third", 0), ("fourth", 401)):
        uses.record("a", "x", [kv(name)], model="m", now=NOW + timedelta(days=days))
    found, _ = uses.read("a")
    assert [one.cube for one in found] == [kv(name).name for name in ("first", "second", "third", "fourth")]
    assert sorted({one.at for one in found}) == [one.at for one in found]
    later = TierUses(b"s" * 16)
    later.restore("a", found)
    later.restore("a", found)
    assert later.read("a") == (found, 0)


def test_short_prompts_do_not_count_as_measurements():
    uses = TierUses(b"s" * 16)
    uses.measured("m", 3, 9.0)
    assert uses.saved_s(kv("k"), "m") == pytest.approx(0.25)


class Objects:
    """An object store in memory."""

    def __init__(self):
        self.objects, self.broken = {}, False

    async def put(self, key, data):
        if self.broken:
            raise OSError("away")
        self.objects[key] = data

    async def get_bytes(self, key, *, limit_bytes):
        return self.objects[key]

    async def delete(self, key):
        del self.objects[key]

    async def list(self, prefix):
        for key in [one for one in self.objects if one.startswith(prefix)]:
            yield key


class Keys:
    def derive(self, label):
        return label.encode()

    async def vault_key(self, org, name):
        if org == "gone":
            raise PlatformError(Reason.NOT_FOUND, "destroyed")
        return hashlib.sha256(f"{org} {name}".encode()).digest()


class Now:
    time = NOW

    def now(self):
        return self.time


def journals(most=1000):
    """Return an object store, and what makes a recorder with its journal, as a process has them."""
    objects = Objects()

    def start():
        uses = TierUses(b"s" * 16, most_a_tenant=most)
        return uses, TierJournal(uses, ObjectTraces(objects, Keys(), Now(), most=most), every_s=0)

    return objects, start


def used(uses, second, name="k", tenant="a"):
    uses.record(tenant, uses.agent("ada"), [kv(name)], model="m", now=NOW + timedelta(seconds=second))


async def test_a_trace_goes_on_after_a_restart_without_any_name():
    objects, start = journals()
    uses, journal = start()
    used(uses, 1)
    used(uses, 2, "l")
    used(uses, 3, tenant="b")
    used(uses, 3, tenant="gone")
    await journal.write()
    used(uses, 4)
    await journal.stop()
    assert len(objects.objects) == 3
    assert not any(b"cubes" in data or b"ada" in data for data in objects.objects.values())
    later, journal = start()
    used(later, 9)
    await journal.recall("a")
    await journal.recall("a")
    found, dropped = later.read("a")
    assert [(one.at.second, one.cube.rpartition("/")[2]) for one in found] == [(1, ""), (2, ""), (4, ""), (9, "k")]
    # A memory and a user are the same ones as before.
    assert found[0].key == found[2].key == found[3].key != found[1].key
    assert len({one.agent for one in found}) == 1
    assert (dropped, later.count("b")) == (0, 0)
    assert (found[0].form, found[0].size_bytes, found[0].saved_s) == (
        found[3].form, found[3].size_bytes, pytest.approx(found[3].saved_s),
    )  # fmt: skip
    await journal.write()
    await journal.write()
    last, journal = start()
    await journal.recall("a")
    assert [one.at.second for one in last.read("a")[0]] == [1, 2, 4, 9]


async def test_kept_traces_are_bounded_in_uses_objects_and_time():
    objects, start = journals(most=40)
    uses, journal = start()
    for step in range(60):
        used(uses, step)
        await journal.write()
        assert len(objects.objects) <= 25
    later, journal = start()
    await journal.recall("a")
    assert [one.at for one in later.read("a")[0]] == [NOW + timedelta(seconds=step) for step in range(20, 60)]
    Now.time = NOW + timedelta(days=31)
    try:
        last, journal = start()
        await journal.recall("a")
        assert last.count("a") == 0
        assert not objects.objects
    finally:
        Now.time = NOW


async def test_a_store_that_is_away_costs_a_trace_its_uses_and_nobody_an_answer():
    objects, start = journals()
    uses, journal = start()
    objects.broken = True
    used(uses, 1)
    await journal.write()
    objects.broken = False
    used(uses, 2)
    await journal.write()
    assert [one.at.second for one in uses.read("a")[0]] == [1, 2]
    later, journal = start()
    await journal.recall("a")
    assert [one.at.second for one in later.read("a")[0]] == [2]
    # What is damaged is left out.
    (name,) = objects.objects
    objects.objects[name] = objects.objects[name][:-1] + bytes([objects.objects[name][-1] ^ 1])
    later, journal = start()
    await journal.recall("a")
    assert later.count("a") == 0


class Vault:
    """Gives out blobs, and notes who fetched which."""

    def __init__(self):
        self.fetched, self.fails = [], None

    async def download(self, memory):
        self.fetched.append((current_call().principal.name, memory.name[-1]))
        await asyncio.sleep(0)
        if self.fails:
            raise PlatformError(self.fails, "no longer")
        return bytearray(memory.blob.size_bytes)


class World:
    def __init__(self, budget=200, cache=100):
        self.now = 0.0
        self.vault, self.cache = Vault(), BlobCache(cache, seconds=lambda: self.now)
        self.prefetch = Prefetch(self.vault, self.cache, budget_bytes=budget, seconds=lambda: self.now)

    async def turn(self, *memories, tenant="a", who="ada"):
        with acting_as(Principal(f"orgs/{tenant}/principals/{who}", tenant, PrincipalKind.USER)):
            for memory in memories:
                self.now += 1.0
                await self.cache.get(
                    tenant,
                    memory.blob.sha256,
                    lambda memory=memory: self.vault.download(memory),
                    agreements=frozenset(one.agreement for one in memory.licences),
                    agent=who,
                )
            self.prefetch.used(tenant, who, memories)
        await self.prefetch.settled()


async def bring_back(world, memories, rounds=12, **who):
    for _ in range(rounds):
        for memory in memories:
            await world.turn(memory, **who)


async def test_the_next_turn_finds_what_always_followed():
    world, memories = World(), [kv(key) for key in "bcde"]
    await bring_back(world, memories)
    figures = world.cache.figures("a")
    assert figures.prefetched_used > 5
    assert figures.prefetched_used <= figures.prefetched
    assert figures.prefetched_bytes == 40 * figures.prefetched
    assert world.cache.size_bytes <= 100
    alone = World(budget=0)
    await bring_back(alone, memories)
    assert alone.cache.figures("a").prefetched == 0
    assert figures.hits > alone.cache.figures("a").hits


async def test_nothing_crosses_from_one_tenant_or_agent_to_another():
    world, memories = World(), [kv(key) for key in "bcde"]
    await bring_back(world, memories)
    world.vault.fetched.clear()
    await world.turn(memories[0], tenant="rival", who="eve")
    await world.turn(memories[1], tenant="rival", who="eve")
    assert world.vault.fetched == [("orgs/rival/principals/eve", "b"), ("orgs/rival/principals/eve", "c")]
    assert world.cache.figures("rival").hits == 0
    await world.turn(memories[0], who="bob")
    # Another of the same organisation: what ada's habits foretell is not fetched with bob's rights.
    assert {name for name, _ in world.vault.fetched} <= {"orgs/rival/principals/eve", "orgs/a/principals/bob"}
    assert [key for name, key in world.vault.fetched if name.endswith("bob")] in ([], ["b"])


async def test_licensed_memory_is_not_fetched_ahead():
    world = World()
    await bring_back(world, [kv(key, licences=(Licence("orgs/p/agreements/x"),)) for key in "bcde"])
    assert world.cache.figures("a").prefetched == 0


async def test_a_call_fetches_no_more_than_its_budget():
    world = World(budget=50)
    await bring_back(world, [kv(key) for key in "bcdef"])
    # Forty bytes each: two would be beyond it.
    figures = world.cache.figures("a")
    assert 0 < figures.prefetched <= 60


async def test_what_cannot_be_fetched_is_left_alone():
    world, memories = World(), [kv(key) for key in "bcde"]
    await bring_back(world, memories)
    world.vault.fails = Reason.PERMISSION_DENIED
    held = [one for one in memories if f"a/{one.blob.sha256}" in world.cache._blobs]
    await world.turn(held[0])
    world.vault.fails = None
    await world.turn(*memories)


async def test_a_load_that_fails_for_others_is_tried_with_ones_own_rights():
    cache, began = BlobCache(100), asyncio.Event()

    async def refused():
        began.set()
        await asyncio.sleep(0.01)
        raise PlatformError(Reason.PERMISSION_DENIED, "not yours")

    async def allowed():
        return bytearray(10)

    first = asyncio.create_task(cache.get("a", "x", refused, agreements=frozenset()))
    await began.wait()
    assert len(await cache.get("a", "x", allowed, agreements=frozenset())) == 10
    with pytest.raises(PlatformError):
        await first


async def test_closing_ends_a_fetch():
    world = World()
    started = asyncio.Event()

    async def never(memory):
        if memory.name.endswith("c"):
            started.set()
            await asyncio.Event().wait()
        return bytearray(memory.blob.size_bytes)

    await bring_back(world, [kv(key) for key in "bcde"], rounds=4)
    world.vault.download = never
    with acting_as(Principal("orgs/a/principals/ada", "a", PrincipalKind.USER)):
        item = replace(world.cache.item(f"a/{'c' * 64}", 40))
        world.prefetch._waiting[item.key] = (item, current_call(), kv("c"))
        world.prefetch._task = asyncio.create_task(world.prefetch._run())
    world.cache._tier.drop(item.key)
    await asyncio.sleep(0.01)
    await asyncio.wait_for(world.prefetch.close(), 30)


async def test_a_cache_ruled_by_labels_holds_what_is_alike():
    now = [0.0]
    cache = BlobCache(100, policy="label", seconds=lambda: now[0])

    async def use(digest, label, tenant="a"):
        async def load():
            return bytearray(30)

        now[0] += 1.0
        await cache.get(tenant, digest, load, agreements=frozenset(), labels=(label,))

    await use("old", "east")
    await use("west", "west")
    for _ in range(5):
        await use("east", "east")
    await use("new", "east")
    misses = cache.figures("a").misses
    await use("old", "east")
    assert cache.figures("a").misses == misses
    await use("west", "west")
    assert cache.figures("a").misses == misses + 1
