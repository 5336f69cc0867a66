"""Generate over fakes: licences of mounts, citations, cuts, and the cache between."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from memporium_platform.errors import PlatformError, Reason
from memporium_services.inference.app.running import going
from memporium_services.inference.domain.memory import Licence, Use
from memporium_services.inference.domain.requests import Delta, Finished, GenerateCall
from memporium_services.inference.domain.values import Sampling
from support.inference_world import KV, LORA, TEXT, FakeGenerator, Places, World


async def test_licensed_mounts_are_used_for_inference_and_cited():
    world = World(TEXT)
    events = await world.generate(TEXT)
    assert world.vault.uses == [Use.INFER_WITH]
    assert "".join(event.text for event in events if isinstance(event, Delta)) == "w0 w1 "
    finished = events[-1]
    assert isinstance(finished, Finished)
    assert finished.citations[0].licence.attribution == "by P"
    assert world.generator.tasks[0].memories[0].text == TEXT.text


async def test_cached_tensors_still_ask_for_each_use():
    world = World(KV)
    for _ in range(3):
        events = await world.generate(KV)
    assert events[-1].cached_tokens == 3
    assert world.vault.downloads == 1
    assert world.vault.uses == [Use.INFER_WITH] * 3
    world.vault.refuses[Use.INFER_WITH] = Reason.LICENCE_QUOTA_EXHAUSTED
    with pytest.raises(PlatformError) as caught:
        await world.generate(KV)
    assert caught.value.reason is Reason.LICENCE_QUOTA_EXHAUSTED
    assert len(world.generator.tasks) == 3


async def test_a_tenants_cache_is_not_anothers():
    world = World(KV)
    await world.generate(KV, tenant="a")
    await world.generate(KV, tenant="b")
    assert world.vault.downloads == 2


async def test_a_running_generation_is_cut_and_its_tensors_dropped():
    world = World(KV, generator=FakeGenerator(endless=True))
    running = asyncio.create_task(world.generate(KV))
    while not world.generator.tasks:
        await asyncio.sleep(0)
    world.agreements.apply("orgs/p/agreements/x", "REVOKED")
    with pytest.raises(PlatformError) as caught:
        await asyncio.wait_for(running, 30)
    assert caught.value.reason is Reason.LICENCE_REVOKED
    assert world.generator.closed == 1
    assert world.cache.size_bytes == 0
    assert not world.queue.waiting
    world.generator.endless = False
    world.agreements.apply("orgs/p/agreements/x", "ACTIVE")
    assert isinstance((await asyncio.wait_for(world.generate(KV), 30))[-1], Finished)


async def test_a_caller_that_goes_ends_the_generation():
    world = World(generator=FakeGenerator(endless=True))
    running = asyncio.create_task(world.generate())
    while not world.generator.tasks:
        await asyncio.sleep(0)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert world.generator.closed == 1
    async with asyncio.timeout(30), world.queue.turn("b"):
        pass


async def test_who_would_wait_too_long_uses_nothing():
    world = World(TEXT, generator=FakeGenerator(endless=True))
    first, second = asyncio.create_task(world.generate()), asyncio.create_task(world.generate())
    while not world.queue.waiting:
        await asyncio.sleep(0)
    with pytest.raises(PlatformError) as caught:
        await world.generate(TEXT)
    assert caught.value.reason is Reason.QUOTA_EXCEEDED
    assert world.vault.uses == []
    for task in (first, second):
        task.cancel()
    await asyncio.gather(first, second, return_exceptions=True)


@pytest.mark.parametrize(
    ("memories", "reason"),
    [
        ((replace(KV, activation=replace(KV.activation, model_fingerprint="0" * 64)),), Reason.MODEL_MISMATCH),
        ((replace(LORA, parameter=replace(LORA.parameter, base_model_fingerprint="")),), Reason.MODEL_MISMATCH),
        ((replace(KV, blob=None),), Reason.BLOB_MISSING),
        ((KV, LORA), Reason.INVALID_FIELD),
        ((replace(TEXT, text="x" * 300),), Reason.INVALID_FIELD),
    ],
)
async def test_mounts_that_do_not_fit_are_refused(memories, reason):
    world = World(*memories)
    with pytest.raises(PlatformError) as caught:
        await world.generate(*memories)
    assert caught.value.reason is reason
    assert not world.generator.tasks


LICENSED = replace(TEXT, licences=(Licence("agreement", use_id="use"),))


async def test_a_generation_gives_its_place_back_when_it_ends_or_is_left():
    world = World(LICENSED)
    await world.generate(LICENSED)
    assert world.vault.running
    assert world.places.heard == [("end", "agreement", "use")]
    call = GenerateCall("", (), "x", (LICENSED.name,), Sampling(4))
    stream = world.generation.generate(call, tenant="a")
    await anext(stream)
    assert len(world.places.heard) == 1
    await stream.aclose()
    assert len(world.places.heard) == 2


async def test_a_marketplace_that_is_away_ends_no_generation():
    world = World(LICENSED)
    world.places.deaf = True
    assert await world.generate(LICENSED)


async def test_a_long_generation_says_that_it_goes_on(monkeypatch):
    monkeypatch.setattr("memporium_services.inference.app.running._SAY_EVERY_S", 0.01)
    places = Places()
    async with going(places, {("agreement", "use")}):
        while len(places.heard) < 2:
            await asyncio.sleep(0.005)
    assert places.heard[0] == ("go on", "agreement", "use")
    assert places.heard[-1] == ("end", "agreement", "use")


async def test_memory_without_a_licence_takes_no_place():
    world = World(TEXT)
    await world.generate(TEXT)
    assert not world.places.heard
