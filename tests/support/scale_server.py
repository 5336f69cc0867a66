"""A server in a process of its own on a folder, and what it costs: for benchmarks of scale."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc
import uvloop

from memporium_services import collector
from support.platform import KeyedChannel, running_platform
from support.vaults import MODEL

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_MODELS = ("MEMPORIUM_VAULT_DEFAULT_EMBEDDING_MODEL", "MEMPORIUM_INFERENCE_DEFAULT_EMBEDDER")
ENVIRONMENT = {
    **dict.fromkeys(_MODELS, MODEL),
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
}
_TICKS = os.sysconf("SC_CLK_TCK")


class Server:
    """Vault, inference and reader with embedded engines, for organisations t0, t1 and so on."""

    def __init__(self, data: Path, tenants: int, *, model: str = MODEL) -> None:
        self._data, self._tenants, self._model = data, tenants, model
        self.pid = 0
        self._address = ""

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Server]:
        """Run it for the block."""
        command = [sys.executable, "-m", __spec__.name, str(self._data), str(self._tenants)]
        path = os.pathsep.join([str(Path(__file__).resolve().parents[1]), os.environ.get("PYTHONPATH", "")])
        models = dict.fromkeys(_MODELS, self._model)
        environment = {**os.environ, **ENVIRONMENT, **models, "PYTHONPATH": path}
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
        assert process.stdin is not None
        assert process.stdout is not None
        self.pid, self._address = process.pid, process.stdout.readline().strip()
        try:
            yield self
        finally:
            process.stdin.close()
            process.wait(600)

    def channel(self, org: str) -> tuple[Any, Any]:
        """Return a channel that calls as the organisation's owner, and what closes it."""
        options = [("grpc.max_receive_message_length", -1)]
        channel = grpc.aio.insecure_channel(self._address, options=options)
        return KeyedChannel(channel, (("authorization", f"Bearer mpk_{org}-owner_static"),)), channel

    def memory_mib(self) -> float:
        """Return its resident memory, without pages of files."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        found = dict(line.split(":", 1) for line in status.splitlines())
        return round(int(found["RssAnon"].split()[0]) / 1024, 1)

    def cpu_s(self) -> float:
        """Return the processor time that it has taken."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    def files(self) -> int:
        """Return how many files it has open."""
        return len(list(Path(f"/proc/{self.pid}/fd").iterdir()))


async def _serve(data: Path, tenants: int) -> None:
    """Serve until standard input ends."""
    async with running_platform(("vault", "inference", "reader"), data_dir=data, tenant_calls_per_s=0) as platform:
        for number in range(max(1, tenants)):
            await platform.organisation(f"t{number}")
        # As `memporium serve` does.
        collector.settle()
        print(platform.address, flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    uvloop.run(_serve(Path(sys.argv[1]), int(sys.argv[2])))
