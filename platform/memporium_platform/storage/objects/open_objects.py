"""Opens the object store by the settings: a folder, or S3."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from memporium_platform.storage.objects.folder import FolderObjectStore
from memporium_platform.storage.sql.open_database import revealed

if TYPE_CHECKING:
    from memporium_platform.storage.objects.object_store import ObjectStore


class ObjectSettings(Protocol):
    """What the platform's settings say of the object store."""

    @property
    def data_dir(self) -> Path:
        """Folder of all embedded engines."""
        ...

    @property
    def objects_url(self) -> object:
        """`s3://key:secret@host:port/bucket?secure=false`, as text or secret; empty: a folder in `data_dir`."""
        ...


async def open_object_store(settings: ObjectSettings) -> ObjectStore:
    """Return the object store.

    Raises:
        PlatformError: UNAVAILABLE, where S3 cannot be reached.
        ValueError: A URL of an engine that there is no adapter for.
    """
    url = revealed(settings.objects_url)
    if not url:
        return FolderObjectStore(Path(settings.data_dir) / "objects")
    if url.startswith("s3:"):
        from memporium_platform.storage.objects.s3 import S3ObjectStore
        from memporium_platform.storage.objects.s3_address import S3Address

        store = S3ObjectStore(S3Address.parse(url))
        await store.start()
        return store
    message = "objects_url must begin with s3://, or be empty"
    raise ValueError(message)
