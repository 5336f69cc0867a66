"""The table of jobs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, delete, func, insert, select, update

from memporium_platform.storage.sql.times import from_us, to_us
from memporium_services.scheduler.adapters.pipeline_rows import clear_run, is_committing, prune_runs
from memporium_services.scheduler.adapters.tables import jobs
from memporium_services.scheduler.domain.jobs import ENDED, Job, JobKind, JobState

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy import Row

_UNFINISHED = [state.value for state in JobState if state not in ENDED]


class SqlJobRows:
    """`JobRows` on either SQL engine."""

    def insert(self, conn: Connection, job: Job) -> None:
        """Add a job."""
        conn.execute(insert(jobs).values(org=job.org, job_id=job.job_id, **_values(job)))

    def get(self, conn: Connection, org: str, job_id: str) -> Job | None:
        """Return a job, or None."""
        row = conn.execute(select(jobs).where(jobs.c.org == org, jobs.c.job_id == job_id)).one_or_none()
        return None if row is None else _job(row)

    def save(self, conn: Connection, job: Job) -> bool:
        """Write a changed job; False where another change came between."""
        same = (jobs.c.org == job.org) & (jobs.c.job_id == job.job_id) & (jobs.c.revision == job.revision - 1)
        saved = conn.execute(update(jobs).where(same).values(**_values(job))).rowcount == 1
        if saved and job.ended and job.kind is JobKind.RUN_PIPELINE:
            clear_run(conn, job.org, job.job_id)
        return saved

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
        """Return jobs, newest first: ids are ULIDs, so their order is that of their making."""
        query = select(jobs).where(jobs.c.org == org).order_by(jobs.c.job_id.desc()).limit(limit)
        if before:
            query = query.where(jobs.c.job_id < before)
        if states:
            query = query.where(jobs.c.state.in_([state.value for state in states]))
        if kinds:
            query = query.where(jobs.c.kind.in_([kind.value for kind in kinds]))
        return [_job(row) for row in conn.execute(query)]

    def committing(self, conn: Connection, job: Job) -> bool:
        """Say whether a job is past the point up to which it can be cancelled."""
        return job.kind is JobKind.RUN_PIPELINE and is_committing(conn, job.org, job.job_id)

    def waiting(self, conn: Connection, org: str) -> int:
        """Return how many jobs of an organisation have not ended."""
        query = select(func.count()).select_from(jobs).where(jobs.c.org == org, jobs.c.state.in_(_UNFINISHED))
        return int(conn.execute(query).scalar_one())

    def unfinished(self, conn: Connection) -> list[Job]:
        """Return every job that has not ended, oldest first."""
        query = select(jobs).where(jobs.c.state.in_(_UNFINISHED)).order_by(jobs.c.job_id)
        return [_job(row) for row in conn.execute(query)]

    def prune(self, conn: Connection, before: datetime) -> int:
        """Delete the jobs that ended before a time; return how many."""
        ended = jobs.c.end_us < to_us(before)
        prune_runs(conn, select(jobs.c.org, jobs.c.job_id).where(ended, jobs.c.kind == JobKind.RUN_PIPELINE.value))
        return conn.execute(delete(jobs).where(ended)).rowcount


def _values(job: Job) -> dict[str, Any]:
    return {
        "kind": job.kind.value,
        "spec": json.dumps(job.spec),
        "principal": job.principal,
        "principal_kind": job.principal_kind,
        "state": job.state.value,
        "priority": job.priority,
        "attempts": job.attempts,
        "completed": job.completed,
        "total": job.total,
        "message": job.message,
        "result": json.dumps(dict(job.result)),
        "error_reason": job.error_reason,
        "error": job.error,
        "create_us": to_us(job.create_time),
        "start_us": to_us(job.start_time) if job.start_time else None,
        "end_us": to_us(job.end_time) if job.end_time else None,
        "revision": job.revision,
    }


def _job(row: Row[Any]) -> Job:
    return Job(
        org=row.org,
        job_id=row.job_id,
        kind=JobKind(row.kind),
        spec=json.loads(row.spec),
        principal=row.principal,
        principal_kind=row.principal_kind,
        create_time=from_us(row.create_us),
        state=JobState(row.state),
        priority=row.priority,
        attempts=row.attempts,
        completed=row.completed,
        total=row.total,
        message=row.message,
        result=json.loads(row.result),
        error_reason=row.error_reason,
        error=row.error,
        start_time=None if row.start_us is None else from_us(row.start_us),
        end_time=None if row.end_us is None else from_us(row.end_us),
        revision=row.revision,
    )
