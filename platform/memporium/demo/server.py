"""The platform that the demo talks to: all services in one child process, on a loopback port, in a fresh folder."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from memporium.demo.stage import UnexpectedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

_START_S = 300.0
_STOP_S = 60.0
_POLL_S = 0.1
# Below those that the system gives to outgoing connections: one of these could come before the server.
_PORTS = range(20_000, 32_000)


@dataclass(frozen=True)
class Running:
    """A platform that listens.

    Attributes:
        address: Where.
        folder: Its data.
        services: Addresses of single services, where they are split.
        tamper: Alters an object of this name in the store for a block; None: the store is the folder.
    """

    address: str
    folder: Path
    services: Mapping[str, str] = field(default_factory=dict)
    tamper: Callable[[str], AbstractContextManager[None]] | None = None

    @property
    def operator_key(self) -> str:
        """The key that the first start wrote for the platform's operator."""
        return (self.folder / "operator.key").read_text().strip()

    def tampered(self, name: str) -> AbstractContextManager[None]:
        """Alter one bit of the stored object whose name holds `name`, for the block."""
        return self.tamper(name) if self.tamper else _flipped(self.folder, name)


def flip(content: bytes) -> bytes:
    """Return the content with one bit changed in its middle."""
    changed = bytearray(content)
    changed[len(changed) // 2] ^= 1
    return bytes(changed)


@contextlib.contextmanager
def _flipped(folder: Path, name: str) -> Iterator[None]:
    """Change the file of an object: the folder store keeps objects under their names.

    Raises:
        UnexpectedError: There is no such object.
    """
    victim = next((path for path in folder.rglob(f"*{name}*") if path.is_file()), None)
    if victim is None:
        raise UnexpectedError(f"the object {name} is not in the object store")
    content = victim.read_bytes()
    victim.write_bytes(flip(content))
    try:
        yield
    finally:
        victim.write_bytes(content)


@contextlib.contextmanager
def platform(folder: Path, settings: Mapping[str, str], *, services: Sequence[str] = ()) -> Iterator[Running]:
    """Run a platform for the block and stop it afterwards, whatever happens; its log is `serve.log` in the folder.

    Args:
        folder: Its data.
        settings: Environment variables.
        services: The services that it runs; none: all of them.

    Raises:
        RuntimeError: It did not come up; the message ends with its last words.
    """
    address = f"127.0.0.1:{free_port()}"
    log_path = folder / "serve.log"
    environment = {**os.environ, **settings, "MEMPORIUM_DATA_DIR": str(folder), "MEMPORIUM_LISTEN": address}
    with log_path.open("wb") as log:
        child = subprocess.Popen(  # noqa: S603 - the program is ours, the names are of services
            [sys.executable, "-m", "memporium", "serve", *services],
            env=environment,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            _await_health(child, address, log_path)
            yield Running(address=address, folder=folder)
        finally:
            _stop(child)


def _await_health(child: subprocess.Popen[bytes], address: str, log_path: Path) -> None:
    deadline = time.monotonic() + _START_S
    with grpc.insecure_channel(address) as channel:
        health: Any = health_pb2_grpc.HealthStub(channel)
        while time.monotonic() < deadline and child.poll() is None:
            with contextlib.suppress(grpc.RpcError):
                answer = health.Check(health_pb2.HealthCheckRequest(), timeout=1.0)
                if answer.status == health_pb2.HealthCheckResponse.SERVING:
                    return
            time.sleep(_POLL_S)
    last = log_path.read_text(errors="replace")[-2000:]
    raise RuntimeError(f"the platform did not start; its last words:\n{last}")


def _stop(child: subprocess.Popen[bytes]) -> None:
    """End the child and whatever it started: politely, then for good."""
    if child.poll() is None:
        child.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(_STOP_S)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()


def free_port() -> int:
    """Return a port of the loopback interface that nobody listens on.

    Raises:
        RuntimeError: There is none.
    """
    for port in random.sample(_PORTS, len(_PORTS)):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise RuntimeError("no port is free")
