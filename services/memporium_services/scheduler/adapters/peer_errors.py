"""Errors of peers as errors of ours."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

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


@contextmanager
def reading(stream: Any) -> Iterator[Any]:
    """Read a stream within the block, which ends the call however it is left.

    A reader that is cancelled while it waits for a message takes the call along. One that is cancelled while it works
    on a message does not: the peer would go on for nobody, until the garbage collector finds the call.
    """
    try:
        with peer_errors():
            yield stream
    finally:
        stream.cancel()
