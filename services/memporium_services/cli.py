"""Starts services from the command line: what `memporium serve` runs."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING

import uvloop

from memporium_platform import logs
from memporium_platform.settings import SERVICES, PlatformSettings
from memporium_services import collector
from memporium_services.data_lock import hold_data
from memporium_services.runner import Running, running

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def serve(
    services: Sequence[str] = SERVICES,
    *,
    settings: PlatformSettings | None = None,
    ready: Callable[[Running], Awaitable[None]] | None = None,
) -> None:
    """Run services until SIGTERM or SIGINT, then stop gracefully; a second signal ends the process at once.

    Args:
        services: Which services; all by default.
        settings: The platform's settings; from the environment where None.
        ready: Called once the services answer.

    Raises:
        DataInUseError: Another process serves from the same data folder.
    """
    settings = settings or PlatformSettings()
    logs.configure(settings)
    chosen = services or SERVICES
    with hold_data(settings, chosen), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(settings, chosen, ready))


async def _serve(
    settings: PlatformSettings,
    services: Sequence[str],
    ready: Callable[[Running], Awaitable[None]] | None,
) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in _SIGNALS:
        loop.add_signal_handler(number, _ask_to_stop, loop, stop)
    async with running(settings, services) as platform:
        collector.settle()
        if ready is not None:
            await ready(platform)
        await stop.wait()


def _ask_to_stop(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    stop.set()
    for number in _SIGNALS:
        # The default action of a second signal: it ends the process.
        loop.remove_signal_handler(number)
