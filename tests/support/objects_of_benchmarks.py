"""An object store for a benchmark: a folder, or a real S3 server that is started for it."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from memporium_platform.storage.objects.folder import FolderObjectStore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from memporium_platform.storage.objects.object_store import ObjectStore


@asynccontextmanager
async def objects(kind: str, folder: Path) -> AsyncIterator[ObjectStore]:
    """Serve for the block: `folder`, or `s3` by JuiceFS's gateway over that folder."""
    if kind == "folder":
        yield FolderObjectStore(folder / "objects")
        return
    # Only here: a machine that is lent for its GPU need not have what reaches S3.
    from memporium_platform.storage.objects.s3 import S3ObjectStore
    from memporium_platform.storage.objects.s3_address import S3Address
    from support.s3_gateway import S3Gateway

    gateway = S3Gateway(folder)
    gateway.start()
    store = S3ObjectStore(S3Address.parse(gateway.url))
    try:
        await store.start()
        yield store
    finally:
        await store.close()
        gateway.stop()
