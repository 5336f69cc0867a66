"""Pipelines over gRPC, against a real vault, reader and inference: all of a run's writes, or none."""

from __future__ import annotations

import asyncio

from memporium.cube.v1 import cube_pb2
from memporium.reader.v1 import scenes_pb2
from memporium.scheduler.v1 import job_pb2, pipeline_pb2
from memporium.scheduler.v1 import pipeline_calls_pb2 as pb
from memporium.scheduler.v1 import scheduler_service_pb2 as jobs_pb
from memporium.vault.v1 import cubes_pb2, vault_service_pb2
from memporium_platform.errors import PlatformError, Reason
from memporium_services.scheduler.adapters.grpc_memory import GrpcMemory
from memporium_services.scheduler.app.staging import Staging
from support.pipelines import FACTS, FAILED, ORG, PARENT, SUCCEEDED, said
from support.stored import stored
from support.vaults import reason


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
