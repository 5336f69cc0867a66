"""Settings of the scheduler service (`MEMPORIUM_SCHEDULER_*`)."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class SchedulerSettings(BaseSettings):
    """How many jobs run, and how often they are tried. Frozen."""

    model_config = SettingsConfigDict(env_prefix="MEMPORIUM_SCHEDULER_", frozen=True, extra="ignore")

    worker_concurrency: int = Field(4, ge=1, description="Jobs that one process runs at once.")
    tenant_concurrency: int = Field(2, ge=1, description="Jobs of one organisation that run at once.")
    tenant_queue: int = Field(10_000, ge=1, description="Jobs of one organisation that may wait; more are refused.")
    max_attempts: int = Field(6, ge=1, description="Runs of a job whose failures may pass, before it is given up.")
    retry_initial_s: float = Field(0.5, gt=0, description="Wait before the second run; doubles each time.")
    retry_max_s: float = Field(60.0, gt=0, description="Longest wait between two runs.")
    polling_interval_s: float = Field(0.1, gt=0, description="How often the queue is looked at.")
    sweep_interval_s: float = Field(60.0, ge=0, description="How often all vaults are swept; 0: never by itself.")
    keep_ended_s: float = Field(7 * 86400.0, gt=0, description="How long ended jobs are kept.")
    executor_id: str = Field(
        "local", description="Name of this replica for the recovery of its jobs; stable across restarts."
    )
