"""The one timer of all calls without a deadline of their own."""

from __future__ import annotations

import asyncio
import time

import pytest

from memporium_platform.rpc.deadlines import Deadlines


async def _answer(seconds: float) -> str:
    await asyncio.sleep(seconds)
    return "done"


async def test_what_is_in_time_is_returned_and_leaves_nothing_behind() -> None:
    deadlines = Deadlines()
    assert await deadlines.within(5.0, _answer(0.001)) == "done"
    with pytest.raises(ValueError, match="of its own"):
        await deadlines.within(5.0, _fails())
    assert not deadlines._watched


async def _fails() -> None:
    raise ValueError("of its own")


async def test_each_call_gets_its_whole_time_and_no_more() -> None:
    deadlines = Deadlines()
    ends: list[float] = []

    async def late() -> None:
        with pytest.raises(TimeoutError):
            await deadlines.within(0.1, _answer(30))
        ends.append(time.monotonic())

    began = time.monotonic()
    first = asyncio.create_task(late())
    await asyncio.sleep(0.05)
    second = asyncio.create_task(late())
    assert await deadlines.within(0.1, _answer(0.07)) == "done"
    await asyncio.gather(first, second)
    assert 0.1 <= ends[0] - began < ends[1] - began
    assert 0.15 <= ends[1] - began < 5
    # The tasks themselves go on: they were told once, by the error.
    assert not first.cancelled()
    assert not second.cancelled()


async def test_a_client_that_cancels_is_not_told_of_time() -> None:
    deadlines = Deadlines()
    task = asyncio.create_task(deadlines.within(5.0, _answer(30)))
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not deadlines._watched
