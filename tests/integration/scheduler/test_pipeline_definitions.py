"""Definitions of pipelines over gRPC: refused where they are not well formed, kept, listed, run by jobs, repeated."""

from __future__ import annotations

import uuid

import grpc
import pytest
import yaml
from google.protobuf.json_format import ParseDict

from memporium.scheduler.v1 import job_pb2, pipeline_pb2
from memporium.scheduler.v1 import pipeline_calls_pb2 as pb
from memporium.scheduler.v1 import scheduler_service_pb2 as jobs_pb
from memporium_platform.errors import Reason
from memporium_platform.rpc.errors_client import reason_of
from support.pipelines import FAILED, ORG, PARENT, SUCCEEDED
from support.vaults import reason

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
