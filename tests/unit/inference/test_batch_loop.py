"""Requests that share a model: each gets the tokens that it gets alone, none holds the others up."""

from __future__ import annotations

import asyncio
import threading
from contextlib import aclosing

import pytest

from memporium_platform.errors import PlatformError, Reason
from memporium_services.inference.adapters.generators.batch_loop import Admit, BatchLoop, Decode
from memporium_services.inference.adapters.generators.outlet import Outlet
from memporium_services.inference.adapters.generators.tiny_random import load_tiny_random
from memporium_services.inference.adapters.generators.torch_engine import CausalEngine
from memporium_services.inference.adapters.generators.transformers_local import TransformersGenerator
from memporium_services.inference.domain.values import (
    BatchLimits,
    GenerationTask,
    KvBlob,
    PromptRead,
    Sampling,
    TextMemory,
    TextPiece,
)


class CountingModel:
    """Answers the token after the one it gets; notes who shared a step, with which adapters."""

    def __init__(self):
        self.steps = []
        self.adapters = []
        self.broken = False
        self.gate = threading.Event()
        self.gate.set()

    def step(self, tokens, caches, adapters):
        assert self.gate.wait(30)
        if self.broken:
            raise RuntimeError("out of memory")
        self.steps.append(list(caches))
        self.adapters.append(list(adapters))
        return [token + 1 for token in tokens]


@pytest.fixture
def model():
    return CountingModel()


@pytest.fixture
async def loop_of(model):
    made = []

    def make(**limits):
        made.append(BatchLoop("test", lambda: model, **{"max_rows": 4, "max_tokens": 1000, **limits}))
        return made[-1]

    yield make
    model.gate.set()
    for one in made:
        await asyncio.to_thread(one.close)


def counting(name, outlet, *, tokens=5, room=10, pieces=0, adapters=None):
    """Read so many pieces, then count from 0."""
    yield Admit(room)
    for _ in range(pieces):
        outlet.put("piece")
        yield None
    value = 0
    for _ in range(tokens):
        value = yield Decode(value, name, adapters)
        outlet.put(value)


def submit(batch, name, **options):
    outlet = Outlet(asyncio.get_running_loop())
    batch.submit(counting(name, outlet, **options), outlet)
    return outlet


async def rest(outlet):
    found = []
    while (item := await asyncio.wait_for(outlet.get(), 30)) is not None:
        found.append(item)
    return found


async def test_requests_share_steps_and_each_gets_its_own(loop_of, model):
    model.gate.clear()
    batch = loop_of()
    outlets = [submit(batch, name, tokens=5) for name in "abc"]
    model.gate.set()
    assert [await rest(outlet) for outlet in outlets] == [[1, 2, 3, 4, 5]] * 3
    assert max(len(step) for step in model.steps) == 3
    assert len(model.steps) < 15


async def test_who_comes_late_joins_and_a_long_prompt_holds_nobody_up(loop_of, model):
    model.gate.clear()
    batch = loop_of()
    submit(batch, "first", tokens=1)
    reader = submit(batch, "reader", pieces=30, tokens=1)
    writer = submit(batch, "writer", tokens=20)
    model.gate.set()
    assert await rest(writer) == list(range(1, 21))
    assert len(await rest(reader)) == 31
    # The writer was through before the reader wrote its only token.
    assert [step for step in model.steps if "reader" in step] == model.steps[-1:]


async def test_no_more_than_the_limits_run_at_once(loop_of, model):
    model.gate.clear()
    batch = loop_of(max_rows=2)
    outlets = [submit(batch, name, tokens=6) for name in "abcde"]
    model.gate.set()
    for outlet in outlets:
        await rest(outlet)
    assert max(len(step) for step in model.steps) == 2
    model.gate.clear()
    few = loop_of(max_tokens=25)
    outlets = [submit(few, name, tokens=6, room=10) for name in "fghi"] + [submit(few, "big", room=900)]
    model.gate.set()
    for outlet in outlets:
        await rest(outlet)
    together = [step for step in model.steps if set(step) & set("fghi")]
    assert max(len(step) for step in together) == 2
    assert {tuple(step) for step in model.steps if "big" in step} == {("big",)}


async def test_each_row_of_a_step_has_its_own_adapters(loop_of, model):
    model.gate.clear()
    batch = loop_of()
    outlets = [submit(batch, name, tokens=3, adapters=name.upper()) for name in "abc"]
    model.gate.set()
    for outlet in outlets:
        assert await rest(outlet) == [1, 2, 3]
    assert max(len(step) for step in model.steps) == 3
    for step, adapters in zip(model.steps, model.adapters, strict=True):
        assert [name.upper() for name in step] == adapters


async def test_a_request_that_cannot_go_on_ends_alone(loop_of):
    batch = loop_of()

    def unfit():
        yield Admit(1)
        raise PlatformError(Reason.MODEL_MISMATCH, "does not fit")

    outlet = Outlet(asyncio.get_running_loop())
    batch.submit(unfit(), outlet)
    fine = submit(batch, "b", tokens=2)
    with pytest.raises(PlatformError) as caught:
        await rest(outlet)
    assert caught.value.reason is Reason.MODEL_MISMATCH
    assert await rest(fine) == [1, 2]


async def test_a_slow_reader_is_held_and_the_others_go_on(loop_of):
    batch = loop_of()
    slow = submit(batch, "slow", tokens=500)
    quick = submit(batch, "quick", tokens=300)
    assert len(await rest(quick)) == 300
    await asyncio.sleep(0.05)
    assert not slow.has_room
    assert slow._queue.qsize() < 70
    assert await rest(slow) == list(range(1, 501))


async def test_a_reader_that_goes_frees_its_place(loop_of):
    batch = loop_of(max_rows=1)
    gone = submit(batch, "gone", tokens=10_000_000)
    waiting = submit(batch, "waiting", tokens=2)
    assert await gone.get() == 1
    await asyncio.wait_for(gone.cancel(), 30)
    assert await rest(waiting) == [1, 2]


async def test_who_leaves_while_waiting_never_runs(loop_of, model):
    model.gate.clear()
    batch = loop_of(max_rows=1)
    first, leaves = submit(batch, "first", tokens=3), submit(batch, "leaves", tokens=3)
    await asyncio.sleep(0.05)
    leaving = asyncio.create_task(leaves.cancel())
    await asyncio.sleep(0)
    model.gate.set()
    await asyncio.wait_for(leaving, 30)
    assert await rest(first) == [1, 2, 3]
    assert all(step == ["first"] for step in model.steps)


async def test_a_broken_step_ends_its_rows_and_the_loop_goes_on(loop_of, model):
    batch = loop_of()
    model.broken = True
    with pytest.raises(RuntimeError, match="memory"):
        await rest(submit(batch, "a"))
    model.broken = False
    assert await rest(submit(batch, "b", tokens=2)) == [1, 2]


async def test_closing_ends_what_runs_and_refuses_what_comes(loop_of):
    batch = loop_of()
    running = submit(batch, "a", tokens=10_000_000)
    assert await running.get() == 1
    await asyncio.to_thread(batch.close)
    with pytest.raises(PlatformError) as caught:
        await rest(running)
    assert caught.value.reason is Reason.MODEL_UNAVAILABLE
    with pytest.raises(PlatformError):
        submit(batch, "b")


async def texts(generator, task):
    async with aclosing(generator.generate(task)) as events:
        found = [event async for event in events]
    assert isinstance(found[0], PromptRead)
    return [token for event in found if isinstance(event, TextPiece) for token in event.token_ids]


async def test_many_tenants_with_their_own_memory_get_the_tokens_that_they_get_alone(monkeypatch):
    generator = TransformersGenerator("tiny-random", load_tiny_random, limits=BatchLimits(6))
    tasks = []
    for index in range(9):
        memory = TextMemory(f"The sky over planet {index} is of colour {index * 37 % 11}. " * (1 + index % 4))
        task = GenerationTask(Sampling(20 + index, seed=index, temperature=0.7 * (index % 2)), prompt=f"Sky {index}?")
        if index % 3:
            built = await generator.build_kv([memory], progress=lambda _done, _total: None)
            kv = KvBlob(bytearray(built.data), built.token_ids_sha256, built.token_count)
            task = GenerationTask(task.sampling, prompt=task.prompt, kvs=(kv,))
        tasks.append(task)
    alone = [await texts(generator, task) for task in tasks]
    engine = generator._engine
    widths = []
    step = CausalEngine.step
    # The first step waits for all to have come.
    come, submit_job = threading.Semaphore(0), BatchLoop.submit

    def submitted(*job):
        submit_job(*job)
        come.release()

    def stepped(tokens, *rest):
        if not widths:
            assert all(come.acquire(timeout=30) for _ in tasks)
        widths.append(len(tokens))
        return step(engine, tokens, *rest)

    monkeypatch.setattr(BatchLoop, "submit", submitted)
    engine.step = stepped
    together = await asyncio.gather(*(texts(generator, task) for task in tasks))
    await generator.close()
    assert engine.batches
    assert together == alone
    assert len({tuple(tokens) for tokens in alone}) > 5
    assert max(widths) == 6
