"""kill -9 around the moment at which memory that was made is stored: its job ends with one memory, in its right state."""

from __future__ import annotations

import asyncio
import time

import pytest

from memporium.client import AsyncClient, Client
from memporium.cube.v1 import adapter_pb2, cube_pb2
from memporium.inference.v1 import convert_pb2
from memporium.scheduler.v1 import job_pb2
from memporium.vault.v1 import cubes_pb2
from support.crash_server import SETTINGS, killable_server

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
ACME, NOTES = "orgs/acme", "orgs/acme/vaults/notes"
FACTS = ("The home of Ada is Oslo.", "The dog of Marek is Rex.")
ANY = adapter_pb2.AdmissionLimits(min_recall=0, max_perplexity_ratio=0, max_leakage=1)
LORA = cubes_pb2.CubeFilter(forms=[cube_pb2.MEMORY_FORM_PARAMETER])
EVERYTHING = cubes_pb2.CubeFilter(
    forms=[cube_pb2.MEMORY_FORM_PARAMETER],
    states=[cube_pb2.CUBE_STATE_GENERATED, cube_pb2.CUBE_STATE_ACTIVATED, cube_pb2.CUBE_STATE_EXPIRED],
)


def dies(server) -> None:
    deadline = time.monotonic() + 300
    while server.alive and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not server.alive


async def ended(client, job):
    async for response in client.scheduler.watch_job(name=job.name, timeout_s=120):
        job = response.job
    assert job.state == job_pb2.JOB_STATE_SUCCEEDED, f"{job.error_reason}: {job.error}"
    return job


async def planned(client, asked, texts):
    """Wait until the uses of the texts are written, which happens every few seconds: before that, some would stay."""
    async with asyncio.timeout(120):
        while True:
            found = await client.scheduler.plan_conversions(parent=asked.vault, rules=asked.rules)
            if [sorted(one.cubes) for one in found.proposals] == [texts]:
                return
            await asyncio.sleep(0.1)


async def test_a_killed_merge_is_made_once_and_a_refused_adapter_was_never_in_use(tmp_path):
    # Two adapters are trained; the server dies when the third memory, the merged one, has just been stored.
    with killable_server(tmp_path, SETTINGS | {"MEMPORIUM_FAULT": "making.stored.3"}) as server:
        with Client(server.address, api_key=server.operator_key) as operator:
            key = operator.governance.create_organisation(organisation_id="acme").owner_secret
        with Client(server.address, api_key=key) as client:
            client.vault.create_vault(parent=ACME, vault_id="notes")
            texts, adapters = [], []
            for text in FACTS:
                cube = cube_pb2.Cube(descriptive=cube_pb2.Descriptive(semantic_type=cube_pb2.SEMANTIC_TYPE_PREFERENCE))
                cube.payload.plaintext.mem_cell.facts.add(text=text)
                texts.append(client.vault.create_cube(parent=NOTES, cube=cube).cube.name)
                options = convert_pb2.TrainingOptions(rank=2, epochs=1, limits=ANY)
                training = client.inference.train_parameter(
                    parent=NOTES, cubes=texts[-1:], model="tiny-random", options=options
                )
                adapters.append(list(training)[-1].result.cube.name)
            spec = job_pb2.MergeParameters(vault=NOTES, cubes=adapters, model="tiny-random", limits=ANY)
            job = client.scheduler.create_job(parent=ACME, spec=job_pb2.JobSpec(merge_parameters=spec)).job
        dies(server)
        # The next memory that is stored is the adapter of a conversion, which knows nothing and is not admitted.
        server._settings["MEMPORIUM_FAULT"] = "making.stored.1"
        server.start()
        async with AsyncClient(server.address, api_key=key) as client:
            job = await ended(client, job)
            assert job.attempts == 2
            held = [cube.name for cube in (await client.vault.list_cubes(parent=NOTES, filter=LORA)).cubes]
            assert sorted(held) == sorted([*adapters, job.result["cube"]])
            # In one call: with an adapter goes what was merged from it.
            await client.vault.forget_cubes(parent=NOTES, names=held)
            for name in [*texts, *texts]:
                await client.vault.get_cube(name=name)
            asked = job_pb2.ConvertMemories(vault=NOTES)
            asked.rules.stable_after.SetInParent()
            asked.rules.frequent_heat = 1000
            asked.rules.model = "tiny-random"
            await planned(client, asked, sorted(texts))
            job = (await client.scheduler.create_job(parent=ACME, spec=job_pb2.JobSpec(convert_memories=asked))).job
        dies(server)
        server._settings["MEMPORIUM_FAULT"] = ""
        server.start()
        async with AsyncClient(server.address, api_key=key) as client:
            await ended(client, job)
            assert not (await client.vault.list_cubes(parent=NOTES, filter=LORA)).cubes
            [refused] = (await client.vault.list_cubes(parent=NOTES, filter=EVERYTHING)).cubes
            assert refused.governance.state == cube_pb2.CUBE_STATE_EXPIRED
            # It was so in its first version: there was no moment in which it was in use.
            assert [one.version for one in (await client.vault.list_cube_versions(name=refused.name)).versions] == [1]
