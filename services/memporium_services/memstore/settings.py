"""Settings of the marketplace (`MEMPORIUM_MEMSTORE_*`)."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class MemstoreSettings(BaseSettings):
    """What can be set; the defaults suit one machine and a cluster alike."""

    model_config = SettingsConfigDict(env_prefix="MEMPORIUM_MEMSTORE_", frozen=True, extra="ignore")

    reservation_ttl_s: float = Field(
        120.0, gt=0, description="Time after which a reserved use that was neither made nor given back is given back."
    )
    poll_s: float = Field(
        0.2, gt=0, description="How often streams look for what another replica changed; own changes are sent at once."
    )
    keepalive_s: float = Field(15.0, gt=0, description="Longest silence of a stream.")
    timer_s: float = Field(0.5, gt=0, description="Longest wait between two looks for agreements that have expired.")
    delivery_retry_s: float = Field(
        5.0, gt=0, description="Wait before a delivery is handed to the scheduler again; doubles up to an hour."
    )
