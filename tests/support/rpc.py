"""Reading refused calls in tests."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import grpc
import pytest

from memporium_platform.rpc.errors_client import reason_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from memporium_platform.errors import PlatformError, Reason


class Refusal:
    """What `refused` saw."""

    error: PlatformError
    rpc: grpc.aio.AioRpcError

    def trailing(self, key: str) -> str:
        """Return a value of the trailing metadata, "" where it is absent."""
        values = dict(self.rpc.trailing_metadata() or ())
        return str(values.get(key, ""))


@contextmanager
def refused(reason: Reason) -> Iterator[Refusal]:
    """Expect the block's call to be refused with this reason."""
    refusal = Refusal()
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        yield refusal
    refusal.rpc = caught.value
    refusal.error = reason_of(caught.value)
    assert refusal.error.reason is reason, f"{refusal.error.reason}: {refusal.error.message}"
