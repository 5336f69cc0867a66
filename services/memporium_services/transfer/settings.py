"""Settings of the transfer service (`MEMPORIUM_TRANSFER_*`)."""

from __future__ import annotations

from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from memporium_platform.bundle.limits import SIGNED_TIME_LIFE_MAX_S


class TransferSettings(BaseSettings):
    """How bundles are made and taken in. Frozen."""

    model_config = SettingsConfigDict(env_prefix="MEMPORIUM_TRANSFER_", frozen=True, extra="ignore")

    signed_time_life_s: int = Field(
        600,
        ge=60,
        le=SIGNED_TIME_LIFE_MAX_S,
        description="Life of a signed time: what is revoked is loadable no longer.",
    )
    grant_life_s: int = Field(3600, ge=60, description="Life of a grant that is made for one pull.")
    download_grant_life_s: int = Field(
        30 * 86400, ge=60, description="Life of a grant that leaves the platform; at most the agreement's."
    )
    scan_imports: bool = Field(default=True, description="Look for personal data in what is pulled, and report it.")
    mark_copies: bool = Field(
        default=True, description="Mark what recipients of a release get, so that a leaked copy names its recipient."
    )
    suite: Literal["classical", "hybrid"] = Field(
        "classical",
        description="Suite of keys that are made from now on; hybrid adds ML-DSA-65 and ML-KEM-768.",
    )
    kept_bytes: int = Field(
        64 * 1024 * 1024,
        ge=0,
        description="Memory for verified content that waits for its import, all imports together; what does not fit is "
        "read and verified twice.",
    )
    sealing_timeout_s: int = Field(
        300, ge=1, description="A sealing of which nothing was heard for this time was left by a crash."
    )
    sweep_interval_s: float = Field(60, gt=0, description="Time between two looks for sealings that were cut off.")
