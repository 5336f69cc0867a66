"""Moments of a release and of its delivery at which a process ends itself, as kill -9 would."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Any

from memporium_services.memstore.adapters.peers import TransferSealer
from memporium_services.memstore.app.peering.goods import OwnGoods
from memporium_services.transfer.adapters.bundle_objects import StoredBundles
from memporium_services.transfer.app.importing import Importing
from memporium_services.vault.app import transfer_streams

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

Streams = transfer_streams.TransferStreams


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _before(owner: Any, name: str) -> None:
    def gone(*_: Any, **__: Any) -> None:
        die()

    setattr(owner, name, gone)


def _after(owner: Any, name: str) -> None:
    """Let a coroutine function end, and then the process."""
    working = getattr(owner, name)

    async def last(*arguments: Any, **more: Any) -> None:
        await working(*arguments, **more)
        die()

    setattr(owner, name, last)


def _once_sent() -> None:
    """One object was sent, and nobody says that it was all of it."""
    working = OwnGoods.read

    async def last(*arguments: Any, **more: Any) -> AsyncIterator[tuple[int, bytes]]:
        async for part in working(*arguments, **more):
            yield part
        die()

    setattr(OwnGoods, "read", last)  # noqa: B010 - a method is not assigned to


def _in_the_transaction() -> None:
    """Everything is written that makes an import visible, and not committed."""
    working = transfer_streams.publish

    def last(*arguments: Any, **more: Any) -> None:
        working(*arguments, **more)
        die()

    transfer_streams.publish = last  # type: ignore[assignment]


# While the subscriber pulls.
PULLING: dict[str, Callable[[], None]] = {
    "its copy is half made": lambda: _after(StoredBundles, "put_part_segment"),
    "something is staged": lambda: _after(Streams, "_stage"),
    "publication is not committed": _in_the_transaction,
    "it is published": lambda: _after(Streams, "_publish"),
    "it is not noted that it was imported": lambda: _before(Importing, "_record"),
}
# At the publisher's platform, while a subscriber on another one pulls.
SENDING: dict[str, Callable[[], None]] = {
    "the other's copy is half made": PULLING["its copy is half made"],
    "the first object is asked for": lambda: _before(OwnGoods, "read"),
    "the first object is sent": _once_sent,
}
# While the publisher releases.
RELEASING: dict[str, Callable[[], None]] = {
    "the documents are stored": lambda: _after(StoredBundles, "put_documents"),
    "the market does not know": lambda: _after(TransferSealer, "seal"),
}
