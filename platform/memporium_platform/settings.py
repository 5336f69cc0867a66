"""Settings of the platform, read from the environment (`MEMPORIUM_*`); each service has its own class beside these."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

SERVICES = ("governance", "vault", "inference", "reader", "memstore", "transfer", "scheduler")

_MASK = "********"


class PlatformSettings(BaseSettings):
    """What all services share. Frozen; nothing is read at import time."""

    model_config = SettingsConfigDict(env_prefix="MEMPORIUM_", frozen=True, extra="ignore")

    data_dir: Path = Field(Path("memporium-data"), description="Folder of the embedded engines and the platform's key.")
    listen: str = Field("127.0.0.1:7600", description="Address to listen on, host:port; port 0 takes a free one.")
    database_url: SecretStr = Field(
        SecretStr(""), description="SQLAlchemy URL of PostgreSQL; empty: SQLite files in data_dir."
    )
    objects_url: SecretStr = Field(
        SecretStr(""),
        description="s3://key:secret@host:port/bucket?secure=false; empty: a folder in data_dir.",
    )
    index_url: SecretStr = Field(
        SecretStr(""), description="milvus:///path.db or milvus://host:port; empty: the embedded index in data_dir."
    )
    index_bytes: int = Field(
        4 << 30, ge=1 << 20, description="Memory of the open embedded indexes; beyond, those used least are closed."
    )
    master_key: SecretStr = Field(
        SecretStr(""),
        description="Platform keys, 64 hexadecimal digits each, by commas, newest first; empty: a file in data_dir.",
    )

    # Split mode: where the services are that this process does not run, as host:port.
    governance_address: str = Field("", description="Address of the governance service; empty: this process.")
    vault_address: str = Field("", description="Address of the vault service; empty: this process.")
    inference_address: str = Field("", description="Address of the inference service; empty: this process.")
    reader_address: str = Field("", description="Address of the reader service; empty: this process.")
    memstore_address: str = Field("", description="Address of the memstore service; empty: this process.")
    transfer_address: str = Field("", description="Address of the transfer service; empty: this process.")
    scheduler_address: str = Field("", description="Address of the scheduler service; empty: this process.")

    tls_certificate: Path | None = Field(None, description="PEM certificate chain of the server; none: no TLS.")
    tls_private_key: Path | None = Field(None, description="PEM private key of the server.")
    tls_client_ca: Path | None = Field(
        None,
        description="PEM authorities of client certificates; set: each connection needs one, and it is the identity "
        "of calls without a key.",
    )
    tls_ca: Path | None = Field(None, description="PEM authorities for calls to other services; none: no TLS.")
    tls_client_certificate: Path | None = Field(
        None, description="PEM certificate chain for calls to other services that demand one."
    )
    tls_client_private_key: Path | None = Field(None, description="PEM private key of that certificate.")
    insecure_listen_without_tls: bool = Field(
        default=False, description="Allow listening beyond loopback without TLS (for instance behind a mesh)."
    )

    max_message_bytes: int = Field(4 << 20, ge=64 << 10, description="Largest message that is received or sent.")
    default_deadline_s: float = Field(300.0, gt=0, description="Time for a unary call that brings no deadline.")
    internal_deadline_s: float = Field(60.0, gt=0, description="Time for a unary call between services.")
    grace_s: float = Field(10.0, ge=0, description="Time that running calls get at shutdown.")
    epoch_wait_s: float = Field(1.0, ge=0, description="Longest wait for a policy epoch that a caller demands.")
    tenant_calls_per_s: float = Field(5000.0, ge=0, description="Sustained calls a second of one tenant; 0: no limit.")
    tenant_burst_calls: int = Field(10_000, ge=1, description="Calls that a tenant may make at once before that.")
    tenant_concurrent_calls: int = Field(1000, ge=0, description="Unary calls of one tenant in progress; 0: no limit.")
    tenant_concurrent_streams: int = Field(500, ge=0, description="Streams of one tenant in progress; 0: no limit.")
    concurrent_calls: int = Field(4000, ge=0, description="Calls of all tenants in progress; 0: no limit.")
    audit_queue_records: int = Field(
        100_000, ge=1, description="Audit records kept while governance is away; when full, calls are refused."
    )

    reflection: bool = Field(default=True, description="Serve the gRPC reflection service.")
    log_level: str = Field("INFO", description="DEBUG, INFO, WARNING or ERROR.")
    log_json: bool = Field(default=False, description="Log JSON lines instead of text.")
    metrics_listen: str = Field("", description="host:port of the HTTP /metrics endpoint; empty: none.")
    otlp_endpoint: str = Field("", description="Address of an OpenTelemetry collector (OTLP/gRPC); empty: no traces.")

    @field_validator("log_level")
    @classmethod
    def _known_level(cls, value: str) -> str:
        if value.upper() not in {"DEBUG", "INFO", "WARNING", "ERROR"}:
            message = "must be DEBUG, INFO, WARNING or ERROR"
            raise ValueError(message)
        return value.upper()

    def address_of(self, service: str) -> str:
        """Return the address of a service that another process runs, or "" where this one runs it."""
        address: str = getattr(self, f"{service}_address", "")
        return address


def effective(settings: BaseSettings) -> dict[str, str]:
    """Return the settings in force by environment variable, secrets masked: what `memporium config check` prints."""
    prefix = str(settings.model_config.get("env_prefix", ""))
    shown: dict[str, str] = {}
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        if isinstance(value, SecretStr):
            value = _MASK if value.get_secret_value() else ""
        shown[f"{prefix}{name}".upper()] = "" if value is None else str(value)
    return shown
