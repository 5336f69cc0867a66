"""Opens the index store by the settings: local files, or Milvus."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from memporium_platform.storage.index.embedded import EmbeddedIndexStore
from memporium_platform.storage.sql.open_database import revealed

if TYPE_CHECKING:
    from memporium_platform.storage.index.vault_index import IndexStore


class IndexSettings(Protocol):
    """What the platform's settings say of the index."""

    @property
    def data_dir(self) -> Path:
        """Folder of all embedded engines."""
        ...

    @property
    def index_bytes(self) -> int:
        """Memory of the embedded indexes that are open."""
        ...

    @property
    def index_url(self) -> object:
        """`milvus:///path.db` or `milvus://host:port`, as text or secret; empty: files in `data_dir`."""
        ...


def open_index_store(settings: IndexSettings) -> IndexStore:
    """Return the index store; blocks while Milvus is reached.

    Raises:
        ValueError: A URL of an engine that there is no adapter for.
    """
    url = revealed(settings.index_url)
    if not url:
        return EmbeddedIndexStore(Path(settings.data_dir) / "index", max_bytes=settings.index_bytes)
    if url.startswith("milvus:"):
        from memporium_platform.storage.index.milvus import MilvusIndexStore

        return MilvusIndexStore(url)
    message = "index_url must begin with milvus://, or be empty"
    raise ValueError(message)
