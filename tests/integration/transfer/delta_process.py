"""A new release and its delivery, by one process after the other, each of which ends itself at a later moment.

Each finds what the ones before it have left, looks at what the buyer sees, and sends the same request again. They are
forked from this process, which has loaded everything and started nothing.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

from support.crash_moments import PULLING, RELEASING
from support.delta_world import FIRST, PACK, PULL_ID, SECOND, SETTINGS, delta_world

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

# At what follows these the publication was committed.
AFTER_PUBLICATION = {"it is not noted that it was imported"}


def killed(work: Callable[[], Coroutine[None, None, None]]) -> bool:
    """Run `work` in a process of its own; return whether it has ended itself by SIGKILL."""
    child = os.fork()
    if not child:
        try:
            asyncio.run(work())
        except BaseException:
            traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)
    status = os.waitpid(child, 0)[1]
    return os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL


def main(folder: Path) -> None:
    os.environ.update(SETTINGS)
    data, known = folder / "data", folder / "agreement"

    async def build(moment: str) -> None:
        async with delta_world(data) as world:
            await world.build()
            known.write_text(world.agreement_name)
            RELEASING[moment]()
            await world.release_second()

    async def release(moment: str) -> None:
        async with delta_world(data, known.read_text()) as world:
            result = await world.pull("pack")
            assert (result.version, result.already_imported) == ("1.0.0", True), result
            assert await world.texts(PACK) == FIRST
            RELEASING[moment]()
            await world.release_second()

    async def pull(moment: str) -> None:
        async with delta_world(data, known.read_text()) as world:
            assert await world.texts(PACK) == (SECOND if moment in AFTER_PUBLICATION else FIRST)
            await world.release_second()
            PULLING[moment]()
            await world.pull("pack", PULL_ID)

    first, *rest = RELEASING
    steps = [(build, first), *((release, moment) for moment in rest), *((pull, moment) for moment in PULLING)]
    for work, moment in steps:
        assert killed(lambda work=work, moment=moment: work(moment)), f"not killed when {moment}"
    sys.stdout.write(known.read_text())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
