"""Schedules over gRPC: at times and by labels, each delivery once."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta

import grpc
import pytest

from memporium.cube.v1 import cube_pb2
from memporium.scheduler.v1 import job_pb2, pipeline_pb2, schedule_pb2
from memporium.scheduler.v1 import pipeline_calls_pb2 as pipes_pb
from memporium.scheduler.v1 import scheduler_service_pb2 as jobs_pb
from memporium.scheduler.v1.scheduler_service_pb2_grpc import SchedulerServiceStub
from memporium.vault.v1 import changes_pb2, cubes_pb2, vault_pb2, vault_service_pb2
from memporium.vault.v1.vault_service_pb2_grpc import VaultServiceStub
from memporium_platform.clock import SystemClock
from memporium_platform.errors import Reason
from memporium_platform.rpc.errors_client import reason_of
from support.platform import running_platform
from support.servers import postgres_server, postgres_url  # noqa: F401 - fixtures
from support.vaults import cell, reason

ORG, SOURCE, TARGET = "orgs/acme", "orgs/acme/vaults/source", "orgs/acme/vaults/target"
DELIVER = job_pb2.JobSpec(deliver_cubes=job_pb2.DeliverCubes(vault=SOURCE, target=TARGET, tags=["out"]))


class LeapingClock(SystemClock):
    """The time, and as much later as a test wants."""

    def __init__(self):
        self.ahead = None

    def now(self):
        now = super().now()
        return now if self.ahead is None else now + self.ahead


class Place:
    def __init__(self, channel):
        self.vault, self.jobs = VaultServiceStub(channel), SchedulerServiceStub(channel)

    async def add(self, cube_id, fact, *tags, parent=SOURCE):
        new = cubes_pb2.NewCube(cube_id=cube_id, cube=cell(fact, tags=tags))
        request = vault_service_pb2.BatchCreateCubesRequest(parent=parent, cubes=[new])
        await self.vault.BatchCreateCubes(request)

    async def tag(self, cube_id, *tags):
        change = changes_pb2.Change(tag=changes_pb2.CubeTagging(name=f"{SOURCE}/cubes/{cube_id}", add=tags))
        await self.vault.ApplyChanges(changes_pb2.ApplyChangesRequest(parent=SOURCE, changes=[change]))

    async def texts(self, parent=TARGET):
        request = vault_service_pb2.ListCubesRequest(parent=parent, page_size=1000, view=cubes_pb2.CUBE_VIEW_FULL)
        page = await self.vault.ListCubes(request)
        return sorted(one.payload.plaintext.mem_cell.facts[0].text for one in page.cubes)

    async def schedule(self, schedule_id, spec, trigger, **more):
        given = schedule_pb2.Schedule(spec=spec, paused=more.pop("paused", False), **trigger)
        request = schedule_pb2.CreateScheduleRequest(parent=ORG, schedule_id=schedule_id, schedule=given, **more)
        return (await self.jobs.CreateSchedule(request)).schedule

    async def get(self, name):
        return (await self.jobs.GetSchedule(schedule_pb2.GetScheduleRequest(name=name))).schedule

    async def until(self, check, limit_s=120.0):
        deadline = time.monotonic() + limit_s
        while not await check():
            assert time.monotonic() < deadline, "it did not come"
            await asyncio.sleep(0.1)

    async def delivered(self, *texts):
        async def there():
            return await self.texts() == sorted(texts)

        await self.until(there)

    async def job_list(self):
        return (await self.jobs.ListJobs(jobs_pb.ListJobsRequest(parent=ORG, page_size=1000))).jobs


def by_tag(*tags):
    return {"tags": schedule_pb2.TagTrigger(vault=SOURCE, tags=tags)}


def every(seconds):
    made = schedule_pb2.Schedule()
    made.every.FromSeconds(seconds)
    return {"every": made.every}


@pytest.fixture
async def clock():
    return LeapingClock()


@pytest.fixture
async def place(request, tmp_path, monkeypatch, clock):
    monkeypatch.setenv("MEMPORIUM_VAULT_DEFAULT_EMBEDDING_MODEL", "hashing-384")
    monkeypatch.setenv("MEMPORIUM_SCHEDULER_SWEEP_INTERVAL_S", "0")
    services = ("vault", "inference", "reader", "scheduler")
    url = request.getfixturevalue("postgres_url") if getattr(request, "param", "") == "postgres" else ""
    async with running_platform(services, data_dir=tmp_path, clock=clock, database_url=url) as platform:
        made = Place(platform.channel((await platform.organisation("acme")).owner_key))
        for name in ("source", "target"):
            request = vault_service_pb2.CreateVaultRequest(parent=ORG, vault_id=name, vault=vault_pb2.Vault())
            await made.vault.CreateVault(request)
        yield made


@pytest.mark.parametrize("place", ["sqlite", "postgres"], indirect=True)
async def test_what_gains_a_label_is_delivered_once_and_follows_its_changes(place):
    await place.add("before", "This was here before.", "out")
    made = await place.schedule("s", DELIVER, by_tag("out"))
    await place.add("one", "The first thing.", "out")
    await place.add("other", "Nothing to deliver.")
    await place.delivered("The first thing.")
    await place.tag("other", "out")
    await place.delivered("Nothing to deliver.", "The first thing.")
    cube = cube_pb2.Cube(name=f"{SOURCE}/cubes/one", payload=cell("The first thing, mended.").payload)
    await place.vault.UpdateCube(vault_service_pb2.UpdateCubeRequest(cube=cube))
    await place.delivered("Nothing to deliver.", "The first thing, mended.")
    now = await place.get(made.name)
    assert now.jobs >= 2
    assert now.error == ""
    assert {one.state for one in await place.job_list()} <= {job_pb2.JOB_STATE_SUCCEEDED, job_pb2.JOB_STATE_RUNNING}


async def test_what_is_there_already_comes_first_where_that_is_asked_for(place):
    await place.add("a", "An old thing.", "out")
    await place.schedule("s", DELIVER, by_tag("out"), include_existing=True)
    await place.delivered("An old thing.")
    await place.add("b", "A new thing.", "out")
    await place.delivered("A new thing.", "An old thing.")


async def test_a_paused_schedule_waits_and_makes_up_for_it(place):
    made = await place.schedule("s", DELIVER, by_tag("out"), paused=True)
    await place.add("a", "While it was paused.", "out")
    await asyncio.sleep(1.2)
    assert await place.texts() == []
    resumed = await place.jobs.ResumeSchedule(schedule_pb2.ResumeScheduleRequest(name=made.name))
    assert not resumed.schedule.paused
    await place.delivered("While it was paused.")
    await place.jobs.PauseSchedule(schedule_pb2.PauseScheduleRequest(name=made.name))
    await place.add("b", "Paused again.", "out")
    await asyncio.sleep(1.2)
    assert await place.texts() == ["While it was paused."]
    await place.jobs.DeleteSchedule(schedule_pb2.DeleteScheduleRequest(name=made.name))
    assert await reason(place.get(made.name)) is Reason.NOT_FOUND


async def test_a_job_for_each_time_and_one_for_all_that_were_missed(place, clock):
    await place.add("a", "A thing.", "out")
    made = await place.schedule("s", DELIVER, every(3600))
    assert made.next_time.ToDatetime() - made.create_time.ToDatetime() == timedelta(hours=1)
    assert await place.texts() == []

    async def jobs(count):
        async def there():
            return (await place.get(made.name)).jobs == count

        await place.until(there)

    clock.ahead = timedelta(hours=1, seconds=1)
    await jobs(1)
    await place.delivered("A thing.")
    clock.ahead = timedelta(hours=9, seconds=1)  # eight times fell due meanwhile
    await jobs(2)
    await asyncio.sleep(1.2)
    now = await place.get(made.name)
    assert now.jobs == 2
    assert now.next_time.ToDatetime() - made.create_time.ToDatetime() == timedelta(hours=10)


async def test_a_pipeline_is_given_the_memories_that_appeared(place):
    pipeline = pipeline_pb2.Pipeline(
        inputs=[pipeline_pb2.PipelineInput(name="cubes", type=pipeline_pb2.VALUE_TYPE_CUBES)],
        steps=[
            pipeline_pb2.PipelineStep(
                id="label", tag=pipeline_pb2.TagStep(cubes=["${inputs.cubes}"], add=["seen"], remove=["new"])
            )
        ],
    )
    await place.jobs.CreatePipeline(pipes_pb.CreatePipelineRequest(parent=ORG, pipeline_id="label", pipeline=pipeline))
    spec = job_pb2.JobSpec(run_pipeline=job_pb2.RunPipeline(pipeline=f"{ORG}/pipelines/label", vault=SOURCE))
    await place.schedule("s", spec, by_tag("new"))
    await place.add("a", "A fresh thing.", "new")

    async def labelled():
        cube = (await place.vault.GetCube(vault_service_pb2.GetCubeRequest(name=f"{SOURCE}/cubes/a"))).cube
        return list(cube.descriptive.tags) == ["seen"]

    await place.until(labelled)


async def test_rights_that_are_gone_are_told_and_what_is_malformed_is_refused(place):
    for spec, trigger, field in (
        (DELIVER, {}, "schedule.trigger"),
        (DELIVER, every(1), "schedule.every"),
        (job_pb2.JobSpec(sweep_vaults=job_pb2.SweepVaults()), every(60), "schedule.spec"),
        (DELIVER, {"tags": schedule_pb2.TagTrigger(vault=TARGET, tags=["x"])}, "schedule.spec.deliver_cubes.vault"),
        (job_pb2.JobSpec(load_bundle=job_pb2.LoadBundle(vault_id="x")), every(60), "schedule.spec.load_bundle.bundle"),
    ):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await place.schedule("s", spec, trigger)
        error = reason_of(caught.value)
        assert (error.reason, error.fields[0].field) == (Reason.INVALID_FIELD, field)
    missing = job_pb2.JobSpec(run_pipeline=job_pb2.RunPipeline(pipeline=f"{ORG}/pipelines/none", vault=SOURCE))
    assert await reason(place.schedule("s", missing, every(60))) is Reason.NOT_FOUND
    none = {"tags": schedule_pb2.TagTrigger(vault=f"{ORG}/vaults/none", tags=["x"])}
    consolidate = job_pb2.JobSpec(consolidate=job_pb2.Consolidate(vault=SOURCE))
    assert await reason(place.schedule("s", consolidate, none)) is Reason.NOT_FOUND
    await place.schedule("a", consolidate, every(60))
    assert await reason(place.schedule("a", consolidate, every(60))) is Reason.ALREADY_EXISTS
    await place.schedule("b", consolidate, every(60))
    page = await place.jobs.ListSchedules(schedule_pb2.ListSchedulesRequest(parent=ORG, page_size=1))
    more = schedule_pb2.ListSchedulesRequest(parent=ORG, page_size=1, page_token=page.next_page_token)
    second = await place.jobs.ListSchedules(more)
    assert [one.name[-1] for one in (*page.schedules, *second.schedules)] == ["a", "b"]
