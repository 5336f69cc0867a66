"""A job that the durable queue does not take at once: it runs as soon as the queue does, without a start or a call."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy.exc import OperationalError

from memporium.scheduler.v1 import job_pb2
from memporium.scheduler.v1 import scheduler_service_pb2 as pb
from memporium.scheduler.v1.scheduler_service_pb2_grpc import SchedulerServiceStub
from memporium_services.scheduler.adapters.dbos_queue import DbosQueue
from support.fake_vault import FakeVault
from support.platform import running_platform

SWEEP = job_pb2.JobSpec(sweep_vaults=job_pb2.SweepVaults())
FULL = OperationalError("INSERT", {}, Exception("database or disk is full"))


@pytest.fixture
async def stub(tmp_path, monkeypatch):
    monkeypatch.setenv("MEMPORIUM_SCHEDULER_SWEEP_INTERVAL_S", "0")
    monkeypatch.setenv("MEMPORIUM_SCHEDULER_RETRY_INITIAL_S", "0.05")
    async with running_platform(("scheduler",), data_dir=tmp_path, modules=[FakeVault()]) as running:
        org = await running.organisation("acme")
        yield SchedulerServiceStub(running.channel(org.owner_key))


async def _ended(stub, name):
    return [one.job async for one in stub.WatchJob(pb.WatchJobRequest(name=name))][-1]


async def test_jobs_that_the_queue_did_not_take_run_once_it_does(stub, monkeypatch):
    plain, refused = DbosQueue.put, []

    async def full(self, job):
        if len(refused) < 5:
            refused.append(job.name)
            raise FULL
        await plain(self, job)

    monkeypatch.setattr(DbosQueue, "put", full)
    made = [(await stub.CreateJob(pb.CreateJobRequest(parent="orgs/acme", spec=SWEEP))).job.name for _ in range(2)]
    assert refused[:2] == made
    for name in made:
        assert (await _ended(stub, name)).state == job_pb2.JOB_STATE_SUCCEEDED
    assert len(refused) == 5


async def test_a_job_whose_maker_went_away_while_it_was_queued_runs(stub, monkeypatch):
    plain, reached, gone = DbosQueue.put, asyncio.Event(), asyncio.Event()

    async def slow(self, job):
        reached.set()
        await gone.wait()
        await plain(self, job)

    monkeypatch.setattr(DbosQueue, "put", slow)
    call = stub.CreateJob(pb.CreateJobRequest(parent="orgs/acme", spec=SWEEP))
    await reached.wait()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    [job] = (await stub.ListJobs(pb.ListJobsRequest(parent="orgs/acme"))).jobs
    gone.set()
    assert (await _ended(stub, job.name)).state == job_pb2.JOB_STATE_SUCCEEDED


async def test_a_job_is_cancelled_where_the_queue_does_not_let_it_go(stub, monkeypatch):
    async def full(self, job):
        raise FULL

    monkeypatch.setattr(DbosQueue, "put", full)
    monkeypatch.setattr(DbosQueue, "drop", full)
    job = (await stub.CreateJob(pb.CreateJobRequest(parent="orgs/acme", spec=SWEEP))).job
    cancelled = (await stub.CancelJob(pb.CancelJobRequest(name=job.name))).job
    assert cancelled.state == job_pb2.JOB_STATE_CANCELLED
