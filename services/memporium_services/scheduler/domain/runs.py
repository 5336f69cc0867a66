"""Runs of pipelines: what is kept of them, and what may still be cancelled. No clock, no I/O."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from memporium_platform.errors import Reason
from memporium_services.scheduler.domain.jobs import JobState

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

# Answers after which nobody knows whether a commit was made: it is sent again, with the same id.
UNKNOWN = frozenset({Reason.UNAVAILABLE, Reason.DEADLINE_EXCEEDED, Reason.INTERNAL, Reason.CANCELLED})
# Refusals of a commit because memory has changed since steps read it: the steps run anew.
OUTDATED = frozenset({Reason.ETAG_MISMATCH, Reason.CONFLICT})


class StepState(StrEnum):
    """How far a step is; WAITING is the absence of a record."""

    WAITING = "WAITING"
    RUNNING = "RUNNING"
    STAGED = "STAGED"
    COMMITTED = "COMMITTED"
    FAILED = "FAILED"
    DISCARDED = "DISCARDED"


@dataclass(frozen=True, slots=True)
class KeptPipeline:
    """A pipeline; `definition` holds the JSON values of its message."""

    org: str
    pipeline_id: str
    definition: Mapping[str, Any]
    creator: str
    create_time: datetime | None
    shipped: bool = False

    @property
    def name(self) -> str:
        """The resource name."""
        return f"orgs/{self.org}/pipelines/{self.pipeline_id}"


@dataclass(frozen=True, slots=True)
class Run:
    """What a run is to do; its state is its job's.

    Attributes:
        org: Organisation.
        run_id: Its id, the job's too.
        pipeline: Name of the pipeline; "": given with the run.
        definition: JSON values of the pipeline's message.
        vault: Where it writes.
        sealed_inputs: Its inputs; empty after its end.
        committing: Whether its writes are being made, or may have been.
        cubes: What it made, changed or archived.
    """

    org: str
    run_id: str
    pipeline: str
    definition: Mapping[str, Any]
    vault: str
    sealed_inputs: bytes
    committing: bool = False
    cubes: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The resource name."""
        return f"orgs/{self.org}/pipelineRuns/{self.run_id}"


@dataclass(frozen=True, slots=True)
class StepRecord:
    """A step that was begun; `sealed` holds outputs and changes, where it is staged and the run has not ended."""

    id: str
    state: StepState
    numbers: Mapping[str, float] = field(default_factory=dict)
    changes: int = 0
    sealed: bytes = b""


def shown_state(state: StepState, job: JobState) -> StepState:
    """Return the state of a step as the state of its run makes it."""
    if job is JobState.SUCCEEDED:
        return StepState.COMMITTED
    if job is JobState.FAILED and state is StepState.RUNNING:
        return StepState.FAILED
    if job in {JobState.FAILED, JobState.CANCELLED} and state in {StepState.RUNNING, StepState.STAGED}:
        return StepState.DISCARDED
    return state
