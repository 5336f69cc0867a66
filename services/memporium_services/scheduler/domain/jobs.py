"""Jobs: what they are and how their state may change. No clock, no I/O.

Rules: QUEUED > RUNNING > SUCCEEDED | FAILED; QUEUED or RUNNING > CANCELLED; RUNNING > RUNNING is a further attempt. An
ended job never changes again. Each change counts the revision up by one.
"""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from memporium_platform.errors import PlatformError, Reason

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime


class JobKind(StrEnum):
    """What a job does; the values are the fields of `JobSpec`."""

    SWEEP_VAULTS = "sweep_vaults"
    BUILD_ACTIVATION = "build_activation"
    TRAIN_PARAMETER = "train_parameter"
    DELIVER_RELEASE = "deliver_release"
    PLACE_MEMORIES = "place_memories"
    DUMP_VAULT = "dump_vault"
    CONSOLIDATE = "consolidate"
    RUN_PIPELINE = "run_pipeline"
    LOAD_BUNDLE = "load_bundle"
    DELIVER_CUBES = "deliver_cubes"
    CONVERT_MEMORIES = "convert_memories"
    MERGE_PARAMETERS = "merge_parameters"
    PROBE_PARAMETER = "probe_parameter"


class JobState(StrEnum):
    """How far a job is."""

    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


ENDED = frozenset({JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED})
_NEXT: Mapping[JobState, frozenset[JobState]] = {
    JobState.QUEUED: frozenset({JobState.RUNNING, JobState.CANCELLED, JobState.FAILED}),
    JobState.RUNNING: frozenset({JobState.RUNNING, JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED}),
}
# Failures that may pass by themselves; anything else ends the job at once.
PASSING = frozenset(
    {
        Reason.UNAVAILABLE,
        Reason.OVERLOADED,
        Reason.RATE_LIMITED,
        Reason.POLICY_STALE,
        Reason.DEADLINE_EXCEEDED,
        Reason.CONFLICT,
        Reason.ETAG_MISMATCH,
        Reason.INTERNAL,
    }
)


@dataclass(frozen=True, slots=True)
class Job:
    """One job.

    Attributes:
        org: Organisation that it belongs to.
        job_id: Its id.
        kind: What it does.
        spec: Its arguments, JSON values by the field names of the proto.
        principal: Name of the principal with whose rights it runs.
        principal_kind: Kind of that principal.
        state: How far it is.
        priority: 0 to 100; higher runs sooner.
        create_time: When it was made.
    """

    org: str
    job_id: str
    kind: JobKind
    spec: Mapping[str, Any]
    principal: str
    principal_kind: str
    create_time: datetime
    state: JobState = JobState.QUEUED
    priority: int = 0
    attempts: int = 0
    completed: int = 0
    total: int = 0
    message: str = ""
    result: Mapping[str, str] = field(default_factory=dict)
    error_reason: str = ""
    error: str = ""
    start_time: datetime | None = None
    end_time: datetime | None = None
    revision: int = 1

    @property
    def name(self) -> str:
        """The resource name."""
        return f"orgs/{self.org}/jobs/{self.job_id}"

    @property
    def ended(self) -> bool:
        """Say whether it never changes again."""
        return self.state in ENDED

    def request_id(self, step: str = "") -> str:
        """Return the idempotency id of a step: the same at each attempt, so a step that was done is not done again."""
        digest = hashlib.sha256(f"{self.name}\0{step}".encode()).digest()
        return str(uuid.UUID(bytes=digest[:16], version=4))

    def begin(self, now: datetime) -> Job:
        """Return the job at its next attempt."""
        moved = self._move(JobState.RUNNING)
        return replace(moved, attempts=self.attempts + 1, start_time=self.start_time or now)

    def report(self, completed: int, total: int, message: str) -> Job:
        """Return the job with its progress."""
        return replace(self._move(JobState.RUNNING), completed=completed, total=total, message=message)

    def succeed(self, now: datetime, result: Mapping[str, str]) -> Job:
        """Return the job, done, with all of its steps: the last is reported as it begins."""
        done, whole = self._move(JobState.SUCCEEDED), max(self.completed, self.total)
        return replace(done, end_time=now, completed=whole, result=dict(result), error="", error_reason="")

    def fail(self, now: datetime, reason: str, error: str) -> Job:
        """Return the job, given up."""
        return replace(self._move(JobState.FAILED), end_time=now, error_reason=reason, error=error)

    def cancel(self, now: datetime) -> Job:
        """Return the job, cancelled."""
        return replace(self._move(JobState.CANCELLED), end_time=now)

    def note(self, reason: str, error: str) -> Job:
        """Return the job with the failure of an attempt that is not the last."""
        return replace(self._move(JobState.RUNNING), error_reason=reason, error=error)

    def _move(self, state: JobState) -> Job:
        if state not in _NEXT.get(self.state, frozenset()):
            raise PlatformError(
                Reason.ILLEGAL_TRANSITION,
                f"{self.name} is {self.state} and cannot become {state}",
                metadata={"resource": self.name, "state": self.state, "trigger": state},
            )
        return replace(self, state=state, revision=self.revision + 1)


def retry_delay_s(attempt: int, *, initial_s: float, maximum_s: float) -> float:
    """Return seconds to wait after the attempt of this number, counted from 1."""
    return min(initial_s * 2.0 ** max(0, attempt - 1), maximum_s)
