"""Pipelines over gRPC, against a real vault, reader and inference: all of a run's writes, or none."""

from __future__ import annotations

import asyncio
import uuid
from datetime import UTC, datetime

import grpc
import pytest
import yaml
from google.protobuf.json_format import ParseDict

from memporium.cube.v1 import cube_pb2
from memporium.reader.v1 import remember_pb2, scenes_pb2
from memporium.reader.v1.reader_service_pb2_grpc import ReaderServiceStub
from memporium.scheduler.v1 import job_pb2, pipeline_pb2
from memporium.scheduler.v1 import pipeline_calls_pb2 as pb
from memporium.scheduler.v1 import scheduler_service_pb2 as jobs_pb
from memporium.scheduler.v1.scheduler_service_pb2_grpc import SchedulerServiceStub
from memporium.vault.v1 import cubes_pb2, vault_pb2, vault_service_pb2
from memporium.vault.v1.vault_service_pb2_grpc import VaultServiceStub
from memporium_platform.errors import PlatformError, Reason
from memporium_platform.rpc.errors_client import reason_of
from memporium_services.scheduler.adapters.grpc_memory import GrpcMemory
from memporium_services.scheduler.app.staging import Staging
from support.platform import running_platform
from support.stored import stored
from support.vaults import cell, reason

ORG, PARENT = "orgs/acme", "orgs/acme/vaults/notes"
FACTS = (
    "The boat in the harbour is painted green.",
    "The green boat leaks at the stern.",
    "Ana repaired the boat in March.",
    "Rice is kept in the tall jar.",
)
SUCCEEDED, FAILED = job_pb2.JOB_STATE_SUCCEEDED, job_pb2.JOB_STATE_FAILED


class Place:
    """A platform seen by one organisation's owner."""

    def __init__(self, platform, channel):
        self.platform, self.channel = platform, channel
        self.vault, self.jobs = VaultServiceStub(channel), SchedulerServiceStub(channel)
        self.reader = ReaderServiceStub(channel)

    async def begin(self, steps="", pipeline="", stub=None, **inputs):
        definition = None
        if steps:
            definition = ParseDict(yaml.safe_load(steps), pipeline_pb2.Pipeline())
        values = {name: _value(value) for name, value in inputs.items()}
        request = pb.RunPipelineRequest(
            parent=ORG, pipeline=pipeline, definition=definition, vault=PARENT, inputs=values
        )
        return (await (stub or self.jobs).RunPipeline(request)).run

    async def ended(self, name):
        last = None
        async for response in self.jobs.WatchPipelineRun(pb.WatchPipelineRunRequest(name=name)):
            last = response.run
        return last

    async def run(self, *args, **inputs):
        return await self.ended((await self.begin(*args, **inputs)).name)

    async def cubes(self):
        """Return state, tags, title of all cubes by name."""
        page = await self.vault.ListCubes(vault_service_pb2.ListCubesRequest(parent=PARENT, page_size=1000))
        # Reading counts as use, which is noted in the background: what is live is live.
        live = {cube_pb2.CUBE_STATE_GENERATED, cube_pb2.CUBE_STATE_ACTIVATED}
        return {
            one.name: (
                "LIVE" if one.governance.state in live else cube_pb2.CubeState.Name(one.governance.state)[11:],
                tuple(one.descriptive.tags),
                one.descriptive.title,
            )
            for one in page.cubes
        }


def _value(value):
    if isinstance(value, str):
        return pipeline_pb2.PipelineValue(text=value)
    if isinstance(value, float):
        return pipeline_pb2.PipelineValue(number=value)
    if value and isinstance(value[0], str):
        return pipeline_pb2.PipelineValue(cubes=pipeline_pb2.CubeNames(names=value))
    return pipeline_pb2.PipelineValue(turns=pipeline_pb2.Turns(turns=value))


def said(number, text, speaker="Ada"):
    turn = remember_pb2.Turn(id=f"t{number}", speaker=speaker, text=text)
    turn.time.FromDatetime(datetime(2023, 5, 8, 10, number, tzinfo=UTC))
    return turn


@pytest.fixture
async def place(tmp_path, monkeypatch):
    monkeypatch.setenv("MEMPORIUM_VAULT_DEFAULT_EMBEDDING_MODEL", "hashing-384")
    monkeypatch.setenv("MEMPORIUM_SCHEDULER_SWEEP_INTERVAL_S", "0")
    monkeypatch.setenv("MEMPORIUM_SCHEDULER_RETRY_INITIAL_S", "0.05")
    async with running_platform(("vault", "inference", "reader", "scheduler"), data_dir=tmp_path) as platform:
        made = Place(platform, platform.channel((await platform.organisation("acme")).owner_key))
        create = vault_service_pb2.CreateVaultRequest(parent=ORG, vault_id="notes", vault=vault_pb2.Vault())
        await made.vault.CreateVault(create)
        news = [cubes_pb2.NewCube(cube_id=f"c{n}", cube=cell(fact)) for n, fact in enumerate(FACTS)]
        await made.vault.BatchCreateCubes(vault_service_pb2.BatchCreateCubesRequest(parent=PARENT, cubes=news))
        yield made


async def test_the_remember_pipeline_makes_episodes_scenes_and_profiles_as_one(place):
    turns = [said(0, "I glazed a bowl in the pottery class."), said(1, "The kiln is hot, I love pottery.")]
    before = await place.cubes()
    run = await place.run(pipeline=f"{ORG}/pipelines/remember", turns=turns, session="s1")
    assert (run.state, run.error) == (SUCCEEDED, "")
    assert [pipeline_pb2.StepState.Name(one.state)[11:] for one in run.steps] == ["COMMITTED"] * 2
    assert run.steps[0].numbers["count"] == 1
    made = set(await place.cubes()) - set(before)
    assert made == set(run.cubes)
    scenes = await place.reader.ListScenes(scenes_pb2.ListScenesRequest(parent=PARENT))
    assert [one.cube for one in scenes.scenes[0].members] == [
        next(name for name in made if "scene" not in name and "profile" not in name)
    ]
    again = await place.run(pipeline=f"{ORG}/pipelines/remember", turns=turns, session="s1")
    assert (again.state, list(again.cubes)) == (SUCCEEDED, [])


async def test_retrieve_augment_update_archive(place):
    pipeline = f"{ORG}/pipelines/retrieve-augment-update-archive"
    run = await place.run(pipeline=pipeline, question="green boat", model="tiny-random", title="The boat")
    assert (run.state, run.error) == (SUCCEEDED, "")
    cubes = await place.cubes()
    [summary] = [name for name, (_, tags, _) in cubes.items() if "summary" in tags]
    assert cubes[summary][2] == "The boat"
    found = [name for name, (state, _, _) in cubes.items() if state == "ARCHIVED"]
    got = await place.vault.GetCube(vault_service_pb2.GetCubeRequest(name=summary, view=cubes_pb2.CUBE_VIEW_BASIC))
    assert sorted(got.cube.behavioural.lineage.parents) == sorted(found) != []
    assert run.vault_revision == got.revision


async def test_a_run_that_finds_nothing_fails_and_writes_nothing(place):
    before = await place.cubes()
    run = await place.run(
        """
        steps:
        - {id: note, remember: {text: "Something new to keep."}}
        - {id: find, retrieve: {query: zebra, least: 1, tags: [none]}, after: [note]}
        """
    )
    assert (run.state, run.error_reason) == (FAILED, "FAILED_PRECONDITION")
    states = [pipeline_pb2.StepState.Name(one.state)[11:] for one in run.steps]
    assert states == ["DISCARDED", "FAILED"]
    assert await place.cubes() == before


ALL_KINDS = """
inputs:
- {name: question}
- {name: gone, type: VALUE_TYPE_CUBES}
steps:
- {id: note, remember: {text: "A note on ${inputs.question}.", tags: [made]}}
- {id: gather, consolidate: {episodes: ["${steps.note.cubes}"]}}
- {id: find, retrieve: {query: "${inputs.question}", limit: 2}}
- {id: sum, augment: {prompt: "On ${inputs.question}: ${steps.find.count} found", model: none}}
- {id: keep, update: {text: "${steps.sum.text}", title: Kept, parents: ["${steps.find.cubes}"]}}
- {id: change, update: {cube: "orgs/acme/vaults/notes/cubes/c2", text: "Ana repaired it in April."}}
- {id: label, tag: {cubes: ["${steps.note.cubes}", "${steps.keep.cubes}"], add: ["run"]}}
- {id: one, merge: {cubes: ["${steps.find.cubes}"]}}
- {id: away, forget: {cubes: ["${inputs.gone}"]}}
"""


async def test_every_kind_of_step_in_one_run(place):
    run = await place.run(ALL_KINDS, question="green boat", gone=[f"{PARENT}/cubes/c3"])
    assert (run.state, run.error) == (SUCCEEDED, "")
    cubes = await place.cubes()
    assert f"{PARENT}/cubes/c3" not in cubes
    assert {cubes[f"{PARENT}/cubes/{name}"][0] for name in ("c0", "c1")} == {"ARCHIVED"}
    assert min((tags, title) for _, tags, title in cubes.values() if "run" in tags)[0] in {
        ("made", "run"),
        ("run",),
    }
    got = await place.vault.GetCube(vault_service_pb2.GetCubeRequest(name=f"{PARENT}/cubes/c2"))
    assert [one.text for one in got.cube.payload.plaintext.mem_cell.facts] == ["Ana repaired it in April."]
    [kept] = [name for name, (_, _, title) in cubes.items() if title == "Kept"]
    got = await place.vault.GetCube(vault_service_pb2.GetCubeRequest(name=kept))
    assert got.cube.payload.plaintext.mem_cell.episode == "On green boat: 2 found"
    assert sum(state == "MERGED" for state, *_ in cubes.values()) == 1


IDS = ("note", "gather", "find", "sum", "keep", "change", "label", "one", "away")


async def test_an_error_at_any_step_leaves_nothing(place, monkeypatch):
    async def refuse(*_args, **_more):
        raise PlatformError(Reason.FAILED_PRECONDITION, "injected")

    real, broken = Staging.run, ""

    async def run(self, step, scene):
        return await (refuse() if step.id == broken else real(self, step, scene))

    monkeypatch.setattr(Staging, "run", run)
    before = await place.cubes()
    for broken in (*IDS, "commit"):
        if broken == "commit":
            monkeypatch.setattr(GrpcMemory, "commit", refuse)
        done = await place.run(ALL_KINDS, question="green boat", gone=[f"{PARENT}/cubes/c3"])
        assert (done.state, done.error) == (FAILED, "injected")
        assert await place.cubes() == before


async def test_a_run_cancelled_at_any_step_leaves_nothing(place, monkeypatch):
    real, held, reached = Staging.run, "", asyncio.Event()

    async def run(self, step, scene):
        done = await real(self, step, scene)
        if step.id == held:
            reached.set()
            await asyncio.Event().wait()
        return done

    monkeypatch.setattr(Staging, "run", run)
    before = await place.cubes()
    for held in IDS:  # noqa: B007 - the step above looks at it
        reached.clear()
        begun = await place.begin(ALL_KINDS, question="green boat", gone=[f"{PARENT}/cubes/c3"])
        await asyncio.wait_for(reached.wait(), 30)
        cancelled = (await place.jobs.CancelPipelineRun(pb.CancelPipelineRunRequest(name=begun.name))).run
        assert cancelled.state == job_pb2.JOB_STATE_CANCELLED
        assert {pipeline_pb2.StepState.Name(one.state)[11:] for one in cancelled.steps} <= {"DISCARDED", "WAITING"}
        assert await place.cubes() == before


async def test_a_run_that_makes_its_writes_cannot_be_cancelled_and_a_lost_answer_is_asked_for_again(place, monkeypatch):
    real, calls, go = GrpcMemory.commit, [], asyncio.Event()

    async def commit(self, vault, changes, *, reason, request_id):
        done = await real(self, vault, changes, reason=reason, request_id=request_id)
        calls.append((request_id, tuple(changes), done))
        if len(calls) <= 8:  # more often than a job is tried
            go.set()
            raise PlatformError(Reason.UNAVAILABLE, "the answer was lost")
        return done

    monkeypatch.setattr(GrpcMemory, "commit", commit)
    monkeypatch.setenv("MEMPORIUM_SCHEDULER_RETRY_MAX_S", "0.1")
    begun = await place.begin("{steps: [{id: note, remember: {text: A thing to keep in mind.}}]}")
    await asyncio.wait_for(go.wait(), 30)
    refused = place.jobs.CancelPipelineRun(pb.CancelPipelineRunRequest(name=begun.name))
    assert await reason(refused) is Reason.ILLEGAL_TRANSITION
    run = await asyncio.wait_for(place.ended(begun.name), 60)
    assert (run.state, run.attempts) == (SUCCEEDED, 9)
    assert len({(request_id, changes) for request_id, changes, _ in calls}) == 1
    assert len({done for *_, done in calls}) == 1
    assert len(await place.cubes()) == len(FACTS) + 1


async def test_memory_that_changed_since_a_step_read_it_makes_the_steps_run_anew(place, monkeypatch):
    real, seen = GrpcMemory.commit, []
    name = f"{PARENT}/cubes/c2"

    async def commit(self, vault, changes, *, reason, request_id):
        if not seen:
            cube = cube_pb2.Cube(name=name, descriptive=cube_pb2.Descriptive(title="Changed meanwhile"))
            await place.vault.UpdateCube(vault_service_pb2.UpdateCubeRequest(cube=cube))
        seen.append(len(changes))
        return await real(self, vault, changes, reason=reason, request_id=request_id)

    monkeypatch.setattr(GrpcMemory, "commit", commit)
    run = await place.run(f"{{steps: [{{id: change, update: {{cube: {name}, text: Ana repaired it in May.}}}}]}}")
    assert (run.state, run.attempts, seen) == (SUCCEEDED, 2, [1, 1])
    got = await place.vault.GetCube(vault_service_pb2.GetCubeRequest(name=name))
    assert (got.cube.descriptive.title, got.cube.behavioural.version) == ("Changed meanwhile", 3)


WRONG = [
    ("{steps: []}", "definition", "required"),
    ("{steps: [{id: a}]}", "definition.steps[0]", "one of"),
    ("{steps: [{id: A, archive: {cubes: [x]}}]}", "definition.steps[0].id", "match"),
    ("{steps: [{id: a, retrieve: {query: x}}, {id: a, retrieve: {query: x}}]}", "definition.steps[1].id", "two"),
    ("{steps: [{id: a, retrieve: {}}]}", "definition.steps[0].retrieve.query", "required"),
    ("{steps: [{id: a, retrieve: {query: '${inputs.x}'}}]}", "definition.steps[0].retrieve.query", "no input"),
    ("{steps: [{id: a, retrieve: {query: '${steps.b.text}'}}]}", "definition.steps[0].retrieve.query", "no step"),
    ("{steps: [{id: a, retrieve: {query: '${oops}'}}]}", "definition.steps[0].retrieve.query", "reference is"),
    (
        "{steps: [{id: a, retrieve: {query: x}}, {id: b, archive: {cubes: ['${steps.a.context}']}}]}",
        "definition.steps[1].archive.cubes[0]",
        "wants CUBES or STAGED",
    ),
    (
        "{steps: [{id: a, remember: {text: x}}, {id: b, forget: {cubes: ['${steps.a.cubes}']}}]}",
        "definition.steps[1].forget.cubes[0]",
        "is STAGED",
    ),
    (
        "{steps: [{id: a, augment: {prompt: '${steps.b.text}'}}, {id: b, augment: {prompt: x}, after: [a]}]}",
        "definition.steps[0]",
        "a -> b -> a",
    ),
    ("{steps: [{id: a, retrieve: {query: x}, after: [z]}]}", "definition.steps[0].after[0]", "no step"),
    ("{steps: [{id: a, remember: {}}]}", "definition.steps[0].remember", "either"),
    ("{inputs: [{name: q}], steps: [{id: a, retrieve: {query: x}}]}", "inputs.q", "required"),
]


async def test_what_is_not_well_formed_is_refused_with_the_field(place):
    for steps, field, words in WRONG:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await place.begin(steps)
        error = reason_of(caught.value)
        assert error.reason is Reason.INVALID_FIELD, steps
        assert words in error.fields[0].description
        assert error.fields[0].field.startswith(field)


async def test_pipelines_are_kept_listed_and_deleted(place):
    definition = ParseDict(yaml.safe_load("{steps: [{id: a, retrieve: {query: x}}]}"), pipeline_pb2.Pipeline())
    request = pb.CreatePipelineRequest(parent=ORG, pipeline_id="mine", pipeline=definition)
    request.validate_only = True
    await place.jobs.CreatePipeline(request)
    request.validate_only = False
    made = (await place.jobs.CreatePipeline(request)).pipeline
    assert await reason(place.jobs.CreatePipeline(request)) is Reason.ALREADY_EXISTS
    request.pipeline_id = "remember"
    assert await reason(place.jobs.CreatePipeline(request)) is Reason.ALREADY_EXISTS
    assert (await place.jobs.GetPipeline(pb.GetPipelineRequest(name=made.name))).pipeline == made
    found, token = [], ""
    while True:
        page = await place.jobs.ListPipelines(pb.ListPipelinesRequest(parent=ORG, page_size=2, page_token=token))
        found += [one.name.rsplit("/", 1)[1] for one in page.pipelines]
        token = page.next_page_token
        if not token:
            break
    assert found == ["consolidate", "mine", "remember", "retrieve-augment-update-archive"]
    await place.jobs.DeletePipeline(pb.DeletePipelineRequest(name=made.name))
    assert await reason(place.jobs.GetPipeline(pb.GetPipelineRequest(name=made.name))) is Reason.NOT_FOUND
    shipped = pb.DeletePipelineRequest(name=f"{ORG}/pipelines/remember")
    assert await reason(place.jobs.DeletePipeline(shipped)) is Reason.FAILED_PRECONDITION


async def test_a_repeat_is_answered_though_the_pipeline_has_changed_or_gone(place):
    asked = job_pb2.RunPipeline(pipeline=f"{ORG}/pipelines/mine", vault=PARENT)
    asked.inputs["word"] = "boat"
    name, ids = asked.pipeline, (str(uuid.uuid4()), str(uuid.uuid4()))

    def keep(text):
        definition = ParseDict(yaml.safe_load(text), pipeline_pb2.Pipeline())
        return place.jobs.CreatePipeline(pb.CreatePipelineRequest(parent=ORG, pipeline_id="mine", pipeline=definition))

    async def runs():
        spec = job_pb2.JobSpec(run_pipeline=asked)
        job = await place.jobs.CreateJob(jobs_pb.CreateJobRequest(parent=ORG, spec=spec, request_id=ids[0]))
        request = pb.RunPipelineRequest(parent=ORG, pipeline=name, vault=PARENT, request_id=ids[1])
        request.inputs["word"].text = "boat"
        return job.job.name, (await place.jobs.RunPipeline(request)).run.name

    await keep("{inputs: [{name: word}], steps: [{id: a, retrieve: {query: '${inputs.word}'}}]}")
    made = await runs()
    await place.jobs.DeletePipeline(pb.DeletePipelineRequest(name=name))
    assert await runs() == made
    await keep("{inputs: [{name: other}], steps: [{id: a, retrieve: {query: '${inputs.other}'}}]}")
    assert await runs() == made


async def test_a_job_runs_a_pipeline_too_and_runs_are_listed(place):
    asked = job_pb2.RunPipeline(pipeline=f"{ORG}/pipelines/consolidate", vault=PARENT)
    spec = job_pb2.JobSpec(run_pipeline=asked)
    job = (await place.jobs.CreateJob(jobs_pb.CreateJobRequest(parent=ORG, spec=spec))).job
    assert job.kind == job_pb2.JOB_KIND_RUN_PIPELINE
    run = await place.ended(job.name.replace("/jobs/", "/pipelineRuns/"))
    assert run.state == SUCCEEDED
    listed = await place.jobs.ListPipelineRuns(pb.ListPipelineRunsRequest(parent=ORG))
    assert [one.name for one in listed.runs] == [run.name]
    # A page of a thousand must fit one message: what is long is for GetPipelineRun.
    assert not listed.runs[0].HasField("definition")
    failed = pb.ListPipelineRunsRequest(parent=ORG, states=[FAILED])
    assert not (await place.jobs.ListPipelineRuns(failed)).runs


async def test_nothing_of_a_run_is_left_in_the_scheduler(place):
    secret = "xylographic zeppelin"
    await place.run(f"{{steps: [{{id: a, remember: {{text: The {secret} flies.}}}}]}}")
    files = dict(stored(place.platform.kernel.settings.data_dir))
    assert files
    assert not [path for path, data in files.items() if b"xylographic" in data]


async def test_tensors_are_made_by_jobs_after_the_commit_and_not_where_it_fails(place):
    steps = """
    steps:
    - {id: keep, update: {text: "The boat is green and leaks.", title: Kept}}
    - {id: kv, activate: {cubes: ["${steps.keep.cubes}"], model: tiny-random}}
    - {id: find, retrieve: {query: green boat, least: %d}}
    """
    failed = await place.run(steps % 100)
    assert (failed.state, list(failed.jobs)) == (FAILED, [])
    run = await place.run(steps % 1)
    assert (run.state, run.error, len(run.jobs)) == (SUCCEEDED, "", 1)
    async for response in place.jobs.WatchJob(jobs_pb.WatchJobRequest(name=run.jobs[0])):
        job = response.job
    assert (job.state, job.kind) == (SUCCEEDED, job_pb2.JOB_KIND_BUILD_ACTIVATION)
    made = await place.vault.GetCube(vault_service_pb2.GetCubeRequest(name=job.result["cube"]))
    assert list(made.cube.payload.activation.source_cubes) == list(run.cubes)
    assert len((await place.jobs.ListJobs(jobs_pb.ListJobsRequest(parent=ORG))).jobs) == 3
