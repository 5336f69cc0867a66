"""kill -9 while memory moves from text to KV and back: each is moved once, and nothing is left between two forms."""

from __future__ import annotations

import asyncio
import random
import uuid

import grpc
from google.protobuf.duration_pb2 import Duration

from memporium.cube.v1 import cube_pb2
from memporium.scheduler.v1 import conversion_pb2, job_pb2
from memporium.vault.v1 import cubes_pb2
from support.crash_world import MARKS, PRESS, ROUNDS, SEED, cubes_of, document

pytestmark = MARKS
MOVES = f"{PRESS}/vaults/moves"
RULES = conversion_pb2.ConversionRules(
    # What one round has undone rests in the next.
    frequent_heat=1.5,
    stable_after=Duration(),
    dwell=Duration(seconds=3600),
    model="tiny-random",
    no_training=True,
)
_TEXTS = 4
# The model is read anew after each kill; more rounds by MEMPORIUM_CRASH_ROUNDS.
_ROUNDS = max(1, ROUNDS // 3)


async def test_conversions_survive(world):
    rng = random.Random(SEED + 9)
    async with world.clients() as (press, _):
        await press.vault.create_vault(parent=PRESS, vault_id="moves")
    for number in range(_ROUNDS):
        async with world.clients() as (press, _):
            texts = await _frequent(press, number)
        asked = {"request_id": str(uuid.uuid4())}
        await _killed(world, asked, rng.uniform(0.05, 4.0))
        await _killed(world, asked, rng.uniform(0.05, 4.0))
        async with world.clients() as (press, _):
            job = await _ended(press, (await _begin(press, asked)).name)
            assert job.state == job_pb2.JOB_STATE_SUCCEEDED, f"{job.error_reason}: {job.error}"
            living, expired = await _activations(press)
            # Each text has one KV memory, whichever attempt made it; none was made twice.
            assert sorted(cube.behavioural.lineage.parents[0] for cube in living) == sorted(texts)
            assert all(cube.payload.activation.token_count > 0 for cube in living)
            assert all(job.name in cube.behavioural.lineage.reason for cube in living)
            assert len(living) + len(expired) == _TEXTS * (number + 1)
            for cube in living:
                undone = await press.scheduler.undo_conversion(name=cube.name, reason="the round is over")
                assert list(undone.cubes) == list(cube.behavioural.lineage.parents)


async def _frequent(press, number):
    """Make texts, and read them until they are frequent."""
    cubes = [
        cubes_pb2.NewCube(cube=document(f"In round {number} the text {index} says so.")) for index in range(_TEXTS)
    ]
    made = await press.vault.batch_create_cubes(parent=MOVES, cubes=cubes)
    names = [one.cube.name for one in made.cubes]
    for _ in range(3):
        await press.vault.batch_get_cubes(parent=MOVES, names=names)
    async with asyncio.timeout(120):
        while True:
            request = await press.vault.list_cubes(parent=MOVES, view=cubes_pb2.CUBE_VIEW_BASIC, page_size=1000)
            heats = {cube.name: cube.behavioural.heat for cube in request.cubes}
            if all(heats[name] > 1.5 for name in names):
                return names
            await asyncio.sleep(0.1)


async def _begin(press, asked):
    spec = job_pb2.JobSpec(convert_memories=job_pb2.ConvertMemories(vault=MOVES, rules=RULES))
    return (await press.scheduler.create_job(parent=PRESS, spec=spec, **asked)).job


async def _killed(world, asked, after_s):
    """Begin the job, or find it, and kill the server after a while."""
    async with world.clients() as (press, _):
        job = await _begin(press, asked)
        try:
            async with asyncio.timeout(after_s):
                await _ended(press, job.name)
        except (TimeoutError, grpc.aio.AioRpcError):
            pass
        world.server.kill()
    world.server.start()


async def _ended(press, name):
    job = None
    async for response in press.scheduler.watch_job(name=name, timeout_s=60):
        job = response.job
    return job


async def _activations(press):
    """Return the KV memories that live, and those that have expired."""
    states = [cube_pb2.CUBE_STATE_GENERATED, cube_pb2.CUBE_STATE_ACTIVATED]
    forms = {"forms": [cube_pb2.MEMORY_FORM_ACTIVATION]}
    living = await cubes_of(press, MOVES, filter=cubes_pb2.CubeFilter(states=states, **forms))
    # What has expired is not read, only listed.
    gone = await press.vault.list_cubes(
        parent=MOVES,
        page_size=1000,
        view=cubes_pb2.CUBE_VIEW_BASIC,
        filter=cubes_pb2.CubeFilter(states=[cube_pb2.CUBE_STATE_EXPIRED], **forms),
    )
    return list(living.values()), list(gone.cubes)
