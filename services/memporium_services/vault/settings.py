"""Settings of the vault service (`MEMPORIUM_VAULT_*`)."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class VaultSettings(BaseSettings):
    """Limits and habits of the vault."""

    model_config = SettingsConfigDict(env_prefix="MEMPORIUM_VAULT_", frozen=True, extra="ignore")

    default_embedding_model: str = Field("minilm-l6-v2-int8", description="Embedding model of vaults that name none.")
    max_cubes: int = Field(10_000_000, ge=1, description="Cubes in one vault that has no quota of its own.")
    max_bytes: int = Field(1 << 40, ge=1, description="Bytes in one vault that has no quota of its own.")
    max_vaults: int = Field(10_000, ge=1, description="Vaults of one organisation.")
    max_payload_bytes: int = Field(1 << 20, ge=1024, description="Bytes of one payload; larger ones belong in blobs.")
    max_units: int = Field(4096, ge=1, description="Units of one cube.")
    max_batch_cubes: int = Field(1000, ge=1, description="Cubes in one batch.")
    max_blob_bytes: int = Field(16 << 30, ge=1, description="Bytes of one blob.")
    leg_candidates: int = Field(100, ge=10, description="Least number of candidates that each search leg brings.")
    opened_bytes: int = Field(
        64 << 20, ge=0, description="Memory for units and metadata in clear, so that searches need not open them anew."
    )
    max_past_cubes: int = Field(
        20_000, ge=1, description="Cubes that may have changed since the moment as of which a vault is searched."
    )
    use_flush_s: float = Field(2.0, gt=0, description="How often counted uses are written, seconds.")
    changes_kept: int = Field(100_000, ge=100, description="Revisions that a watch can start from.")
    tasks_kept: int = Field(10_000, ge=1, description="Revisions that a lagging index can catch up from.")
    branch_idle_s: float = Field(
        3600.0, ge=0, description="Age at which a branch that is not whole, and that nobody goes on with, is dropped."
    )
    branch_share: float = Field(
        0.5, gt=0, le=1, description="Share of the time that the copying of a branch may work; the rest is for others."
    )
    orphan_blob_s: float = Field(86_400.0, ge=0, description="Age at which a blob that no cube needs is dropped.")
