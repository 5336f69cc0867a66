"""What start-up made is put aside, and the collector looks less often."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

import pytest

from memporium_services import collector

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    thresholds = gc.get_threshold()
    yield
    gc.set_threshold(*thresholds)
    gc.unfreeze()


def test_a_pass_does_not_look_at_what_start_up_made() -> None:
    kept = [[number] for number in range(1000)]
    collector.settle()
    assert gc.get_freeze_count() > len(kept)
    assert not any(one is kept for one in gc.get_objects())


def test_cycles_of_later_are_still_found() -> None:
    collector.settle()
    before = gc.get_stats()[0]["collections"]
    held = [[] for _ in range(2 * collector.YOUNGEST)]
    assert gc.get_stats()[0]["collections"] > before
    assert len(held) == 2 * collector.YOUNGEST
    assert gc.get_threshold()[1:] != (0, 0)
