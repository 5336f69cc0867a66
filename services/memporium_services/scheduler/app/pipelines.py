"""Keeping pipelines, and beginning, reading and watching their runs."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from memporium_platform import audit, idempotency, names
from memporium_platform.call import current_call
from memporium_platform.errors import PlatformError, Reason, already_exists, denied, invalid, not_found
from memporium_services.scheduler.domain.definitions import pipeline_of, shipped
from memporium_services.scheduler.domain.jobs import Job, JobKind
from memporium_services.scheduler.domain.pipeline_checks import ordered
from memporium_services.scheduler.domain.runs import KeptPipeline, Run
from memporium_services.scheduler.domain.step_kinds import Type
from memporium_services.scheduler.domain.values import inputs_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence

    from sqlalchemy import Connection

    from memporium_platform.clock import Clock
    from memporium_platform.storage.sql.database import Database
    from memporium_services.scheduler.app.jobs import Jobs
    from memporium_services.scheduler.app.sealing import Sealer
    from memporium_services.scheduler.domain.jobs import JobState
    from memporium_services.scheduler.domain.runs import StepRecord
    from memporium_services.scheduler.ports import JobRows
    from memporium_services.scheduler.ports_pipelines import PipelineRows

PIPELINE = names.Pattern("orgs/{org}/pipelines/{pipeline}")
RUN = names.Pattern("orgs/{org}/pipelineRuns/{run}")
_MOST_PIPELINES = 1000


class RunView:
    """A run as it is: its job, what it is to do, and its steps."""

    def __init__(self, job: Job, run: Run, steps: Mapping[str, StepRecord]) -> None:
        """Put together what tables hold."""
        self.job, self.run, self.steps = job, run, steps


class Pipelines:
    """The pipelines and runs of all organisations."""

    def __init__(
        self, database: Database, jobs: Jobs, job_rows: JobRows, rows: PipelineRows, *, sealer: Sealer, clock: Clock
    ) -> None:
        """Work on a database; runs are jobs."""
        self._database, self._jobs, self._job_rows, self._rows = database, jobs, job_rows, rows
        self._sealer, self._clock = sealer, clock

    async def create(
        self, org: str, pipeline_id: str, definition: Mapping[str, Any], *, validate_only: bool
    ) -> KeptPipeline:
        """Keep a pipeline.

        Raises:
            PlatformError: INVALID_FIELD, ALREADY_EXISTS, QUOTA_EXCEEDED.
        """
        names.check_id(pipeline_id, "pipeline_id")
        ordered(pipeline_of(definition))
        call, now = current_call(), self._clock.now()
        made = KeptPipeline(org, pipeline_id, definition, call.principal.name, now)
        if pipeline_id in shipped(org):
            raise already_exists(made.name)
        if validate_only:
            return made

        def run(conn: Connection) -> KeptPipeline:
            if len(self._rows.page(conn, org, after="", limit=_MOST_PIPELINES)) == _MOST_PIPELINES:
                raise PlatformError(
                    Reason.QUOTA_EXCEEDED,
                    f"an organisation may keep {_MOST_PIPELINES} pipelines",
                    metadata={"quota": "scheduler.pipelines", "limit": str(_MOST_PIPELINES)},
                )
            if not self._rows.insert(conn, made):
                raise already_exists(made.name)
            audit.record_in(conn, call, resource=made.name)
            return made

        return await self._database.write(
            lambda conn: idempotency.once(
                conn,
                call,
                now=now,
                run=run,
                remember=lambda one: one.pipeline_id,
                recall=lambda inner, id_: self._kept(inner, org, id_),
            )
        )

    async def get(self, org: str, pipeline_id: str) -> KeptPipeline:
        """Return a pipeline.

        Raises:
            PlatformError: NOT_FOUND.
        """
        return await self._database.read(lambda conn: self._kept(conn, org, pipeline_id))

    async def page(self, org: str, *, after: str, limit: int) -> list[KeptPipeline]:
        """Return pipelines by id, those of the platform among them."""
        kept = await self._database.read(lambda conn: self._rows.page(conn, org, after=after, limit=limit))
        own = [one for id_, one in shipped(org).items() if id_ > after]
        return sorted([*kept, *own], key=lambda one: one.pipeline_id)[:limit]

    async def delete(self, org: str, pipeline_id: str) -> None:
        """Remove a pipeline; runs that began go on.

        Raises:
            PlatformError: NOT_FOUND; FAILED_PRECONDITION for one of the platform's.
        """
        call = current_call()
        name = PIPELINE.format(org=org, pipeline=pipeline_id)
        if pipeline_id in shipped(org):
            raise PlatformError(
                Reason.FAILED_PRECONDITION,
                f"{name} comes with the platform",
                metadata={"resource": name, "state": "SHIPPED"},
            )

        def run(conn: Connection) -> None:
            if not self._rows.delete(conn, org, pipeline_id):
                raise not_found(name)
            audit.record_in(conn, call, resource=name)

        await self._database.write(
            lambda conn: idempotency.once(
                conn, call, now=self._clock.now(), run=run, remember=lambda _: "", recall=lambda _conn, _: None
            )
        )

    async def begin(
        self,
        org: str,
        *,
        pipeline: str,
        definition: Mapping[str, Any] | None,
        vault: str,
        inputs: Mapping[str, tuple[Type, Any]],
        priority: int,
    ) -> RunView:
        """Begin a run; it is durable when this returns.

        Raises:
            PlatformError: INVALID_FIELD, NOT_FOUND, OVERLOADED.
        """
        # First of all: the pipeline may have been changed or deleted since the run began.
        job = await self._jobs.made(org)
        if job is not None:
            return await self.run(org, job.job_id)
        spec, add = await self.prepare(org, pipeline=pipeline, definition=definition, vault=vault, inputs=inputs)
        job = await self._jobs.create(org, JobKind.RUN_PIPELINE, spec, priority=priority, add=add)
        return await self.run(org, job.job_id)

    async def prepare(
        self,
        org: str,
        *,
        pipeline: str,
        definition: Mapping[str, Any] | None,
        vault: str,
        inputs: Mapping[str, tuple[Type, Any]],
        cubes: Sequence[str] | None = None,
    ) -> tuple[Mapping[str, Any], Callable[[Connection, Job], None]]:
        """Return the arguments of a run's job, and what is written with it; `cubes`: for an input of that name.

        Raises:
            PlatformError: INVALID_FIELD, NOT_FOUND.
        """
        if (definition is None) == (not pipeline):
            raise invalid("pipeline", "give either a pipeline or a definition")
        if names.VAULT.parse(vault, "vault")["org"] != org:
            raise invalid("vault", f"must be of orgs/{org}")
        field = "definition"
        if definition is None:
            ids = PIPELINE.parse(pipeline, "pipeline")
            if ids["org"] != org:
                raise invalid("pipeline", f"must be of orgs/{org}")
            definition, field = (await self.get(org, ids["pipeline"])).definition, "pipeline"
        declared = pipeline_of(definition)
        ordered(declared, field=field)
        if cubes is not None and any(one.name == "cubes" and one.type is Type.CUBES for one in declared.inputs):
            inputs = {**inputs, "cubes": (Type.CUBES, list(cubes))}
        values = inputs_of(declared, inputs)
        whole = definition

        def add(conn: Connection, job: Job) -> None:
            run = Run(org, job.job_id, pipeline, whole, vault, b"")
            sealed = self._sealer.seal(values, run.name, "inputs")
            self._rows.insert_run(conn, replace(run, sealed_inputs=sealed))

        return {"pipeline": pipeline, "vault": vault}, add

    async def prepare_texts(
        self, org: str, spec: Mapping[str, Any], texts: Mapping[str, str], *, cubes: Sequence[str] | None
    ) -> tuple[Mapping[str, Any], Callable[[Connection, Job], None]]:
        """Do what `prepare` does with inputs that are texts, of a kept pipeline.

        Raises:
            PlatformError: INVALID_FIELD, NOT_FOUND.
        """
        inputs = {name: (Type.TEXT, value) for name, value in texts.items()}
        return await self.prepare(
            org,
            pipeline=spec.get("pipeline", ""),
            definition=None,
            vault=spec.get("vault", ""),
            inputs=inputs,
            cubes=cubes,
        )

    async def run(self, org: str, run_id: str) -> RunView:
        """Return a run.

        Raises:
            PlatformError: PERMISSION_DENIED, the same as for a run that may not be seen, where there is none.
        """
        return await self._database.read(lambda conn: self._view(conn, org, run_id))

    async def runs(self, org: str, *, states: Sequence[JobState], before: str, limit: int) -> list[RunView]:
        """Return runs, newest first."""

        def load(conn: Connection) -> list[RunView]:
            jobs = self._job_rows.page(
                conn, org, states=states, before=before, limit=limit, kinds=[JobKind.RUN_PIPELINE]
            )
            return [self._view(conn, org, job.job_id) for job in jobs]

        return await self._database.read(load)

    async def cancel(self, org: str, run_id: str) -> RunView:
        """Cancel a run that has not begun to make its writes.

        Raises:
            PlatformError: ILLEGAL_TRANSITION where it has, or has ended otherwise.
        """
        await self.run(org, run_id)
        await self._jobs.cancel(org, run_id)
        return await self.run(org, run_id)

    async def watch(self, org: str, run_id: str, after_revision: int) -> AsyncIterator[RunView]:
        """Yield a run at each change until it has ended; changes that follow fast are seen as one."""
        await self.run(org, run_id)
        async for _ in self._jobs.watch(org, run_id, after_revision):
            yield await self.run(org, run_id)

    def _kept(self, conn: Connection, org: str, pipeline_id: str) -> KeptPipeline:
        found = shipped(org).get(pipeline_id) or self._rows.get(conn, org, pipeline_id)
        if found is None:
            raise not_found(PIPELINE.format(org=org, pipeline=pipeline_id))
        return found

    def _view(self, conn: Connection, org: str, run_id: str) -> RunView:
        job, run = self._job_rows.get(conn, org, run_id), self._rows.run(conn, org, run_id)
        if job is None or run is None:
            raise denied("scheduler.runs.get", RUN.format(org=org, run=run_id))
        return RunView(job, run, self._rows.steps(conn, org, run_id))
