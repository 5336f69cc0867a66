"""The scheduler's tables."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Float, Index, Integer, LargeBinary, MetaData, Table, Text

from memporium_platform.storage.sql import kernel_tables

metadata = MetaData()

jobs = Table(
    "jobs",
    metadata,
    Column("org", Text, primary_key=True),
    Column("job_id", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("spec", Text, nullable=False),
    Column("principal", Text, nullable=False),
    Column("principal_kind", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("completed", BigInteger, nullable=False),
    Column("total", BigInteger, nullable=False),
    Column("message", Text, nullable=False),
    Column("result", Text, nullable=False),
    Column("error_reason", Text, nullable=False),
    Column("error", Text, nullable=False),
    Column("create_us", BigInteger, nullable=False),
    Column("start_us", BigInteger),
    Column("end_us", BigInteger),
    Column("revision", BigInteger, nullable=False),
    Index("ix_jobs_org_state", "org", "state"),
    Index("ix_jobs_end_us", "end_us"),
)

pipelines = Table(
    "pipelines",
    metadata,
    Column("org", Text, primary_key=True),
    Column("pipeline_id", Text, primary_key=True),
    Column("definition", LargeBinary, nullable=False),
    Column("creator", Text, nullable=False),
    Column("create_us", BigInteger, nullable=False),
)

pipeline_runs = Table(
    "pipeline_runs",
    metadata,
    Column("org", Text, primary_key=True),
    Column("run_id", Text, primary_key=True),
    Column("pipeline", Text, nullable=False),
    Column("definition", LargeBinary, nullable=False),
    Column("vault", Text, nullable=False),
    Column("sealed_inputs", LargeBinary, nullable=False),
    Column("committing", Boolean, nullable=False),
    Column("cubes", Text, nullable=False, server_default=""),
)

pipeline_steps = Table(
    "pipeline_steps",
    metadata,
    Column("org", Text, primary_key=True),
    Column("run_id", Text, primary_key=True),
    Column("step_id", Text, primary_key=True),
    Column("state", Text, nullable=False),
    Column("numbers", Text, nullable=False),
    Column("changes", Integer, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
)

schedules = Table(
    "schedules",
    metadata,
    Column("org", Text, primary_key=True),
    Column("schedule_id", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("spec", LargeBinary, nullable=False),
    Column("every_s", Float, nullable=False),
    Column("cron", Text, nullable=False),
    Column("time_zone", Text, nullable=False),
    Column("vault", Text, nullable=False),
    Column("tags", Text, nullable=False),
    Column("principal", Text, nullable=False),
    Column("principal_kind", Text, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("paused", Boolean, nullable=False),
    Column("next_us", BigInteger),
    Column("cursor", BigInteger, nullable=False),
    Column("fired", BigInteger, nullable=False),
    Column("last_job", Text, nullable=False),
    Column("error", Text, nullable=False),
    Column("create_us", BigInteger, nullable=False),
    Index("ix_schedules_next_us", "next_us"),
)

kernel_tables.attach(metadata)
