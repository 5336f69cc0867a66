"""Settings of the governance service."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class GovernanceSettings(BaseSettings):
    """Read from `MEMPORIUM_GOVERNANCE_*`."""

    model_config = SettingsConfigDict(env_prefix="MEMPORIUM_GOVERNANCE_", frozen=True, extra="ignore")

    policies_dir: Path | None = Field(
        None, description="Folder of model, roles and rules; none: those that the platform ships."
    )
    log_origin: str = Field(
        "memporium.local/audit",
        pattern=r"^[A-Za-z0-9][A-Za-z0-9./_-]{0,200}$",
        description="Origin of the audit logs' checkpoints; logs are named origin/organisation. Never change it later.",
    )
    sweep_interval_s: float = Field(3600.0, gt=0, description="Seconds between sweeps by the retention rules.")
