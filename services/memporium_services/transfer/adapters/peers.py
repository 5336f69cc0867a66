"""Errors of other services as our own, so that they can be handled and pass through to the caller."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import grpc

from memporium_platform.rpc.errors_client import reason_of

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def peer_errors() -> Iterator[None]:
    """Turn a peer's error within the block into a PlatformError."""
    try:
        yield
    except grpc.aio.AioRpcError as error:
        raise reason_of(error) from error
