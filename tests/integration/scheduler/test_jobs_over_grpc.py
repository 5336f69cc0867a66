"""Jobs over gRPC, against a vault that is played by a small servicer: what it was asked is what counts."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import uuid
from pathlib import Path

import grpc
import pytest

from memporium.scheduler.v1 import job_pb2
from memporium.scheduler.v1 import scheduler_service_pb2 as pb
from memporium.scheduler.v1.scheduler_service_pb2_grpc import SchedulerServiceStub
from memporium_platform.errors import Reason
from memporium_platform.rpc.errors_client import reason_of
from support.fake_vault import FakeVault
from support.platform import running_platform

SWEEP = job_pb2.JobSpec(sweep_vaults=job_pb2.SweepVaults())


async def _ended(stub, name):
    last = None
    async for response in stub.WatchJob(pb.WatchJobRequest(name=name)):
        last = response.job
    return last


@pytest.fixture
async def platform(tmp_path, monkeypatch):
    monkeypatch.setenv("MEMPORIUM_SCHEDULER_SWEEP_INTERVAL_S", "0")
    monkeypatch.setenv("MEMPORIUM_SCHEDULER_RETRY_INITIAL_S", "0.05")
    async with running_platform(("scheduler",), data_dir=tmp_path, modules=[vault := FakeVault()]) as running:
        org = await running.organisation("acme")
        running.vault, running.org = vault, org
        running.stub = SchedulerServiceStub(running.channel(org.owner_key))
        yield running


async def test_a_job_runs_to_its_end_and_says_what_came_of_it(platform):
    job = (await platform.stub.CreateJob(pb.CreateJobRequest(parent="orgs/acme", spec=SWEEP))).job
    assert job.state == job_pb2.JOB_STATE_QUEUED
    done = await _ended(platform.stub, job.name)
    assert done.state == job_pb2.JOB_STATE_SUCCEEDED
    assert done.result["expired"] == "2"
    assert done.attempts == 1


async def test_a_repeat_with_the_same_request_id_is_the_same_job(platform):
    request = pb.CreateJobRequest(parent="orgs/acme", spec=SWEEP, request_id=str(uuid.uuid4()))
    first = (await platform.stub.CreateJob(request)).job
    second = (await platform.stub.CreateJob(request)).job
    assert first.name == second.name
    await _ended(platform.stub, first.name)
    # One job of two pages.
    assert platform.vault.sweeps == 2


async def test_a_passing_failure_is_tried_again_and_a_lasting_one_is_not(platform):
    platform.vault.fail_next = [Reason.UNAVAILABLE] * 8
    job = (await platform.stub.CreateJob(pb.CreateJobRequest(parent="orgs/acme", spec=SWEEP))).job
    done = await _ended(platform.stub, job.name)
    assert done.state == job_pb2.JOB_STATE_SUCCEEDED
    assert done.attempts > 1
    platform.vault.fail_next = [Reason.PERMISSION_DENIED]
    job = (await platform.stub.CreateJob(pb.CreateJobRequest(parent="orgs/acme", spec=SWEEP))).job
    done = await _ended(platform.stub, job.name)
    assert (done.state, done.attempts) == (job_pb2.JOB_STATE_FAILED, 1)
    assert done.error


async def test_a_cancelled_job_ends_at_once_and_stays_cancelled(platform):
    platform.vault.hold = asyncio.Event()
    job = (await platform.stub.CreateJob(pb.CreateJobRequest(parent="orgs/acme", spec=SWEEP))).job
    while not platform.vault.sweeps:
        await asyncio.sleep(0.02)
    cancelled = (await platform.stub.CancelJob(pb.CancelJobRequest(name=job.name))).job
    assert cancelled.state == job_pb2.JOB_STATE_CANCELLED
    platform.vault.hold.set()
    await asyncio.sleep(0.3)
    assert (await platform.stub.GetJob(pb.GetJobRequest(name=job.name))).job.state == job_pb2.JOB_STATE_CANCELLED


async def test_bad_input_is_refused_with_the_field(platform):
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await platform.stub.CreateJob(pb.CreateJobRequest(parent="orgs/acme", spec=job_pb2.JobSpec()))
    error = reason_of(caught.value)
    assert error.reason == "INVALID_FIELD"
    assert error.fields[0].field == "spec"
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await platform.stub.CreateJob(pb.CreateJobRequest(parent="orgs/acme", spec=SWEEP, priority=101))
    assert reason_of(caught.value).fields[0].field == "priority"


async def test_another_organisation_sees_nothing(platform):
    job = (await platform.stub.CreateJob(pb.CreateJobRequest(parent="orgs/acme", spec=SWEEP))).job
    await platform.organisation("rival")
    rival = SchedulerServiceStub(platform.channel((await platform.organisation("rival2")).owner_key))
    for name in (job.name, "orgs/acme/jobs/none"):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await rival.GetJob(pb.GetJobRequest(name=name))
        assert reason_of(caught.value).reason == "PERMISSION_DENIED"


async def test_pages_follow_each_other_without_gap(platform):
    made = [
        (await platform.stub.CreateJob(pb.CreateJobRequest(parent="orgs/acme", spec=SWEEP))).job.name for _ in range(5)
    ]
    found, token = [], ""
    while True:
        page = await platform.stub.ListJobs(pb.ListJobsRequest(parent="orgs/acme", page_size=2, page_token=token))
        found += [job.name for job in page.jobs]
        token = page.next_page_token
        if not token:
            break
    assert sorted(found) == sorted(made)


def test_a_job_that_kill_9_interrupts_is_finished_after_the_restart(tmp_path):
    script = Path(__file__).with_name("crash_process.py")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    first = subprocess.Popen(
        [sys.executable, script, str(tmp_path), "hold"], env=environment, stdout=subprocess.PIPE, text=True
    )
    assert first.stdout is not None
    name = first.stdout.readline().strip()
    assert name.startswith("orgs/acme/jobs/")
    assert first.stdout.readline().strip() == "running"
    first.send_signal(signal.SIGKILL)
    first.wait()
    second = subprocess.run(
        [sys.executable, script, str(tmp_path), "finish", name],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert second.stdout.strip().splitlines()[-1] == "JOB_STATE_SUCCEEDED 2"
