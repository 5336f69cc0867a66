"""A tenant that floods the queue: it is told to wait, and nobody else waits for it."""

from __future__ import annotations

import asyncio

import grpc

from memporium.scheduler.v1 import job_pb2
from memporium.scheduler.v1 import scheduler_service_pb2 as pb
from memporium.scheduler.v1.scheduler_service_pb2_grpc import SchedulerServiceStub
from memporium_platform.call import current_call
from memporium_platform.rpc.errors_client import reason_of
from support.fake_vault import FakeVault
from support.platform import running_platform

SWEEP = job_pb2.JobSpec(sweep_vaults=job_pb2.SweepVaults())
_MOST, _AT_ONCE = 12, 2


class SlowVault(FakeVault):
    """Holds the sweeps of one tenant until it is let go, and counts how many of each go on at once."""

    def __init__(self, held):
        super().__init__()
        self.held, self.let_go = held, asyncio.Event()
        self.running, self.most = {}, {}

    async def SweepVaults(self, request, context):
        org = current_call().principal.org
        self.running[org] = self.running.get(org, 0) + 1
        self.most[org] = max(self.most.get(org, 0), self.running[org])
        if org == self.held:
            await self.let_go.wait()
        self.running[org] -= 1
        return await super().SweepVaults(request, context)


async def ended(stub, name):
    job = None
    async for response in stub.WatchJob(pb.WatchJobRequest(name=name)):
        job = response.job
    return job


async def test_a_flood_is_refused_in_time_and_others_do_not_wait(tmp_path, monkeypatch):
    monkeypatch.setenv("MEMPORIUM_SCHEDULER_SWEEP_INTERVAL_S", "0")
    monkeypatch.setenv("MEMPORIUM_SCHEDULER_POLLING_INTERVAL_S", "0.02")
    monkeypatch.setenv("MEMPORIUM_SCHEDULER_TENANT_QUEUE", str(_MOST))
    monkeypatch.setenv("MEMPORIUM_SCHEDULER_TENANT_CONCURRENCY", str(_AT_ONCE))
    vault = SlowVault("flood")
    async with running_platform(("scheduler",), data_dir=tmp_path, modules=[vault]) as platform:
        flooding, other = await platform.organisation("flood"), await platform.organisation("other")
        flood, quiet = (SchedulerServiceStub(platform.channel(org.owner_key)) for org in (flooding, other))
        made, refusals = [], []
        for _ in range(_MOST + 8):
            try:
                made.append((await flood.CreateJob(pb.CreateJobRequest(parent=flooding.name, spec=SWEEP))).job)
            except grpc.aio.AioRpcError as error:
                refusals.append(reason_of(error))
        assert (len(made), {error.reason for error in refusals}) == (_MOST, {"OVERLOADED"})
        assert all(error.retry_after_s > 0 for error in refusals)

        mine = (await quiet.CreateJob(pb.CreateJobRequest(parent=other.name, spec=SWEEP))).job
        done = await ended(quiet, mine.name)
        assert done.state == job_pb2.JOB_STATE_SUCCEEDED
        waiting = await flood.ListJobs(
            pb.ListJobsRequest(parent=flooding.name, states=[job_pb2.JOB_STATE_QUEUED], page_size=1000)
        )
        assert len(waiting.jobs) >= _MOST - _AT_ONCE
        async with asyncio.timeout(120):
            while vault.most.get("flood", 0) < _AT_ONCE:
                await asyncio.sleep(0.02)
        vault.let_go.set()
        states = {(await ended(flood, job.name)).state for job in made}
        assert states == {job_pb2.JOB_STATE_SUCCEEDED}
    assert vault.most["flood"] == _AT_ONCE


async def test_what_is_urgent_goes_first_within_a_tenant(tmp_path, monkeypatch):
    monkeypatch.setenv("MEMPORIUM_SCHEDULER_SWEEP_INTERVAL_S", "0")
    monkeypatch.setenv("MEMPORIUM_SCHEDULER_POLLING_INTERVAL_S", "0.02")
    monkeypatch.setenv("MEMPORIUM_SCHEDULER_TENANT_CONCURRENCY", "1")
    vault = SlowVault("acme")
    async with running_platform(("scheduler",), data_dir=tmp_path, modules=[vault]) as platform:
        org = await platform.organisation("acme")
        stub = SchedulerServiceStub(platform.channel(org.owner_key))
        jobs = [(await stub.CreateJob(pb.CreateJobRequest(parent=org.name, spec=SWEEP))).job for _ in range(6)]
        urgent = (await stub.CreateJob(pb.CreateJobRequest(parent=org.name, spec=SWEEP, priority=90))).job
        vault.let_go.set()
        ends = [(await ended(stub, job.name)).end_time.ToNanoseconds() for job in [urgent, *jobs]]
        assert sum(end < ends[0] for end in ends[1:]) <= 2
