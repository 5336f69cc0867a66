import asyncio

import pytest

from memporium_services.governance.app import watch as module
from memporium_services.governance.app.watch import CHUNK_ROWS, Part, parts, watch


def test_even_no_row_makes_a_message():
    assert parts([], 5, full=True) == [Part(reset=True, rows=[], epoch=5, complete=True)]


@pytest.mark.parametrize("count", [1, CHUNK_ROWS, CHUNK_ROWS + 1, 3 * CHUNK_ROWS])
def test_only_the_first_part_resets_and_only_the_last_completes(count):
    rows = [(str(number), b"x") for number in range(count)]
    found = parts(rows, 5, full=True)
    assert [row for part in found for row in part.rows] == rows
    assert [part.reset for part in found] == [True, *[False] * (len(found) - 1)]
    assert [part.complete for part in found] == [*[False] * (len(found) - 1), True]


class Directory:
    def __init__(self):
        self.epoch, self.rows, self.event = 1, [], asyncio.Event()

    def next_change(self):
        return self.event

    async def entries_since(self, epoch):
        full = epoch == 0
        return self.epoch, full, [("all", b"x")] if full else [row for since, row in self.rows if since > epoch]

    def change(self, row):
        self.epoch += 1
        self.rows.append((self.epoch, row))
        event, self.event = self.event, asyncio.Event()
        event.set()


async def test_a_change_is_sent_at_once_and_silence_gives_signs_of_life(monkeypatch):
    monkeypatch.setattr(module, "POLL_S", 0.01)
    monkeypatch.setattr(module, "HEARTBEAT_S", 0.03)
    directory = Directory()
    stream = watch(directory, 0)
    assert await anext(stream) == Part(reset=True, rows=[("all", b"x")], epoch=1, complete=True)
    waiting = asyncio.ensure_future(anext(stream))
    await asyncio.sleep(0)
    directory.change(("key", b"y"))
    assert await waiting == Part(reset=False, rows=[("key", b"y")], epoch=2, complete=True)
    assert await anext(stream) == Part(reset=False, rows=[], epoch=2, complete=True)
    await stream.aclose()


async def test_who_has_the_newest_state_gets_a_sign_of_life_first():
    stream = watch(Directory(), 1)
    assert await anext(stream) == Part(reset=False, rows=[], epoch=1, complete=True)
    await stream.aclose()
