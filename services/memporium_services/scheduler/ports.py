"""What the scheduler needs from outside."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy import Connection

    from memporium_services.scheduler.domain.jobs import Job, JobKind, JobState
    from memporium_services.scheduler.domain.schedules import Schedule
    from memporium_services.scheduler.domain.strategies import Candidate


class Report(Protocol):
    """Takes the progress of a job."""

    async def __call__(self, completed: int, total: int, message: str) -> None:
        """Note how much is done."""
        ...


class JobRows(Protocol):
    """The table of jobs; methods run within a transaction."""

    def insert(self, conn: Connection, job: Job) -> None:
        """Add a job."""
        ...

    def get(self, conn: Connection, org: str, job_id: str) -> Job | None:
        """Return a job, or None."""
        ...

    def save(self, conn: Connection, job: Job) -> bool:
        """Write a changed job; False where another change came between (its revision is not the one before)."""
        ...

    def page(
        self,
        conn: Connection,
        org: str,
        *,
        states: Sequence[JobState],
        before: str,
        limit: int,
        kinds: Sequence[JobKind] = (),
    ) -> list[Job]:
        """Return jobs of an organisation, newest first, with ids below `before` ("": from the newest)."""
        ...

    def committing(self, conn: Connection, job: Job) -> bool:
        """Say whether a job is past the point up to which it can be cancelled."""
        ...

    def waiting(self, conn: Connection, org: str) -> int:
        """Return how many jobs of an organisation have not ended."""
        ...

    def unfinished(self, conn: Connection) -> list[Job]:
        """Return every job that has not ended."""
        ...

    def prune(self, conn: Connection, before: datetime) -> int:
        """Delete the jobs that ended before a time; return how many."""
        ...


class ScheduleRows(Protocol):
    """The table of schedules; methods run within a transaction."""

    def insert(self, conn: Connection, one: Schedule) -> None:
        """Add a schedule."""
        ...

    def get(self, conn: Connection, org: str, schedule_id: str) -> Schedule | None:
        """Return a schedule, or None."""
        ...

    def page(self, conn: Connection, org: str, *, after: str, limit: int) -> list[Schedule]:
        """Return schedules by id, those beyond `after`."""
        ...

    def count(self, conn: Connection, org: str) -> int:
        """Return how many schedules an organisation has."""
        ...

    def delete(self, conn: Connection, org: str, schedule_id: str) -> bool:
        """Remove a schedule; False where there is none."""
        ...

    def due(self, conn: Connection, now: datetime) -> list[Schedule]:
        """Return the schedules whose time has come."""
        ...

    def watching(self, conn: Connection) -> list[Schedule]:
        """Return the schedules that wait for labels."""
        ...

    def save(self, conn: Connection, one: Schedule, *, before: Schedule) -> bool:
        """Write what moved on; False where another replica moved it before, or it was paused or deleted."""
        ...


class JobQueue(Protocol):
    """The durable queue: what was put in is run at least once, also after a crash."""

    async def put(self, job: Job) -> None:
        """Queue a job; one that is queued already is not queued again."""
        ...

    async def drop(self, job: Job) -> None:
        """Take a job out, or stop it where it runs."""
        ...


class Services(Protocol):
    """The other services, called with the rights of the call in progress. Each takes an idempotency id."""

    async def sweep(self, request_id: str, report: Report) -> Mapping[str, str]:
        """Sweep all vaults."""
        ...

    async def build_activation(self, spec: Mapping[str, Any], request_id: str, report: Report) -> Mapping[str, str]:
        """Build KV memory."""
        ...

    async def merge_parameters(self, spec: Mapping[str, Any], request_id: str, report: Report) -> Mapping[str, str]:
        """Merge LoRA memories; return `cube`, and `not_admitted` where it failed its tests."""
        ...

    async def probe_parameter(self, spec: Mapping[str, Any], request_id: str, report: Report) -> Mapping[str, str]:
        """Ask a LoRA memory back to text; return `cube`."""
        ...

    async def train_parameter(self, spec: Mapping[str, Any], request_id: str, report: Report) -> Mapping[str, str]:
        """Train LoRA memory."""
        ...

    async def deliver_release(
        self, org: str, spec: Mapping[str, Any], request_id: str, report: Report
    ) -> Mapping[str, str]:
        """Pull a release into the pack vault."""
        ...

    async def dump_vault(self, spec: Mapping[str, Any], request_id: str, report: Report) -> Mapping[str, str]:
        """Back a vault up."""
        ...

    async def load_bundle(
        self, org: str, spec: Mapping[str, Any], request_id: str, report: Report
    ) -> Mapping[str, str]:
        """Restore a backup."""
        ...

    async def deliver_cubes(self, job: Job, report: Report) -> Mapping[str, str]:
        """Copy memories into another vault."""
        ...

    async def revision(self, vault: str) -> int:
        """Return a vault's revision."""
        ...

    def tagged(self, vault: str, after: int, tags: Sequence[str]) -> AsyncIterator[tuple[int, list[str]]]:
        """Yield, for some time, (complete through this revision, cubes with a label that were made or changed)."""
        ...

    async def consolidate(self, spec: Mapping[str, Any], report: Report) -> Mapping[str, str]:
        """Bring the scenes and profiles of a vault up to date."""
        ...

    async def candidates(self, vault: str, limit: int) -> tuple[list[Candidate], bool]:
        """Return the memories of a vault for placement, and whether there are more."""
        ...

    async def similarities(self, vault: str, query: str) -> Mapping[str, float]:
        """Return how near the memories of a vault are to a question, 0 to 1, those that are near."""
        ...

    async def move(self, cube: str, *, hot: bool, request_id: str, reason: str) -> bool:
        """Move a memory to a tier; False where its state does not allow it."""
        ...
