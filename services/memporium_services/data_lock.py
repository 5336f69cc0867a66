"""Keeps a second process from serving the same embedded data: each service of a data folder runs once."""

from __future__ import annotations

import fcntl
import os
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from memporium_platform.settings import PlatformSettings


class DataInUseError(Exception):
    """Another process serves from this data folder."""


@contextmanager
def hold_data(settings: PlatformSettings, services: Sequence[str]) -> Iterator[None]:
    """Hold the services' data for the block; does nothing where the relational store is a server.

    The locks end with the process, also when it is killed.

    Raises:
        DataInUseError: Another process holds the data of one of the services.
    """
    if settings.database_url.get_secret_value():
        yield
        return
    folder = settings.data_dir / "locks"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with ExitStack() as stack:
        for service in services:
            stack.enter_context(_held(folder / service, service, settings.data_dir))
        yield


@contextmanager
def _held(path: Path, service: str, data_dir: Path) -> Iterator[None]:
    with path.open("a+b") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = file.read(32).decode(errors="replace").strip() or "unknown"
            message = f"process {holder} serves {service} from {data_dir} already"
            raise DataInUseError(message) from None
        file.truncate(0)
        file.write(str(os.getpid()).encode())
        file.flush()
        yield
