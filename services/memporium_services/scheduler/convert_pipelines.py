"""Pipelines and runs between the wire and the domain."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from google.protobuf.json_format import MessageToDict, ParseDict

from memporium.scheduler.v1 import job_pb2, pipeline_pb2
from memporium_platform.errors import invalid
from memporium_services.scheduler.app.pipelines import PIPELINE, RUN
from memporium_services.scheduler.convert import time_out
from memporium_services.scheduler.domain.definitions import pipeline_of
from memporium_services.scheduler.domain.jobs import JobState
from memporium_services.scheduler.domain.pipelines import arranged
from memporium_services.scheduler.domain.runs import KeptPipeline, StepState, shown_state
from memporium_services.scheduler.domain.step_kinds import Type

if TYPE_CHECKING:
    from collections.abc import Mapping

    from memporium_services.scheduler.app.pipelines import RunView

# Inputs of a thousand pipelines must fit one page.
_MOST_BYTES = 256 << 10
_GIVEN = ("description", "inputs", "steps")


def pipeline_name_in(name: str) -> tuple[str, str]:
    """Return organisation and id of a pipeline's name."""
    ids = PIPELINE.parse(name)
    return ids["org"], ids["pipeline"]


def run_name_in(name: str) -> tuple[str, str]:
    """Return organisation and id of a run's name."""
    ids = RUN.parse(name)
    return ids["org"], ids["run"]


def definition_in(pipeline: pipeline_pb2.Pipeline) -> Mapping[str, Any]:
    """Return what a pipeline is made of, as JSON values.

    Raises:
        PlatformError: INVALID_FIELD, where it is too large.
    """
    if pipeline.ByteSize() > _MOST_BYTES:
        raise invalid("pipeline", f"at most {_MOST_BYTES} bytes")
    given = MessageToDict(pipeline, preserving_proto_field_name=True)
    return {name: given[name] for name in _GIVEN if name in given}


def inputs_in(inputs: Mapping[str, pipeline_pb2.PipelineValue]) -> dict[str, tuple[Type, Any]]:
    """Return the values of a run with their types; one that is not set is an empty text."""
    return {name: _value_in(value) for name, value in inputs.items()}


def _value_in(value: pipeline_pb2.PipelineValue) -> tuple[Type, Any]:
    match value.WhichOneof("value"):
        case "number":
            return Type.NUMBER, value.number
        case "cubes":
            return Type.CUBES, list(value.cubes.names)
        case "turns":
            return Type.TURNS, [MessageToDict(turn, preserving_proto_field_name=True) for turn in value.turns.turns]
        case _:
            return Type.TEXT, value.text


def pipeline_out(kept: KeptPipeline, *, full: bool = True) -> pipeline_pb2.Pipeline:
    """Return the message of a pipeline; not full: without its steps, for lists."""
    made = _definition_out(kept.definition)
    if not full:
        made.ClearField("steps")
    made.name, made.shipped, made.creator = kept.name, kept.shipped, kept.creator
    if kept.create_time is not None:
        made.create_time.FromDatetime(kept.create_time)
    return made


def _definition_out(definition: Mapping[str, Any]) -> pipeline_pb2.Pipeline:
    return ParseDict(dict(definition), pipeline_pb2.Pipeline(), ignore_unknown_fields=True)


def run_out(view: RunView, *, full: bool = True) -> pipeline_pb2.PipelineRun:
    """Return the message of a run; not full: without its definition and cubes, for lists."""
    job, run = view.job, view.run
    made = pipeline_pb2.PipelineRun(
        name=run.name,
        pipeline=run.pipeline,
        definition=_definition_out(run.definition) if full else None,
        vault=run.vault,
        state=job_pb2.JobState.Value(f"JOB_STATE_{job.state.name}"),
        committing=run.committing,
        cubes=run.cubes if full and job.state is JobState.SUCCEEDED else (),
        jobs=[name for name in job.result.get("jobs", "").split("\n") if name],
        vault_revision=int(job.result.get("vault_revision", "0")),
        principal=job.principal,
        attempts=job.attempts,
        error_reason=job.error_reason,
        error=job.error,
        create_time=time_out(job.create_time),
        end_time=time_out(job.end_time),
        revision=job.revision,
    )
    steps, _ = arranged(pipeline_of(run.definition).steps)
    for step in steps:
        record = view.steps.get(step.id)
        state = shown_state(record.state, job.state) if record is not None else StepState.WAITING
        made.steps.add(
            id=step.id,
            state=pipeline_pb2.StepState.Value(f"STEP_STATE_{state.name}"),
            numbers=dict(record.numbers) if record is not None else {},
            changes=record.changes if record is not None else 0,
        )
    return made
