"""kill -9 in the middle of a training: the job goes on from its checkpoint and ends with the adapter that it would have."""

from __future__ import annotations

import hashlib
import time
from dataclasses import replace

import pytest

from memporium.client import AsyncClient, Client
from memporium.cube.v1 import adapter_pb2, cube_pb2
from memporium.inference.v1 import convert_pb2
from memporium.scheduler.v1 import job_pb2
from memporium_services.inference.adapters.cubes import to_memory
from memporium_services.inference.adapters.generators.tiny_random import load_tiny_random
from memporium_services.inference.adapters.trainers.peft_lora import PeftTrainer
from memporium_services.inference.domain.admission import AdmissionLimits
from memporium_services.inference.domain.examples import examples_of
from memporium_services.inference.domain.lessons import lessons_of
from memporium_services.inference.domain.trainings import TrainingPlan
from support.crash_server import SETTINGS, killable_server

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
ACME, NOTES = "orgs/acme", "orgs/acme/vaults/notes"
FACTS = ("The home of Ada is Oslo.", "The dog of Marek is Rex.")
PLAN = TrainingPlan(rank=2, alpha=4.0, epochs=2, learning_rate=2**-6, limits=AdmissionLimits(0, 0, 1))


def options():
    limits = adapter_pb2.AdmissionLimits(min_recall=0, max_perplexity_ratio=0, max_leakage=1)
    return convert_pb2.TrainingOptions(
        rank=PLAN.rank, epochs=PLAN.epochs, learning_rate=PLAN.learning_rate, limits=limits
    )


async def uninterrupted(cubes, plan):
    """Return the digest of the adapter that a training which nobody kills makes of the cubes."""
    memories = [to_memory(cube) for cube in cubes]
    lessons = lessons_of(memories)
    trainer = PeftTrainer("tiny-random", load_tiny_random)
    work = trainer.train(examples_of(memories, lessons), plan, progress=lambda *_: None, lessons=lessons)
    digest = hashlib.sha256((await work).data).hexdigest()
    await trainer.close()
    return digest


async def test_a_killed_training_goes_on_from_its_checkpoint_with_the_same_result(tmp_path):
    # Its state is kept after each step, and the process dies after the fifth: `checkpoint_interval_s` is 30 elsewhere.
    settings = SETTINGS | {"MEMPORIUM_INFERENCE_CHECKPOINT_INTERVAL_S": "0", "MEMPORIUM_FAULT": "training.step.5"}
    with killable_server(tmp_path, settings) as server:
        with Client(server.address, api_key=server.operator_key) as operator:
            key = operator.governance.create_organisation(organisation_id="acme").owner_secret
        with Client(server.address, api_key=key) as client:
            client.vault.create_vault(parent=ACME, vault_id="notes")
            cubes = []
            for text in FACTS:
                cube = cube_pb2.Cube()
                cube.payload.plaintext.mem_cell.episode = text
                cube.payload.plaintext.mem_cell.facts.add(text=text)
                cubes.append(client.vault.create_cube(parent=NOTES, cube=cube).cube.name)
            training = job_pb2.TrainParameter(vault=NOTES, cubes=cubes, model="tiny-random", options=options())
            job = client.scheduler.create_job(parent=ACME, spec=job_pb2.JobSpec(train_parameter=training)).job
        deadline = time.monotonic() + 300
        while server.alive and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not server.alive
        assert list(tmp_path.glob("objects/**/inference/training/*")), "no state was kept"
        # Whoever begins anew dies again.
        server._settings["MEMPORIUM_FAULT"] = "training.step.3"
        server.start()
        async with AsyncClient(server.address, api_key=key) as client:
            async for response in client.scheduler.watch_job(name=job.name, timeout_s=120):
                job = response.job
            assert job.state == job_pb2.JOB_STATE_SUCCEEDED, f"{job.error_reason}: {job.error}"
            made = (await client.vault.get_cube(name=job.result["cube"])).cube
            read = [(await client.vault.get_cube(name=name)).cube for name in cubes]
        assert job.attempts == 2
        assert made.payload.parameter.report.questions == 4
        assert made.payload.parameter.blob.sha256 == await uninterrupted(read, PLAN)
        assert made.payload.parameter.blob.sha256 != await uninterrupted(read, replace(PLAN, seed=9))
        assert not list(tmp_path.glob("objects/**/inference/training/*"))
