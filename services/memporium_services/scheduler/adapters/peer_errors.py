"""Errors of peers as errors of ours."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import grpc

from memporium_platform.rpc.errors_client import reason_of

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def peer_errors() -> Iterator[None]:
    """Turn a peer's refusal into the error that it was."""
    try:
        yield
    except grpc.aio.AioRpcError as error:
        raise reason_of(error) from error
