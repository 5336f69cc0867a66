"""kill -9 while packs are pulled: a pack vault that is searched holds the whole pack or nothing."""

from __future__ import annotations

import asyncio
import random
import sqlite3
from contextlib import closing, suppress

from memporium.client import MemporiumError
from support.crash_ledger import CutError, Ledger, storm
from support.crash_world import DESK, LIBRARY_CUBES, MARKS, NOTES, PACK, ROUNDS, SEED, cubes_of, search, text_of

pytestmark = MARKS
PULLERS = 2


class Puller:
    """Pulls the pack into one new vault after the other, each mounted."""

    def __init__(self, world, ledger: Ledger, number: int) -> None:
        self._agreement, self._ledger, self._number = world.agreements[PACK], ledger, number
        self._made = 0

    async def pull(self, client) -> None:
        self._made += 1
        vault = f"pack-{self._number}-{self._made}"
        await self._ledger.send(
            client,
            "transfer",
            "pull_bundle",
            note=f"{DESK}/vaults/{vault}",
            parent=DESK,
            agreement=self._agreement,
            vault_id=vault,
            mount_into=NOTES,
        )


async def test_pulls_survive(world):
    rng = random.Random(SEED + 2)
    ledger = Ledger(world.server)
    pullers = [Puller(world, ledger, number) for number in range(PULLERS)]
    for _ in range(ROUNDS):
        before = len(ledger.sent)
        async with world.clients() as (_, desk):
            await storm(world.server, rng, [lambda one=one: one.pull(desk) for one in pullers], longest_s=1.5)
        world.server.start()
        async with world.clients() as (_, desk):
            sent = ledger.sent[before:]
            for one in sent:
                await _whole_or_empty(world, desk, one)
            for one in sent:
                await _pulled_again(world, desk, one, rng)
            await world.audit_holds(DESK, desk, sent)


async def _whole_or_empty(world, desk, one) -> None:
    """Look into the vault of a pull before anything is repeated."""
    try:
        vault = (await desk.vault.get_vault(name=one.note)).vault
    except MemporiumError as error:
        assert error.reason == "NOT_FOUND"
        assert one.answer is None
        return
    there = {text_of(cube).split()[0] for cube in (await cubes_of(desk, one.note)).values()}
    assert vault.usage.cubes == len(there)
    assert there in (set(), set(world.words))
    assert one.answer is None or there
    some = world.words[:: LIBRARY_CUBES // 5]
    found = [bool(await search(desk, one.note, each)) for each in some]
    assert found == [bool(there)] * len(some)
    if one.answer is not None:
        assert one.answer.result.cube_count == LIBRARY_CUBES


async def _pulled_again(world, desk, one, rng) -> None:
    """The same request ends well, whatever the first one had done, and the pack is there once."""
    answer = (await one.again(desk)).result
    assert (answer.vault, answer.cube_count, answer.mount != "") == (one.note, LIBRARY_CUBES, True)
    if one.answer is not None:
        first = one.answer.result
        assert (answer.bundle, answer.version, answer.mount) == (first.bundle, first.version, first.mount)
        assert answer.already_imported
    cubes = await cubes_of(desk, one.note)
    assert sorted(text_of(cube).split()[0] for cube in cubes.values()) == sorted(world.words)
    assert all(cube.governance.licences for cube in cubes.values())
    vault = (await desk.vault.get_vault(name=one.note)).vault
    assert (vault.usage.cubes, vault.read_only) == (LIBRARY_CUBES, True)
    for each in rng.sample(world.words, 10):
        assert len(await search(desk, one.note, each)) == 1
    mounts = [mount for mount in (await desk.vault.list_mounts(parent=NOTES)).mounts if mount.vault == one.note]
    assert [mount.name for mount in mounts] == [answer.mount]


async def test_a_pull_that_was_cut_within_its_import_is_pulled_again(world):
    """The first of two batches lies hidden in the vault when the process dies."""
    ledger, rng = Ledger(world.server), random.Random(SEED)
    puller = Puller(world, ledger, 99)
    while not _cut_within(world.server):
        if not world.server.alive:
            world.server.start()
        async with world.clients() as (_, desk):
            await _pull_until_hidden(world.server, puller, desk)
    world.server.start()
    async with world.clients() as (_, desk):
        await _whole_or_empty(world, desk, ledger.sent[-1])
        await _pulled_again(world, desk, ledger.sent[-1], rng)
        assert not _hidden_cubes(world.server.folder)


def _cut_within(server) -> bool:
    """Whether the server has died in the midst of an import."""
    return not server.alive and 0 < _hidden_cubes(server.folder) < LIBRARY_CUBES


async def _pull_until_hidden(server, puller, client) -> None:
    """Pull, and kill the server once cubes of the import are hidden in the vault.

    A fast import may be missed, or be over between the look and the kill, where this process had to wait for its turn.
    """
    pull = asyncio.ensure_future(puller.pull(client))
    while not pull.done():
        if _hidden_cubes(server.folder):
            server.kill()
            break
        await asyncio.sleep(0.001)
    with suppress(CutError):
        await pull


def _hidden_cubes(folder) -> int:
    """Count the cubes of imports that are not over, in the vault's own file."""
    with closing(sqlite3.connect(f"file:{folder}/sql/vault.sqlite?mode=ro", uri=True)) as file:
        return file.execute("SELECT count(*) FROM cubes WHERE import_id != ''").fetchone()[0]
