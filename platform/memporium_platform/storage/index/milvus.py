"""The index in Milvus: a cluster's address, or the path of a Milvus Lite database, through one adapter."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, unquote, urlsplit

from pymilvus import MilvusClient
from pymilvus.exceptions import MilvusException

from memporium_platform.errors import PlatformError, Reason
from memporium_platform.storage.index import milvus_collections as collections
from memporium_platform.storage.index.keys import check_key
from memporium_platform.storage.index.milvus_vault import MilvusVaultIndex

if TYPE_CHECKING:
    from urllib.parse import SplitResult


class MilvusIndexStore:
    """The IndexStore port on Milvus."""

    def __init__(self, url: str) -> None:
        """Connect; blocks.

        Args:
            url: `milvus:///path.db`, or `milvus://user:password@host:port?secure=true`.

        Raises:
            ValueError: Another form.
            PlatformError: UNAVAILABLE, where it cannot be reached.
        """
        parts = urlsplit(url)
        self._lite_path = "" if parts.hostname else parts.path
        if parts.scheme != "milvus" or not (parts.hostname or parts.path.strip("/")):
            message = "an index's URL has the form milvus:///path.db or milvus://host:port"
            raise ValueError(message)
        try:
            self._client = self._connected(parts)
            collections.make_revisions(self._client)
        except MilvusException as error:
            raise PlatformError(Reason.UNAVAILABLE, "Milvus cannot be reached", retry_after_s=5.0) from error
        self._lock = threading.Lock()
        self._handles: dict[str, MilvusVaultIndex] = {}

    def open(self, key: str, *, dimensions: int) -> MilvusVaultIndex:
        """Return the vault's index, made where there is none; one of another dimension starts anew."""
        name = collections.collection_of(check_key(key))
        with self._lock:
            handle = self._handles.get(name)
            if handle is None or handle.dimensions != dimensions:
                try:
                    self._prepare(name, dimensions)
                except MilvusException as error:
                    raise PlatformError(Reason.UNAVAILABLE, "the index is not available", retry_after_s=1.0) from error
                handle = self._handles[name] = MilvusVaultIndex(self._client, name, dimensions=dimensions)
            return handle

    def destroy(self, key: str) -> None:
        """Remove the vault's collection."""
        name = collections.collection_of(check_key(key))
        with self._lock:
            self._handles.pop(name, None)
            try:
                self._drop(name)
            except MilvusException as error:
                raise PlatformError(Reason.UNAVAILABLE, "the index is not available", retry_after_s=1.0) from error

    def close(self) -> None:
        """Close the connection, and stop Milvus Lite."""
        self._client.close()
        if self._lite_path:
            from milvus_lite.server_manager import server_manager_instance

            server_manager_instance.release_server(self._lite_path)

    def _connected(self, parts: SplitResult) -> MilvusClient:
        if self._lite_path:
            Path(self._lite_path).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            return MilvusClient(self._lite_path)
        secure = parse_qs(parts.query).get("secure", ["false"])[0].lower() in {"true", "1", "yes"}
        address = parts.netloc.rpartition("@")[2]
        token = f"{unquote(parts.username)}:{unquote(parts.password or '')}" if parts.username else ""
        return MilvusClient(f"{'https' if secure else 'http'}://{address}", token=token, timeout=30.0)

    def _prepare(self, name: str, dimensions: int) -> None:
        exists = self._client.has_collection(name)
        if exists and collections.read_revision(self._client, name)[1] != dimensions:
            self._drop(name)
            exists = False
        if not exists:
            exact = bool(self._lite_path)
            collections.make_vault(self._client, name, dimensions=dimensions, exact=exact)
            collections.write_revision(self._client, name, revision=0, dimensions=dimensions)
        self._client.load_collection(name)

    def _drop(self, name: str) -> None:
        # The revision first: a crash in between leaves a collection that is not trusted.
        self._client.delete(collections.REVISIONS, ids=[name])
        if self._client.has_collection(name):
            self._client.drop_collection(name)
