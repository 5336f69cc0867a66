"""Channels to a platform: limits, retries, credentials."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import grpc

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

C = TypeVar("C")

# Blobs move in chunks of at most 1 MiB; a page of cubes may be larger than gRPC's default of 4 MiB.
_MESSAGE_BYTES = 16 * 1024 * 1024

_ATTEMPTS, _FIRST_WAIT_S, _LONGEST_WAIT_S = 4, 0.1, 2.0

# gRPC itself retries UNAVAILABLE: the request (and so its request_id) stays the same, so a repeat is answered with the
# first result.
_SERVICE_CONFIG = json.dumps(
    {
        "methodConfig": [
            {
                "name": [{}],
                "retryPolicy": {
                    "maxAttempts": _ATTEMPTS,
                    "initialBackoff": f"{_FIRST_WAIT_S}s",
                    "maxBackoff": f"{_LONGEST_WAIT_S:.0f}s",
                    "backoffMultiplier": 2,
                    "retryableStatusCodes": ["UNAVAILABLE"],
                },
            }
        ]
    }
)


@dataclass(frozen=True)
class Target:
    """Where a platform is and how to speak to it.

    Attributes:
        address: `host:port` or `unix:path`.
        api_key: API key or JWT; "" for none.
        tls: Encrypt; implied by any of the files.
        ca_file: Certificates to trust, PEM; None: the system's.
        certificate_file: Own certificate for mutual TLS, PEM.
        key_file: Key of the own certificate, PEM.
        purpose: Purpose declared with every call; "" for none.
        region: Region declared with every call; "" for none.
    """

    address: str = "127.0.0.1:7600"
    api_key: str = ""
    tls: bool = False
    ca_file: Path | None = None
    certificate_file: Path | None = None
    key_file: Path | None = None
    purpose: str = ""
    region: str = ""

    def metadata(self) -> tuple[tuple[str, str], ...]:
        """Return the metadata that goes with every call."""
        pairs = (
            ("authorization", f"Bearer {self.api_key}" if self.api_key else ""),
            ("memporium-purpose", self.purpose),
            ("memporium-region", self.region),
        )
        return tuple((key, value) for key, value in pairs if value)

    def credentials(self) -> grpc.ChannelCredentials | None:
        """Return TLS credentials, or None for a plain channel."""
        if not (self.tls or self.ca_file or self.certificate_file):
            return None

        def read(path: Path | None) -> bytes | None:
            return path.read_bytes() if path else None

        return grpc.ssl_channel_credentials(read(self.ca_file), read(self.key_file), read(self.certificate_file))


_OPTIONS = (
    ("grpc.max_receive_message_length", _MESSAGE_BYTES),
    ("grpc.max_send_message_length", _MESSAGE_BYTES),
    ("grpc.keepalive_time_ms", 30_000),
)
_RETRIED = (*_OPTIONS, ("grpc.enable_retries", 1), ("grpc.service_config", _SERVICE_CONFIG))
# Where gRPC itself retries a stream of responses, and the server is killed between the request and the first response,
# the call never ends, whatever its deadline (seen with grpcio 1.85). So streams have a channel of their own, and
# `stream_waits`.
_UNRETRIED = (*_OPTIONS, ("grpc.enable_retries", 0))


def stream_waits() -> Iterator[float]:
    """Yield the seconds to wait before each further attempt at a stream that ended before its first response."""
    for attempt in range(_ATTEMPTS - 1):
        yield random.uniform(0, min(_LONGEST_WAIT_S, _FIRST_WAIT_S * 2**attempt))


def open_channel(target: Target, *, streams: bool = False) -> grpc.Channel:
    """Return a channel for threads; `streams`: for streams of responses, which gRPC does not retry."""
    return _open(target, grpc.insecure_channel, grpc.secure_channel, streams=streams)


def open_async_channel(target: Target, *, streams: bool = False) -> grpc.aio.Channel:
    """Return a channel for asyncio; `streams`: for streams of responses, which gRPC does not retry."""
    return _open(target, grpc.aio.insecure_channel, grpc.aio.secure_channel, streams=streams)


def _open(target: Target, plain: Callable[..., C], secure: Callable[..., C], *, streams: bool) -> C:
    credentials, options = target.credentials(), _UNRETRIED if streams else _RETRIED
    if credentials is None:
        return plain(target.address, options=options)
    return secure(target.address, credentials, options=options)
