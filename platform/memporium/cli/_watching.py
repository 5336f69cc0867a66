"""The states of a job, also over a restart of the platform: a stream that broke is asked for again."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from memporium.client import MemporiumError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

_AGAIN_AFTER_S = 1.0


def states(
    watch: Callable[[], Iterable[Any]],
    *,
    patience_s: float,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[Any]:
    """Yield each state of a job once.

    Args:
        watch: Opens the stream; its first answer is the job as it is then.
        patience_s: How long the platform may be away at a time.
        clock: Seconds that only grow.
        sleep: Waits for seconds.

    Raises:
        MemporiumError: The platform refused, or was away for longer.
    """
    seen, lost_at = -1, None
    while True:
        try:
            for response in watch():
                lost_at = None
                if response.job.revision != seen:
                    seen = response.job.revision
                    yield response.job
        except MemporiumError as error:
            now = clock()
            lost_at = now if lost_at is None else lost_at
            # Whom nobody ever answered is told at once: there may be nobody at that address.
            if error.code != "UNAVAILABLE" or seen < 0 or now - lost_at >= patience_s:
                raise
            sleep(_AGAIN_AFTER_S)
        else:
            return
