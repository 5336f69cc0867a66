"""Training as a job: its options reach the trainer, its progress is told, and a cancelled one stops training."""

from __future__ import annotations

import asyncio

from memporium.cube.v1 import adapter_pb2, cube_pb2
from memporium.inference.v1 import convert_pb2
from memporium.scheduler.v1 import job_pb2, scheduler_service_pb2
from memporium.scheduler.v1.scheduler_service_pb2_grpc import SchedulerServiceStub
from memporium.vault.v1 import vault_pb2, vault_service_pb2
from memporium.vault.v1.vault_service_pb2_grpc import VaultServiceStub
from support.platform import running_platform

NOTES = "orgs/acme/vaults/notes"
ANY = adapter_pb2.AdmissionLimits(min_recall=0, max_perplexity_ratio=0, max_leakage=1)


def training(cubes, **options):
    given = convert_pb2.TrainingOptions(limits=ANY, rank=2, **options)
    spec = job_pb2.TrainParameter(
        vault=NOTES, cubes=cubes, model="tiny-random", options=given, title="Learned", tags=["by-job"]
    )
    return scheduler_service_pb2.CreateJobRequest(parent="orgs/acme", spec=job_pb2.JobSpec(train_parameter=spec))


async def test_a_training_job_is_told_of_cancelled_and_made(tmp_path):
    async with running_platform(("vault", "inference", "scheduler"), data_dir=tmp_path) as platform:
        acme = await platform.organisation("acme")
        channel = platform.channel(acme.owner_key)
        vault, jobs = VaultServiceStub(channel), SchedulerServiceStub(channel)
        await vault.CreateVault(
            vault_service_pb2.CreateVaultRequest(
                parent="orgs/acme", vault_id="notes", vault=vault_pb2.Vault(embedding_model="hashing-384")
            )
        )
        cube = cube_pb2.Cube()
        cube.payload.plaintext.mem_cell.facts.add(text="The home of Ada is Oslo.")
        made = await vault.CreateCube(vault_service_pb2.CreateCubeRequest(parent=NOTES, cube=cube))
        endless = (await jobs.CreateJob(training([made.cube.name], epochs=50, learning_rate=1e-6))).job
        seen = []
        async for response in jobs.WatchJob(scheduler_service_pb2.WatchJobRequest(name=endless.name)):
            seen.append(response.job)
            if response.job.progress.message == "computing" and response.job.progress.completed > 2:
                await jobs.CancelJob(scheduler_service_pb2.CancelJobRequest(name=endless.name))
        assert seen[-1].state == job_pb2.JOB_STATE_CANCELLED
        assert 2 < seen[-1].progress.completed < seen[-1].progress.total
        # The one trainer is free again: another job ends.
        job = (await jobs.CreateJob(training([made.cube.name], epochs=1))).job
        async with asyncio.timeout(60):
            async for response in jobs.WatchJob(scheduler_service_pb2.WatchJobRequest(name=job.name)):
                job = response.job
        assert job.state == job_pb2.JOB_STATE_SUCCEEDED, job.error
        stored = (await vault.GetCube(vault_service_pb2.GetCubeRequest(name=job.result["cube"]))).cube
        assert (stored.descriptive.title, list(stored.descriptive.tags)) == ("Learned", ["by-job"])
        assert stored.payload.parameter.rank == 2
        assert stored.payload.parameter.report.limits == ANY
        listed = await vault.ListCubes(vault_service_pb2.ListCubesRequest(parent=NOTES))
        assert len(listed.cubes) == 2
