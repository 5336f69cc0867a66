"""Settings of the marketplace (`MEMPORIUM_MEMSTORE_*`)."""

from __future__ import annotations

from pathlib import Path

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
    statements_every_s: float = Field(
        0.0, ge=0, description="Make statements every so many seconds; 0: at the ends of the periods of the offers."
    )
    delivery_retry_s: float = Field(
        5.0, gt=0, description="Wait before a delivery is handed to the scheduler again; doubles up to an hour."
    )


class PeerSettings(BaseSettings):
    """The trade with other platforms (`MEMPORIUM_PEER_*`)."""

    model_config = SettingsConfigDict(env_prefix="MEMPORIUM_PEER_", frozen=True, extra="ignore")

    platform_id: str = Field(
        "",
        pattern="^([a-z]([a-z0-9-]{0,61}[a-z0-9])?)?$",
        description="Id of this platform among others; never change it later. Empty: made from the platform's key.",
    )
    listen: str = Field("", description="Address to listen on for other platforms, host:port; empty: none.")
    tls_certificate: Path | None = Field(
        None, description="PEM certificate chain that this platform shows to others, listening and calling."
    )
    tls_private_key: Path | None = Field(None, description="PEM private key of that certificate.")
    call_timeout_s: float = Field(10.0, gt=0, description="Time for a unary call to another platform.")
    retry_s: float = Field(0.5, gt=0, description="Wait before a message is sent again; doubles.")
    retry_longest_s: float = Field(15.0, gt=0, description="Longest wait before another platform is tried again.")
    usage_s: float = Field(60.0, gt=0, description="How often consumers state what they have used.")
    catalogue_s: float = Field(
        300.0, ge=0, description="How long an answer of another platform's catalogue stands in while it is away."
    )
