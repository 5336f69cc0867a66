"""The queue, the cache and the table of agreements."""

from __future__ import annotations

import asyncio

import pytest

from memporium_platform.errors import PlatformError, Reason
from memporium_services.inference.app.agreements import Agreements
from memporium_services.inference.app.blob_cache import BlobCache
from memporium_services.inference.app.fair_queue import FairQueue


async def test_tenants_take_turns_however_many_calls_wait():
    queue, order, release = FairQueue(max_waiting=100, max_waiting_per_tenant=10), [], asyncio.Event()

    async def call(tenant, name):
        async with queue.turn(tenant):
            order.append(name)
            if name == "first":
                await release.wait()

    tasks = [asyncio.create_task(call("a", "first"))]
    await asyncio.sleep(0)
    tasks += [asyncio.create_task(call("a", f"a{index}")) for index in range(3)]
    tasks += [asyncio.create_task(call("b", "b0")), asyncio.create_task(call("c", "c0"))]
    await asyncio.sleep(0)
    release.set()
    await asyncio.gather(*tasks)
    assert order == ["first", "a0", "b0", "c0", "a1", "a2"]
    assert queue.waiting == 0


async def test_a_cancelled_wait_passes_its_turn_on():
    queue = FairQueue(max_waiting=10, max_waiting_per_tenant=10)

    async def call(tenant):
        async with queue.turn(tenant):
            pass

    async with queue.turn("a"):
        gone, stays = asyncio.create_task(call("b")), asyncio.create_task(call("c"))
        await asyncio.sleep(0)
        gone.cancel()
    await stays
    # The turn had been given to a call that was cancelled in the same moment.
    async with queue.turn("a"):
        late = asyncio.create_task(call("b"))
        await asyncio.sleep(0)
    late.cancel()
    await asyncio.gather(late, return_exceptions=True)
    await asyncio.wait_for(call("d"), 30)


async def test_who_would_wait_too_long_is_refused():
    queue = FairQueue(max_waiting=2, max_waiting_per_tenant=1)
    async with queue.turn("a"):
        waiting = [asyncio.create_task(queue.turn(tenant).__aenter__()) for tenant in ("a", "b")]
        await asyncio.sleep(0)
        with pytest.raises(PlatformError) as own:
            queue.check("a")
        with pytest.raises(PlatformError) as all_full:
            queue.check("c")
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
    assert own.value.reason is Reason.QUOTA_EXCEEDED
    assert all_full.value.reason is Reason.OVERLOADED


def loader(size, calls):
    async def load():
        calls.append(size)
        await asyncio.sleep(0)
        return bytearray(size)

    return load


async def test_the_cache_keeps_tenants_apart_and_within_its_budget():
    cache, calls = BlobCache(100), []
    none = frozenset()
    await asyncio.gather(*(cache.get("a", "x", loader(40, calls), agreements=none) for _ in range(3)))
    assert calls == [40]
    await cache.get("b", "x", loader(40, calls), agreements=none)
    assert calls == [40, 40]
    await cache.get("a", "x", loader(40, calls), agreements=none)
    await cache.get("a", "y", loader(50, calls), agreements=none)
    # The least recently used was b's.
    await cache.get("a", "x", loader(40, calls), agreements=none)
    assert calls == [40, 40, 50]
    assert cache.size_bytes <= 100
    await cache.get("a", "big", loader(500, calls), agreements=none)
    assert cache.size_bytes <= 100


async def test_what_came_under_an_ended_agreement_is_dropped():
    cache, calls = BlobCache(100), []
    await cache.get("a", "x", loader(40, calls), agreements=frozenset({"agreement"}))
    assert cache.drop_agreement("agreement") == 1
    assert cache.size_bytes == 0
    await cache.get("a", "x", loader(40, calls), agreements=frozenset({"agreement"}))
    assert len(calls) == 2


async def test_a_failed_load_is_tried_again():
    cache = BlobCache(100)

    async def fail():
        message = "gone"
        raise OSError(message)

    with pytest.raises(OSError, match="gone"):
        await cache.get("a", "x", fail, agreements=frozenset())
    assert len(await cache.get("a", "x", loader(4, []), agreements=frozenset())) == 4


class Pushes:
    """Agreements that the test changes."""

    def __init__(self):
        self.queue = asyncio.Queue()

    async def watch(self):
        while True:
            change = await self.queue.get()
            if isinstance(change, Exception):
                raise change
            yield [change]


@pytest.fixture
async def pushed():
    source, ended = Pushes(), []
    agreements = Agreements(source, on_end=ended.append)
    agreements.start()
    yield agreements, source, ended
    await agreements.stop()


async def test_a_running_use_is_cut_when_its_agreement_ends(pushed):
    agreements, source, ended = pushed
    closed = []

    async def endless():
        try:
            yield 1
            await asyncio.Event().wait()
        finally:
            closed.append(True)

    got = []

    async def use(guard):
        async for item in guard.each(endless()):
            got.append(item)
            source.queue.put_nowait(("other", "REVOKED"))
            source.queue.put_nowait(("agreement", "REVOKED"))

    with agreements.guard({"agreement"}) as guard, pytest.raises(PlatformError) as caught:
        await use(guard)
    assert got == [1]
    assert caught.value.reason is Reason.LICENCE_REVOKED
    assert caught.value.metadata == {"agreement": "agreement", "state": "REVOKED"}
    assert closed == [True]
    assert ended == ["other", "agreement"]


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        ("SUSPENDED", Reason.LICENCE_SUSPENDED),
        ("EXPIRED", Reason.LICENCE_EXPIRED),
        ("BREACHED", Reason.LICENCE_REVOKED),
    ],
)
async def test_an_ended_agreement_refuses_at_once_until_it_is_active_again(pushed, state, reason):
    agreements, _, _ = pushed
    agreements.apply("agreement", state)
    with pytest.raises(PlatformError) as caught, agreements.guard({"agreement"}):
        pass
    assert caught.value.reason is reason
    agreements.apply("agreement", "ACTIVE")
    with agreements.guard({"agreement"}) as guard:
        assert guard.agreements == {"agreement"}
