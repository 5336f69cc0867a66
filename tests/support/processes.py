"""Starts servers for tests and leaves none behind, whatever ends the tests."""

from __future__ import annotations

import ctypes
import os
import pwd
import random
import signal
import socket
import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True)


# Below those that the system gives to outgoing connections.
_PORTS = range(20_000, 32_000)
_taken: list[socket.socket] = []


def free_port() -> int:
    """Return a port that nobody listens on, and that no other call, of any process of tests, returns meanwhile."""
    for port in random.sample(_PORTS, len(_PORTS)):
        # A name that one process at a time may hold, until it ends.
        mine = socket.socket(socket.AF_UNIX)
        try:
            mine.bind(f"\0memporium-tests-{port}")
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", port))
        except OSError:
            mine.close()
            continue
        _taken.append(mine)
        return port
    raise RuntimeError("no port is free")


def unprivileged_user() -> str | None:
    """Name of the user that servers which refuse root run as; None where this process is not root."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            pwd.getpwnam(name)
        except KeyError:
            continue
        return name
    return None


def die_with_parent() -> None:
    """Have the kernel kill the child when the thread that started it ends."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


@contextmanager
def server(
    command: Sequence[str],
    *,
    log: Path,
    ready: Callable[[], bool],
    user: str | None = None,
    environ: Mapping[str, str] | None = None,
    stop_with: signal.Signals = signal.SIGTERM,
    start_s: float = 90.0,
) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as out:
        process = subprocess.Popen(
            list(command),
            stdout=out,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            user=user,
            cwd=log.parent,
            env={**os.environ, **(environ or {})},
            start_new_session=True,
            preexec_fn=die_with_parent,  # noqa: PLW1509 - one call into libc, no lock of Python's
        )
        try:
            limit = time.monotonic() + start_s
            while not ready():
                if process.poll() is not None or time.monotonic() > limit:
                    message = f"{command[0]} did not start: {log.read_text(errors='replace')[-2000:]}"
                    raise RuntimeError(message)
                time.sleep(0.05)
            yield process
        finally:
            if process.poll() is None:
                process.send_signal(stop_with)
                try:
                    process.wait(15)
                except subprocess.TimeoutExpired:
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait()


def listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(0.2)
        return probe.connect_ex(("127.0.0.1", port)) == 0
