"""Carries out one attempt of a run: steps that are not staged yet, then the commit of all that they want to write.

What is staged is kept after each step, so an attempt after a crash goes on where the last one was. The commit is one
call to the vault with an id made of the run's name: however often it is sent, it is made once (docs/adr/0012).
"""

from __future__ import annotations

import base64
import hashlib
import os
from typing import TYPE_CHECKING, Any

from memporium_platform.errors import PlatformError, Reason, invalid, not_found
from memporium_services.scheduler.app.staging import Outcome, Scene, Staging
from memporium_services.scheduler.domain.definitions import pipeline_of
from memporium_services.scheduler.domain.jobs import Job, JobKind
from memporium_services.scheduler.domain.pipeline_checks import ordered
from memporium_services.scheduler.domain.runs import OUTDATED, UNKNOWN, StepRecord, StepState

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection

    from memporium_platform.storage.sql.database import Database
    from memporium_services.scheduler.app.sealing import Sealer
    from memporium_services.scheduler.domain.runs import Run
    from memporium_services.scheduler.ports import JobQueue, JobRows, Report
    from memporium_services.scheduler.ports_pipelines import Memory, PipelineRows

# Set by the crash test: the process ends at this point of a run, for instance `pipeline.find.after`.
_FAULT = "MEMPORIUM_FAULT"
MOST_CHANGES = 1000


class Running:
    """Carries out runs."""

    def __init__(
        self, database: Database, jobs: JobRows, rows: PipelineRows, *, memory: Memory, sealer: Sealer, queue: JobQueue
    ) -> None:
        """Work on a database with the memory of vaults."""
        self._database, self._jobs, self._rows, self._queue = database, jobs, rows, queue
        self._memory, self._staging, self._sealer = memory, Staging(memory), sealer

    async def attempt(self, job: Job, report: Report) -> Mapping[str, str]:
        """Run a pipeline from where it is to its end; return what came of it.

        Raises:
            PlatformError: What a step or the commit was refused with.
        """
        run, done = await self._load(job)
        steps = ordered(pipeline_of(run.definition))
        inputs = self._sealer.open(run.sealed_inputs, run.name, "inputs")
        total = len(steps) + 1
        for place, step in enumerate(steps):
            if step.id in done:
                continue
            await self._keep(job, StepRecord(step.id, StepState.RUNNING))
            await report(place, total, step.id)
            _fault(step.id, "before")
            scene = Scene(job.job_id, run.vault, job.create_time, inputs, done)
            done[step.id] = outcome = await self._staging.run(step, scene)
            _fault(step.id, "within")
            await self._keep(job, self._record(run, step.id, outcome))
            await report(place + 1, total, step.id)
            _fault(step.id, "after")
        changes = [change for step in steps for change in done[step.id].changes]
        if len(changes) > MOST_CHANGES:
            raise invalid("steps", f"want to make {len(changes)} changes, and one run may make {MOST_CHANGES}")
        made = await self._commit(job, run, changes)
        wanted = {step.id: one for step in steps for one in done[step.id].jobs}
        return {**made, "jobs": "\n".join(await self._follow_up(job, wanted))} if wanted else made

    async def _follow_up(self, job: Job, wanted: Mapping[str, tuple[str, Mapping[str, Any]]]) -> list[str]:
        """Make the jobs that steps wanted, each under an id of its own that stays; return their names."""
        made = [
            Job(
                org=job.org,
                job_id=f"{job.job_id}-{hashlib.sha256(step.encode()).hexdigest()[:12]}",
                kind=JobKind(kind),
                spec=spec,
                principal=job.principal,
                principal_kind=job.principal_kind,
                create_time=job.create_time,
                priority=job.priority,
            )
            for step, (kind, spec) in wanted.items()
        ]

        def write(conn: Connection) -> None:
            for one in made:
                if self._jobs.get(conn, one.org, one.job_id) is None:
                    self._jobs.insert(conn, one)

        await self._database.write(write)
        for one in made:
            await self._queue.put(one)
        return [one.name for one in made]

    async def committing(self, job: Job) -> bool:
        """Say whether a run's writes may have been made by an attempt whose answer did not come."""
        run = await self._database.read(lambda conn: self._rows.run(conn, job.org, job.job_id))
        return run is not None and run.committing

    async def _load(self, job: Job) -> tuple[Run, dict[str, Outcome]]:
        def load(conn: Connection) -> tuple[Run | None, dict[str, StepRecord]]:
            run = self._rows.run(conn, job.org, job.job_id)
            return run, self._rows.steps(conn, job.org, job.job_id)

        run, records = await self._database.read(load)
        if run is None:
            raise not_found(job.name)
        staged = {id_: one for id_, one in records.items() if one.state is StepState.STAGED}
        return run, {id_: self._outcome(run, one) for id_, one in staged.items()}

    async def _commit(self, job: Job, run: Run, changes: list[bytes]) -> Mapping[str, str]:
        if not changes:
            return {"cubes": "0"}
        await self._database.write(lambda conn: self._begin_commit(conn, job))
        _fault("commit", "before")
        try:
            done = await self._memory.commit(
                run.vault, changes, reason=f"pipeline {run.pipeline or run.name}", request_id=job.request_id("commit")
            )
        except PlatformError as error:
            reason = error.reason
            if reason not in UNKNOWN:
                await self._database.write(lambda conn: self._not_committed(conn, job, reason))
            raise
        _fault("commit", "after")
        await self._database.write(lambda conn: self._rows.set_cubes(conn, job.org, job.job_id, done.cubes))
        return {"cubes": str(len(done.cubes)), "vault_revision": str(done.revision)}

    def _begin_commit(self, conn: Connection, job: Job) -> None:
        """Note that the run can be cancelled no more, unless it was."""
        now = self._jobs.get(conn, job.org, job.job_id)
        if now is None or now.ended:
            raise PlatformError(Reason.CANCELLED, f"{job.name} was cancelled")
        self._rows.set_committing(conn, job.org, job.job_id, committing=True)

    def _not_committed(self, conn: Connection, job: Job, reason: Reason) -> None:
        self._rows.set_committing(conn, job.org, job.job_id, committing=False)
        if reason in OUTDATED:
            self._rows.drop_steps(conn, job.org, job.job_id)

    async def _keep(self, job: Job, record: StepRecord) -> None:
        await self._database.write(lambda conn: self._rows.save_step(conn, job.org, job.job_id, record))

    def _record(self, run: Run, step: str, outcome: Outcome) -> StepRecord:
        numbers = {name: value for name, value in outcome.outputs.items() if isinstance(value, float)}
        kept = {
            "outputs": dict(outcome.outputs),
            "changes": [base64.b64encode(one).decode() for one in outcome.changes],
            "licensed": list(outcome.licensed),
            "read": list(outcome.read),
            "jobs": list(outcome.jobs),
        }
        data = self._sealer.seal(kept, run.name, step)
        return StepRecord(step, StepState.STAGED, numbers, len(outcome.changes), data)

    def _outcome(self, run: Run, record: StepRecord) -> Outcome:
        kept = self._sealer.open(record.sealed, run.name, record.id)
        changes = tuple(base64.b64decode(one) for one in kept["changes"])
        jobs = tuple((kind, spec) for kind, spec in kept.get("jobs", ()))
        return Outcome(kept["outputs"], changes, tuple(kept["licensed"]), tuple(kept.get("read", ())), jobs)


def _fault(step: str, place: str) -> None:
    if os.environ.get(_FAULT) == f"pipeline.{step}.{place}":
        os._exit(137)
