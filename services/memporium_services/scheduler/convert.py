"""Between the wire and the domain: the only place that knows both."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.timestamp_pb2 import Timestamp

from memporium.cube.v1 import cube_pb2
from memporium.scheduler.v1 import job_pb2, placement_pb2
from memporium_platform.errors import invalid
from memporium_platform.names import JOB, ORG
from memporium_platform.tiering.catalogue import plugins
from memporium_services.scheduler.domain.jobs import Job, JobKind, JobState
from memporium_services.scheduler.domain.strategies import STRATEGIES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from memporium_services.scheduler.domain.placement import Placement


def org_in(parent: str) -> str:
    """Return the organisation of a parent."""
    return ORG.parse(parent, "parent")["org"]


def job_name_in(name: str) -> tuple[str, str]:
    """Return organisation and id of a job's name."""
    ids = JOB.parse(name)
    return ids["org"], ids["job"]


def spec_in(spec: job_pb2.JobSpec) -> tuple[JobKind, Mapping[str, Any]]:
    """Return kind and arguments of a job."""
    chosen = spec.WhichOneof("kind")
    if chosen is None:
        raise invalid("spec", "one kind of job is required")
    return JobKind(chosen), MessageToDict(getattr(spec, chosen), preserving_proto_field_name=True)


def states_in(states: Iterable[job_pb2.JobState.ValueType]) -> list[JobState]:
    """Return the states to list."""
    names = [job_pb2.JobState.Name(state).removeprefix("JOB_STATE_") for state in states]
    return [JobState(name) for name in names if name in JobState.__members__]


def job_out(job: Job) -> job_pb2.Job:
    """Return the message of a job."""
    made = job_pb2.Job(
        name=job.name,
        kind=job_pb2.JobKind.Value(f"JOB_KIND_{job.kind.name}"),
        state=job_pb2.JobState.Value(f"JOB_STATE_{job.state.name}"),
        principal=job.principal,
        priority=job.priority,
        attempts=job.attempts,
        progress=job_pb2.JobProgress(completed=job.completed, total=job.total, message=job.message),
        result=dict(job.result),
        error_reason=job.error_reason,
        error=job.error,
        create_time=time_out(job.create_time),
        start_time=time_out(job.start_time),
        end_time=time_out(job.end_time),
        revision=job.revision,
    )
    arguments = getattr(made.spec, job.kind.value)
    arguments.SetInParent()
    ParseDict(dict(job.spec), arguments, ignore_unknown_fields=True)
    return made


def strategies_out() -> list[placement_pb2.Strategy]:
    """Return every strategy by name: those of placement, and the policies of other packages."""
    own = [
        placement_pb2.Strategy(name=one.name, description=one.description, policy=one.name in plugins())
        for one in STRATEGIES.values()
    ]
    others = [
        placement_pb2.Strategy(name=one.name, description=one.description, origin=one.origin, policy=True)
        for one in plugins().values()
        if one.name not in STRATEGIES
    ]
    return sorted([*own, *others], key=lambda one: one.name)


def placement_out(placement: Placement) -> placement_pb2.Placement:
    """Return the message of a decision."""
    candidate = placement.candidate
    return placement_pb2.Placement(
        cube=candidate.cube,
        current_tier=_tier_out(hot=candidate.hot),
        tier=_tier_out(hot=placement.hot),
        score=placement.score,
        size_bytes=candidate.size_bytes,
        reason=placement.reason,
    )


def _tier_out(*, hot: bool) -> cube_pb2.StorageTier.ValueType:
    return cube_pb2.STORAGE_TIER_HOT if hot else cube_pb2.STORAGE_TIER_ARCHIVE


def time_out(time: datetime | None) -> Timestamp | None:
    """Return the message of a time; None: there is none."""
    if time is None:
        return None
    stamp = Timestamp()
    stamp.FromDatetime(time)
    return stamp
