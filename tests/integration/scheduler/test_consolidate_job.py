"""Consolidation as a durable job, with the rights of who made it."""

from __future__ import annotations

from datetime import UTC, datetime

from memporium.reader.v1 import remember_pb2, scenes_pb2
from memporium.reader.v1.reader_service_pb2_grpc import ReaderServiceStub
from memporium.scheduler.v1 import job_pb2
from memporium.scheduler.v1 import scheduler_service_pb2 as pb
from memporium.scheduler.v1.scheduler_service_pb2_grpc import SchedulerServiceStub
from memporium.vault.v1 import vault_pb2, vault_service_pb2
from memporium.vault.v1.vault_service_pb2_grpc import VaultServiceStub
from support.platform import running_platform

PARENT = "orgs/acme/vaults/notes"


async def _said(text):
    yield remember_pb2.RememberRequest(header=remember_pb2.RememberHeader(parent=PARENT, session="s1"))
    turn = remember_pb2.Turn(id="t1", speaker="Ada", text=text)
    turn.time.FromDatetime(datetime(2023, 5, 8, tzinfo=UTC))
    yield remember_pb2.RememberRequest(turn=turn)


async def _run(stub, vault):
    spec = job_pb2.JobSpec(consolidate=job_pb2.Consolidate(vault=vault))
    job = (await stub.CreateJob(pb.CreateJobRequest(parent="orgs/acme", spec=spec))).job
    async for response in stub.WatchJob(pb.WatchJobRequest(name=job.name)):
        job = response.job
    return job


async def test_a_job_makes_scenes_and_a_missing_vault_fails_it(tmp_path, monkeypatch):
    monkeypatch.setenv("MEMPORIUM_VAULT_DEFAULT_EMBEDDING_MODEL", "hashing-384")
    monkeypatch.setenv("MEMPORIUM_SCHEDULER_SWEEP_INTERVAL_S", "0")
    async with running_platform(("vault", "inference", "reader", "scheduler"), data_dir=tmp_path) as platform:
        channel = platform.channel((await platform.organisation("acme")).owner_key)
        create = vault_service_pb2.CreateVaultRequest(parent="orgs/acme", vault_id="notes", vault=vault_pb2.Vault())
        await VaultServiceStub(channel).CreateVault(create)
        reader, jobs = ReaderServiceStub(channel), SchedulerServiceStub(channel)
        await reader.Remember(_said("I glazed a bowl in the pottery class."))
        done = await _run(jobs, PARENT)
        assert (done.kind, done.state) == (job_pb2.JOB_KIND_CONSOLIDATE, job_pb2.JOB_STATE_SUCCEEDED)
        assert done.result["scenes_created"] == "1"
        assert (await _run(jobs, PARENT)).result["new_episodes"] == "0"
        assert len((await reader.ListScenes(scenes_pb2.ListScenesRequest(parent=PARENT))).scenes) == 1
        assert (await _run(jobs, "orgs/acme/vaults/none")).state == job_pb2.JOB_STATE_FAILED
