"""`memporium serve` in a process of its own that is killed without warning and started again on the same folder."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from support.processes import die_with_parent, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_START_S = 180.0
# The models that are built in, and no search for personal data in what is pulled: what is tested is the rest.
SETTINGS = {
    "MEMPORIUM_VAULT_DEFAULT_EMBEDDING_MODEL": "hashing-384",
    "MEMPORIUM_SCHEDULER_SWEEP_INTERVAL_S": "0",
    "MEMPORIUM_SCHEDULER_RETRY_INITIAL_S": "0.1",
    "MEMPORIUM_TRANSFER_SCAN_IMPORTS": "false",
    "MEMPORIUM_LOG_LEVEL": "WARNING",
}


class KillableServer:
    """All services in one process.

    Attributes:
        address: Where it listens now; another one after each start, so that no old connection reaches a new process.
        starts: How often it was started.
        start_s: How long the last start took.
    """

    def __init__(self, folder: Path, settings: Mapping[str, str] | None = None) -> None:
        self.folder = folder
        self.address = ""
        self.starts = 0
        self.start_s = 0.0
        self._settings = {**SETTINGS, **(settings or {})}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def operator_key(self) -> str:
        return (self.folder / "operator.key").read_text().strip()

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def log(self) -> str:
        return (self.folder / "serve.log").read_text(errors="replace")

    def start(self) -> None:
        """Start it and return once every service answers; blocks, for the child dies with the thread that starts it."""
        began = time.monotonic()
        self.address = f"127.0.0.1:{free_port()}"
        environ = {
            **os.environ,
            **self._settings,
            "MEMPORIUM_DATA_DIR": str(self.folder),
            "MEMPORIUM_LISTEN": self.address,
        }
        with (self.folder / "serve.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "memporium", "serve"],
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=die_with_parent,  # noqa: PLW1509 - one call into libc, no lock of Python's
            )
        self._await_health(began + _START_S)
        self.starts += 1
        self.start_s = time.monotonic() - began

    def kill(self) -> None:
        """End it at once, with whatever it is doing."""
        if self._process is not None:
            if self._process.poll() is None:
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def _await_health(self, limit: float) -> None:
        with grpc.insecure_channel(self.address) as channel:
            health = health_pb2_grpc.HealthStub(channel)
            while self.alive and time.monotonic() < limit:
                try:
                    answer = health.Check(health_pb2.HealthCheckRequest(), timeout=1.0)
                except grpc.RpcError:
                    time.sleep(0.05)
                    continue
                if answer.status == health_pb2.HealthCheckResponse.SERVING:
                    return
                time.sleep(0.05)
        raise RuntimeError(f"the platform did not start:\n{self.log[-3000:]}")


@contextmanager
def killable_server(folder: Path, settings: Mapping[str, str] | None = None) -> Iterator[KillableServer]:
    """Run it for the block."""
    made = KillableServer(folder, settings)
    try:
        made.start()
        yield made
    finally:
        made.kill()
