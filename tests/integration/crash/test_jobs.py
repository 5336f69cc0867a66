"""kill -9 while jobs are made and run: each acknowledged job ends, once, whatever was under way."""

from __future__ import annotations

import random
from itertools import permutations

from memporium.cube.v1 import cube_pb2
from memporium.scheduler.v1 import job_pb2
from memporium.vault.v1 import cubes_pb2
from support.crash_ledger import Ledger, storm
from support.crash_world import MARKS, PRESS, ROUNDS, SEED, SHELF, cubes_of, search, text_of

pytestmark = MARKS
# Jobs that are made before the last of them is waited for: some run, some wait, when the server dies.
_AHEAD = 4
JOBS = f"{PRESS}/vaults/jobs"


async def test_jobs_survive(world):
    rng = random.Random(SEED + 3)
    ledger = Ledger(world.server)
    async with world.clients() as (press, _):
        # Other tests of the same server make jobs, too.
        earlier = await _jobs(press)
        await press.vault.create_vault(parent=PRESS, vault_id="jobs")
        texts = sorted((await cubes_of(press, SHELF)).items())[:12]
        cubes = [cubes_pb2.NewCube(cube=_copy(cube)) for _, cube in texts]
        made = await press.vault.batch_create_cubes(parent=JOBS, cubes=cubes)
    # In any order once: the same memories in the same order would become the same KV memory. More than any machine needs.
    orders = list(permutations([one.cube.name for one in made.cubes], 3))
    rng.shuffle(orders)
    for _ in range(ROUNDS):
        before = len(ledger.sent)
        async with world.clients() as (press, _):
            await storm(world.server, rng, [lambda: _make(ledger, press, rng, orders)] * 2, longest_s=1.5)
        world.server.start()
        async with world.clients() as (press, _):
            sent = ledger.sent[before:]
            for one in sent:
                first, one.answer = one.answer, await one.again(press)
                assert first is None or first.job.name == one.answer.job.name
            for one in sent:
                await _ends(press, one)
            await _nothing_twice(press, ledger, earlier)
            await world.audit_holds(PRESS, press, sent)


def _copy(cube) -> cube_pb2.Cube:
    copied = cube_pb2.Cube()
    copied.payload.CopyFrom(cube.payload)
    return copied


async def _make(ledger, client, rng, orders) -> None:
    """Make a job that builds KV memory, or one that backs the vault up."""
    if rng.random() < 0.7:
        build = job_pb2.BuildActivation(vault=JOBS, cubes=orders.pop(), model="tiny-random")
        spec = job_pb2.JobSpec(build_activation=build)
    else:
        spec = job_pb2.JobSpec(dump_vault=job_pb2.DumpVault(vault=JOBS))
    made = await ledger.send(client, "scheduler", "create_job", parent=PRESS, spec=spec)
    if len(ledger.sent) % _AHEAD == 0:
        await ledger.uncut(_drained(client.scheduler.watch_job(name=made.job.name)))


async def _drained(stream) -> None:
    async for _ in stream:
        pass


async def _ends(client, one) -> None:
    job = None
    async for response in client.scheduler.watch_job(name=one.answer.job.name, timeout_s=60):
        job = response.job
    assert job.state == job_pb2.JOB_STATE_SUCCEEDED, f"{job.error_reason}: {job.error}"
    one.note = dict(job.result)


async def _jobs(client) -> set[str]:
    listed, token = set(), ""
    while True:
        page = await client.scheduler.list_jobs(parent=PRESS, page_size=1000, page_token=token)
        listed |= {job.name for job in page.jobs}
        token = page.next_page_token
        if not token:
            return listed


async def _nothing_twice(client, ledger, earlier) -> None:
    """Each job has made one thing, which is there."""
    assert await _jobs(client) - earlier == {one.answer.job.name for one in ledger.sent}
    cubes = await cubes_of(client, JOBS)
    activations = {name for name, cube in cubes.items() if cube.payload.HasField("activation")}
    built = [one.note["cube"] for one in ledger.sent if "cube" in one.note]
    assert sorted(activations) == sorted(built)
    for name in built[-5:]:
        assert cubes[name].payload.activation.token_count > 0
    bundles, token = [], ""
    while True:
        page = await client.transfer.list_bundles(parent=PRESS, line=JOBS, page_size=1000, page_token=token)
        bundles += page.bundles
        token = page.next_page_token
        if not token:
            break
    dumped = [one.note["bundle"] for one in ledger.sent if "bundle" in one.note]
    assert sorted(one.name for one in bundles) == sorted(dumped)
    text = next(text_of(cube) for cube in cubes.values() if not cube.payload.HasField("activation"))
    assert await search(client, JOBS, text.split()[0])
