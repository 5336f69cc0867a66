"""Training as a job: its options reach the trainer, its progress is told, and a cancelled one stops training."""

from __future__ import annotations

import asyncio
import json

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


async def notes(platform, *texts):
    """Return the vault's and the scheduler's stubs, and a cube for each text."""
    acme = await platform.organisation("acme")
    channel = platform.channel(acme.owner_key)
    vault, jobs = VaultServiceStub(channel), SchedulerServiceStub(channel)
    settings = vault_pb2.Vault(embedding_model="hashing-384")
    await vault.CreateVault(vault_service_pb2.CreateVaultRequest(parent="orgs/acme", vault_id="notes", vault=settings))
    cubes = []
    for text in texts:
        cube = cube_pb2.Cube()
        cube.payload.plaintext.mem_cell.facts.add(text=text)
        made = await vault.CreateCube(vault_service_pb2.CreateCubeRequest(parent=NOTES, cube=cube))
        cubes.append(made.cube.name)
    return vault, jobs, cubes


def kept(folder):
    """Return what lies of trainings in the object store."""
    return [path for path in folder.glob("objects/**/inference/training*/**/*") if path.is_file()]


async def steps(jobs, job, enough):
    """Yield a training job as it is when so many steps are done, and then each change until it ends."""
    async with asyncio.timeout(120):
        async for response in jobs.WatchJob(scheduler_service_pb2.WatchJobRequest(name=job.name)):
            now = response.job
            if now.progress.message == "computing" and now.progress.completed >= enough:
                yield now
    yield now


async def trained(jobs, cube):
    """Train to the end: what was cancelled before has let the one trainer go by then."""
    job = (await jobs.CreateJob(training([cube], epochs=1))).job
    async with asyncio.timeout(120):
        async for response in jobs.WatchJob(scheduler_service_pb2.WatchJobRequest(name=job.name)):
            job = response.job
    assert job.state == job_pb2.JOB_STATE_SUCCEEDED, job.error
    return job


async def test_forgetting_ends_the_trainings_that_use_what_is_forgotten(tmp_path, monkeypatch):
    # Their states are kept after each step.
    monkeypatch.setenv("MEMPORIUM_INFERENCE_CHECKPOINT_INTERVAL_S", "0")
    facts = ("The home of Ada is Oslo.", "The dog of Marek is Rex.", "The cat of Eva is Tom.")
    async with running_platform(("vault", "inference", "scheduler"), data_dir=tmp_path) as platform:
        vault, jobs, (ada, marek, eva) = await notes(platform, *facts)
        # One that was cancelled: its state stays, for whoever asks for the same again.
        cancelled = (await jobs.CreateJob(training([ada, marek], epochs=50, learning_rate=1e-6))).job
        async for _ in steps(jobs, cancelled, 3):
            await jobs.CancelJob(scheduler_service_pb2.CancelJobRequest(name=cancelled.name))
        await trained(jobs, eva)
        assert len([path for path in kept(tmp_path) if path.parent.name == "training"]) == 1
        copies = {path: path.read_bytes() for path in kept(tmp_path)}
        # What nobody trained on has nothing to do with it.
        receipt = (await vault.ForgetCubes(vault_service_pb2.ForgetCubesRequest(parent=NOTES, names=[eva]))).receipt
        assert receipt.training_states == 0
        assert {path: path.read_bytes() for path in kept(tmp_path)} == copies
        dry = await vault.ForgetCubes(vault_service_pb2.ForgetCubesRequest(parent=NOTES, names=[ada], dry_run=True))
        assert not dry.HasField("receipt")
        assert len(kept(tmp_path)) == len(copies)
        # One that runs: it ends, and nothing is made of it.
        running = (await jobs.CreateJob(training([marek], epochs=50, learning_rate=1e-6))).job
        receipt = None
        async for running in steps(jobs, running, 3):  # noqa: B007, B020 - the job as it is now
            if receipt is None:
                request = vault_service_pb2.ForgetCubesRequest(parent=NOTES, names=[marek], reason="asked to")
                receipt = (await vault.ForgetCubes(request)).receipt
        assert (running.state, running.error_reason) == (job_pb2.JOB_STATE_FAILED, "NOT_FOUND")
        assert receipt.training_states == 2
        assert json.loads(receipt.payload)["training_states"] == 2
        assert not kept(tmp_path)
        left = (await vault.ListCubes(vault_service_pb2.ListCubesRequest(parent=NOTES))).cubes
        assert [cube.name for cube in left] == [ada]
        # A copy of the state that somebody has kept is of no use with all that the platform still has.
        state, sealed_state = next((path, data) for path, data in copies.items() if path.parent.name == "training")
        assert b"memporium-training" not in sealed_state
        state.write_bytes(sealed_state)
        # Erasing the vault leaves nothing either.
        last = (await jobs.CreateJob(training([ada], epochs=50, learning_rate=1e-6))).job
        async for _ in steps(jobs, last, 2):
            await jobs.CancelJob(scheduler_service_pb2.CancelJobRequest(name=last.name))
        await trained(jobs, ada)
        erasing = vault_service_pb2.DeleteVaultRequest(name=NOTES, erase=True)
        assert (await vault.DeleteVault(erasing)).receipt.training_states == 1
        assert kept(tmp_path) == [state]


async def test_a_training_job_is_told_of_cancelled_and_made(tmp_path):
    async with running_platform(("vault", "inference", "scheduler"), data_dir=tmp_path) as platform:
        vault, jobs, [cube] = await notes(platform, "The home of Ada is Oslo.")
        endless = (await jobs.CreateJob(training([cube], epochs=50, learning_rate=1e-6))).job
        seen = []
        async for response in jobs.WatchJob(scheduler_service_pb2.WatchJobRequest(name=endless.name)):
            seen.append(response.job)
            if response.job.progress.message == "computing" and response.job.progress.completed > 2:
                await jobs.CancelJob(scheduler_service_pb2.CancelJobRequest(name=endless.name))
        assert seen[-1].state == job_pb2.JOB_STATE_CANCELLED
        assert 2 < seen[-1].progress.completed < seen[-1].progress.total
        # The one trainer is free again: another job ends.
        job = await trained(jobs, cube)
        stored = (await vault.GetCube(vault_service_pb2.GetCubeRequest(name=job.result["cube"]))).cube
        assert (stored.descriptive.title, list(stored.descriptive.tags)) == ("Learned", ["by-job"])
        assert stored.payload.parameter.rank == 2
        assert stored.payload.parameter.report.limits == ANY
        listed = await vault.ListCubes(vault_service_pb2.ListCubesRequest(parent=NOTES))
        assert len(listed.cubes) == 2
