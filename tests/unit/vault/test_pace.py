"""Work that takes but its share of the time."""

from __future__ import annotations

import pytest

from memporium_services.vault.app.pace import Pace


class _Time:
    """A clock that goes on by itself only while somebody sleeps."""

    def __init__(self) -> None:
        self.now, self.slept = 100.0, 0.0

    def read(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.slept += seconds


@pytest.mark.parametrize("share", [0.1, 0.25, 0.5, 0.9])
async def test_works_its_share_of_the_time(share: float) -> None:
    time = _Time()
    pace = Pace(share, now=time.read, sleep=time.sleep)
    for worked in (0.001, 0.02, 0.1, 0.004):
        time.now += worked
        await pace.rest()
    assert 0.125 / (time.now - 100.0) == pytest.approx(share)


async def test_rests_are_not_taken_for_work() -> None:
    time = _Time()
    pace = Pace(0.5, now=time.read, sleep=time.sleep)
    time.now += 0.1
    for _ in range(3):
        await pace.rest()
    assert time.slept == pytest.approx(0.1)


async def test_never_rests_where_it_may_work_all_the_time() -> None:
    time = _Time()
    pace = Pace(1.0, now=time.read, sleep=time.sleep)
    time.now += 5
    await pace.rest()
    assert time.slept == 0


async def test_a_long_piece_is_followed_by_a_short_rest() -> None:
    time = _Time()
    pace = Pace(0.01, now=time.read, sleep=time.sleep)
    time.now += 60
    await pace.rest()
    assert time.slept == 1
