"""kill -9 while four writers make, change and forget cubes: what was acknowledged is there, whole and found."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import pytest

from memporium.client import MemporiumError
from memporium.vault.v1 import cubes_pb2
from support.crash_ledger import Ledger, storm
from support.crash_world import DESK, MARKS, NOTES, ROUNDS, SEED, cubes_of, document, search, text_of, word

pytestmark = MARKS
WRITERS, BATCH = 4, 5


@dataclass
class Writer:
    """One writer and what it knows to be in the vault: the word of each of its cubes, by name."""

    rng: random.Random
    ledger: Ledger
    known: dict[str, str] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)

    async def write(self, client) -> None:
        """Send one mutation; `note` of it: the words that it brings, and those that it takes away."""
        what = self.rng.random()
        if what < 0.4 or len(self.known) < BATCH:
            new = word(self.rng)
            answer = await self._send(client, "create_cube", (new,), (), cube=document(_text(new)))
            self.known[answer.cube.name] = new
        elif what < 0.6:
            new = tuple(word(self.rng) for _ in range(BATCH))
            cubes = [cubes_pb2.NewCube(cube=document(_text(one))) for one in new]
            answer = await self._send(client, "batch_create_cubes", new, (), cubes=cubes)
            self.known |= {made.cube.name: one for made, one in zip(answer.cubes, new, strict=True)}
        elif what < 0.8:
            name, new = self.rng.choice(sorted(self.known)), word(self.rng)
            cube = document(_text(new))
            cube.name = name
            await self._send(client, "update_cube", (new,), (self.known[name],), cube=cube, parent=None)
            self.gone.add(self.known[name])
            self.known[name] = new
        else:
            names = self.rng.sample(sorted(self.known), 2)
            old = tuple(self.known[name] for name in names)
            await self._send(client, "forget_cubes", (), old, names=names)
            for name in names:
                self.gone.add(self.known.pop(name))

    async def _send(self, client, method, new, old, *, parent=NOTES, **fields):
        place = {"parent": parent} if parent else {}
        return await self.ledger.send(client, "vault", method, note=(new, old), **place, **fields)


def _text(unique: str) -> str:
    return f"a note about {unique} that someone wrote down"


def _word_in(text: str) -> str:
    return next(one for one in text.split() if one.startswith("w"))


async def test_writes_survive(world):
    rng = random.Random(SEED)
    writers = [Writer(random.Random(rng.random()), Ledger(world.server)) for _ in range(WRITERS)]
    for _ in range(ROUNDS):
        starts = [len(writer.ledger.sent) for writer in writers]
        async with world.clients() as (_, desk):
            await storm(world.server, rng, [lambda one=one: one.write(desk) for one in writers], longest_s=1.2)
        world.server.start()
        sent = [one for writer, start in zip(writers, starts, strict=True) for one in writer.ledger.sent[start:]]
        async with world.clients() as (_, desk):
            await _nothing_is_lost(desk, writers, [one for one in sent if one.answer is None])
            await _again(desk, writers, sent)
            await _all_is_found(desk, writers, rng)
            await world.audit_holds(DESK, desk, sent)


async def _nothing_is_lost(client, writers, cut) -> None:
    """What is there is what was acknowledged, and of what was cut all or nothing."""
    words = [_word_in(text_of(cube)) for cube in (await cubes_of(client, NOTES)).values()]
    assert len(words) == len(set(words))
    there, doubtful = set(words), set()
    for one in cut:
        new, old = map(set, one.note)
        happened = (new <= there) if new else not (old & there)
        assert happened or not (new & there), f"{one.method} is half done"
        assert not old & there if happened else old <= there, f"{one.method} is half done"
        doubtful |= new | old
    known = {one for writer in writers for one in writer.known.values()}
    assert there - doubtful == known - doubtful
    for one in sorted(there & doubtful):
        assert await search(client, NOTES, one), "a cube is there that no search finds"


async def _again(client, writers, sent) -> None:
    """The same request gets the same answer, and does nothing twice."""
    for writer in writers:
        for one in writer.ledger.cut:
            one.answer = await one.again(client)
            _learn(writer, one)
    alive = {name for writer in writers for name in writer.known}
    for one in sent:
        await _same_answer(client, one, one.answer, alive)


def _learn(writer, one) -> None:
    """Take in what a call that was cut has done after all."""
    new, old = one.note
    match one.method:
        case "create_cube":
            writer.known[one.answer.cube.name] = new[0]
        case "batch_create_cubes":
            writer.known |= {made.cube.name: each for made, each in zip(one.answer.cubes, new, strict=True)}
        case "update_cube":
            writer.known[one.request.cube.name] = new[0]
        case "forget_cubes":
            for name in one.request.names:
                writer.known.pop(name, None)
    writer.gone |= set(old)


async def _same_answer(client, one, first, alive) -> None:
    if one.method == "forget_cubes":
        assert (await one.again(client)).receipt == first.receipt
        assert (await client.vault.get_receipt(name=first.receipt.name)).receipt == first.receipt
        return
    cubes = [made.cube for made in first.cubes] if one.method == "batch_create_cubes" else [first.cube]
    if not {cube.name for cube in cubes} <= alive:
        # What has been forgotten since is not told again.
        with pytest.raises(MemporiumError) as caught:
            await one.again(client)
        assert caught.value.reason == "NOT_FOUND"
        return
    second = await one.again(client)
    again = [made.cube for made in second.cubes] if one.method == "batch_create_cubes" else [second.cube]
    assert [cube.name for cube in again] == [cube.name for cube in cubes]


async def _all_is_found(client, writers, rng) -> None:
    known = {name: one for writer in writers for name, one in writer.known.items()}
    there = await cubes_of(client, NOTES)
    assert {name: _word_in(text_of(cube)) for name, cube in there.items()} == known
    for name, one in rng.sample(sorted(known.items()), min(60, len(known))):
        assert [hit.cube.name for hit in await search(client, NOTES, one)] == [name]
        # Two words may share a feature of the hashing model: what means the same has the same score.
        nearest = await search(client, NOTES, _text(one), "SEMANTIC", limit=50)
        assert name in {hit.cube.name for hit in nearest if hit.score > nearest[0].score - 1e-6}
    gone = sorted(one for writer in writers for one in writer.gone)
    for one in rng.sample(gone, min(30, len(gone))):
        assert not await search(client, NOTES, one)
