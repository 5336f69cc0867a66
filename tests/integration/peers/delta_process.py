"""A release that changes a little goes from one platform to the other, and one of both ends itself at a moment.

Both are forked from this process, which has loaded everything and started nothing. Each starts on what the ones before
it have left; the buyer's looks at what is there and sends the same request again.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

import grpc

from memporium_platform.errors import Reason
from memporium_platform.rpc.errors_client import reason_of
from support.crash_moments import PULLING, SENDING
from support.delta_sides import build_sides, delta_side
from support.delta_world import FIRST, FRESH, PACK, PULL_ID, SECOND, SETTINGS
from support.processes import die_with_parent, free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

NOTHING = ""
# The buyer's platform; what follows the last one begins with the new release in its place.
BUYING = ("publication is not committed", "it is not noted that it was imported")
_END_S = 120.0


def forked(work: Callable[[], Coroutine[None, None, None]]) -> int:
    """Run `work` in a process of its own; return its id."""
    child = os.fork()
    if child:
        return child
    die_with_parent()
    try:
        asyncio.run(work())
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)
    os._exit(0)


def ended(child: int) -> int:
    """Return how a process ended: 0, its exit status, or minus the signal that ended it."""
    limit = time.monotonic() + _END_S
    while time.monotonic() < limit:
        found, status = os.waitpid(child, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.02)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    raise AssertionError("a process did not end")


class Story:
    """The two, and what happens."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ports = {"north": free_port(), "south": free_port()}
        self.agreement = ""

    def build(self) -> None:
        async def run() -> None:
            (self.folder / "agreement").write_text(await build_sides(self.folder, self.ports))

        assert ended(forked(run)) == 0
        self.agreement = (self.folder / "agreement").read_text()

    def selling(self, moment: str = NOTHING) -> int:
        """Start the seller's platform; return its process once peers can reach it."""
        ready, told = os.pipe()

        async def run() -> None:
            if moment:
                SENDING[moment]()
            async with delta_side(self.folder, "north", self.ports["north"]):
                os.write(told, b".")
                await asyncio.Event().wait()

        child = forked(run)
        os.close(told)
        assert os.read(ready, 1), "the seller's platform did not start"
        os.close(ready)
        return child

    def buying(self, work: Callable[[str], Coroutine[None, None, None]], moment: str = NOTHING) -> int:
        """Run `work` at the buyer's platform; return how that ended."""
        return ended(forked(lambda: work(moment)))

    async def pull(self, moment: str) -> None:
        """Pull, and end at a moment; where there is none, it must be the other side that ends."""
        async with delta_side(self.folder, "south", self.ports["south"], self.agreement) as (_, buyer):
            assert await buyer.texts(PACK) == FIRST
            if moment:
                PULLING[moment]()
            try:
                await buyer.pull("pack", PULL_ID)
            except grpc.aio.AioRpcError as error:
                assert reason_of(error).reason is Reason.UNAVAILABLE, error
            else:
                raise AssertionError("the pull came to an end")
            assert await buyer.texts(PACK) == FIRST

    async def finish(self, _: str) -> None:
        """See the new release, pull it again and into a fresh vault, and compare."""
        async with delta_side(self.folder, "south", self.ports["south"], self.agreement) as (_, buyer):
            assert await buyer.texts(PACK) == SECOND
            assert (await buyer.pull("pack", PULL_ID)).version == "1.1.0"
            await buyer.pull("fresh")
            assert await buyer.seen(PACK) == await buyer.seen(FRESH)
            assert await buyer.usage(PACK) == await buyer.usage(FRESH)
            for vault in (PACK, FRESH):
                assert await buyer.found(vault, "glass tower new") == "c8"


def main(folder: Path) -> None:
    os.environ.update(SETTINGS)
    story = Story(folder)
    story.build()
    for moment in SENDING:
        seller = story.selling(moment)
        assert story.buying(story.pull) == 0, f"the buyer, when {moment}"
        assert ended(seller) == -signal.SIGKILL, f"not killed when {moment}"
    seller = story.selling()
    for moment in BUYING:
        assert story.buying(story.pull, moment) == -signal.SIGKILL, f"not killed when {moment}"
    assert story.buying(story.finish) == 0
    os.kill(seller, signal.SIGKILL)
    os.waitpid(seller, 0)
    sys.stdout.write("done")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
