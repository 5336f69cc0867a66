"""The tables of pipelines, runs, and what runs staged."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, delete, insert, select, tuple_, update

from memporium_platform.storage.sql.times import from_us, to_us
from memporium_platform.storage.sql.upsert import upsert
from memporium_services.scheduler.adapters.tables import pipeline_runs, pipeline_steps, pipelines
from memporium_services.scheduler.domain.runs import KeptPipeline, Run, StepRecord, StepState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import ColumnElement, Row, Select

    from memporium_services.scheduler.app.sealing import Sealer


class SqlPipelineRows:
    """`PipelineRows` on either SQL engine."""

    def __init__(self, sealer: Sealer) -> None:
        """Seal what may hold memory."""
        self._sealer = sealer

    def insert(self, conn: Connection, pipeline: KeptPipeline) -> bool:
        """Add a pipeline; False where its id is taken."""
        if pipeline.create_time is None or self.get(conn, pipeline.org, pipeline.pipeline_id) is not None:
            return False
        conn.execute(
            insert(pipelines).values(
                org=pipeline.org,
                pipeline_id=pipeline.pipeline_id,
                definition=self._sealer.seal(pipeline.definition, pipeline.name, "definition"),
                creator=pipeline.creator,
                create_us=to_us(pipeline.create_time),
            )
        )
        return True

    def get(self, conn: Connection, org: str, pipeline_id: str) -> KeptPipeline | None:
        """Return a pipeline, or None."""
        same = (pipelines.c.org == org) & (pipelines.c.pipeline_id == pipeline_id)
        row = conn.execute(select(pipelines).where(same)).one_or_none()
        return None if row is None else self._pipeline(row)

    def page(self, conn: Connection, org: str, *, after: str, limit: int) -> list[KeptPipeline]:
        """Return pipelines by id, those beyond `after`."""
        query = select(pipelines).where(pipelines.c.org == org, pipelines.c.pipeline_id > after)
        return [self._pipeline(row) for row in conn.execute(query.order_by(pipelines.c.pipeline_id).limit(limit))]

    def _pipeline(self, row: Row[Any]) -> KeptPipeline:
        kept = KeptPipeline(row.org, row.pipeline_id, {}, row.creator, from_us(row.create_us))
        return replace(kept, definition=self._sealer.open(row.definition, kept.name, "definition"))

    def delete(self, conn: Connection, org: str, pipeline_id: str) -> bool:
        """Remove a pipeline; False where there is none."""
        same = (pipelines.c.org == org) & (pipelines.c.pipeline_id == pipeline_id)
        return conn.execute(delete(pipelines).where(same)).rowcount == 1

    def insert_run(self, conn: Connection, run: Run) -> None:
        """Add a run."""
        conn.execute(
            insert(pipeline_runs).values(
                org=run.org,
                run_id=run.run_id,
                pipeline=run.pipeline,
                definition=self._sealer.seal(run.definition, run.name, "definition"),
                vault=run.vault,
                sealed_inputs=run.sealed_inputs,
                committing=run.committing,
            )
        )

    def run(self, conn: Connection, org: str, run_id: str) -> Run | None:
        """Return a run, or None."""
        row = conn.execute(select(pipeline_runs).where(_of_run(pipeline_runs, org, run_id))).one_or_none()
        if row is None:
            return None
        cubes = tuple(row.cubes.split("\n")) if row.cubes else ()
        run = Run(row.org, row.run_id, row.pipeline, {}, row.vault, row.sealed_inputs, row.committing, cubes)
        return replace(run, definition=self._sealer.open(row.definition, run.name, "definition"))

    def set_committing(self, conn: Connection, org: str, run_id: str, *, committing: bool) -> None:
        """Note whether a run's writes are being made."""
        conn.execute(update(pipeline_runs).where(_of_run(pipeline_runs, org, run_id)).values(committing=committing))

    def set_cubes(self, conn: Connection, org: str, run_id: str, cubes: Sequence[str]) -> None:
        """Note what a run made, changed or archived."""
        conn.execute(update(pipeline_runs).where(_of_run(pipeline_runs, org, run_id)).values(cubes="\n".join(cubes)))

    def save_step(self, conn: Connection, org: str, run_id: str, step: StepRecord) -> None:
        """Keep how far a step is, with what it staged."""
        values = {
            "org": org,
            "run_id": run_id,
            "step_id": step.id,
            "state": step.state.value,
            "numbers": json.dumps(dict(step.numbers)),
            "changes": step.changes,
            "sealed": step.sealed,
        }
        keys = ("org", "run_id", "step_id")
        conn.execute(
            upsert(pipeline_steps, values, index_elements=keys, set_=("state", "numbers", "changes", "sealed"))
        )

    def steps(self, conn: Connection, org: str, run_id: str) -> dict[str, StepRecord]:
        """Return the steps of a run that were begun, by id."""
        rows = conn.execute(select(pipeline_steps).where(_of_run(pipeline_steps, org, run_id)))
        return {
            row.step_id: StepRecord(row.step_id, StepState(row.state), json.loads(row.numbers), row.changes, row.sealed)
            for row in rows
        }

    def drop_steps(self, conn: Connection, org: str, run_id: str) -> None:
        """Forget what was staged, so that the steps run anew."""
        conn.execute(delete(pipeline_steps).where(_of_run(pipeline_steps, org, run_id)))


def clear_run(conn: Connection, org: str, run_id: str) -> None:
    """Remove what an ended run was given and staged; what it did stays."""
    conn.execute(
        update(pipeline_runs).where(_of_run(pipeline_runs, org, run_id)).values(sealed_inputs=b"", committing=False)
    )
    conn.execute(update(pipeline_steps).where(_of_run(pipeline_steps, org, run_id)).values(sealed=b""))


def is_committing(conn: Connection, org: str, run_id: str) -> bool:
    """Say whether a run's writes are being made."""
    query = select(pipeline_runs.c.committing).where(_of_run(pipeline_runs, org, run_id))
    return bool(conn.execute(query).scalar_one_or_none())


def prune_runs(conn: Connection, chosen: Select[Any]) -> None:
    """Delete runs by a query for their organisation and id."""
    for table in (pipeline_runs, pipeline_steps):
        conn.execute(delete(table).where(tuple_(table.c.org, table.c.run_id).in_(chosen)))


def _of_run(table: Any, org: str, run_id: str) -> ColumnElement[bool]:
    same: ColumnElement[bool] = (table.c.org == org) & (table.c.run_id == run_id)
    return same
