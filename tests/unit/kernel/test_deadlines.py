"""The one timer of all calls without a deadline of their own."""

from __future__ import annotations

import asyncio
import time

import pytest

from memporium_platform.rpc.deadlines import Deadlines
from support.patience import patiences


async def _answer(seconds: float) -> str:
    await asyncio.sleep(seconds)
    return "done"


async def test_what_is_in_time_is_returned_and_leaves_nothing_behind() -> None:
    deadlines = Deadlines()
    assert await deadlines.within(60.0, _answer(0.001)) == "done"
    with pytest.raises(ValueError, match="of its own"):
        await deadlines.within(60.0, _fails())
    assert not deadlines._watched


async def _fails() -> None:
    raise ValueError("of its own")


async def test_each_call_gets_its_whole_time_and_no_more() -> None:
    deadlines = Deadlines()
    ends: list[float] = []

    async def late(time_s: float) -> None:
        with pytest.raises(TimeoutError):
            await deadlines.within(time_s, asyncio.Event().wait())
        ends.append(time.monotonic())

    for time_s in patiences(0.1):
        ends.clear()
        began = time.monotonic()
        first = asyncio.create_task(late(time_s))
        await asyncio.sleep(time_s / 2)
        second = asyncio.create_task(late(time_s))
        try:
            assert await deadlines.within(time_s, _answer(time_s * 0.7)) == "done"
        except TimeoutError:
            # A busy machine: a longer time for all of them.
            continue
        finally:
            await asyncio.gather(first, second)
        break
    assert time_s <= ends[0] - began < ends[1] - began
    assert ends[1] - began >= time_s * 1.5
    # The tasks themselves go on: they were told once, by the error.
    assert not first.cancelled()
    assert not second.cancelled()


async def test_a_client_that_cancels_is_not_told_of_time() -> None:
    deadlines = Deadlines()
    task = asyncio.create_task(deadlines.within(60.0, asyncio.Event().wait()))
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not deadlines._watched
