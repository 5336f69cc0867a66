"""Objects in any S3 through the `minio` SDK, whose calls block: they run on threads of this store's own.

Only what S3 itself has is used. Two servers differ where a program would not expect it: one has ETags that are no
hashes (any multipart upload) or empty (Ceph), another silently ignores conditional puts (JuiceFS). So an ETag is never
compared, and `conditional_puts` says what a probe at the start saw, for operators; nothing here relies on it.
"""

from __future__ import annotations

import asyncio
import io
import os
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

import structlog
import urllib3
from minio import Minio
from minio.error import InvalidResponseError, S3Error, ServerError

from memporium_platform.errors import PlatformError, Reason
from memporium_platform.storage.objects.folder import check_key
from memporium_platform.storage.objects.object_store import ObjectNotFoundError, ObjectTooLargeError
from memporium_platform.storage.objects.upload import AsyncSource, PuttingAbortedError

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator, Callable

    from memporium_platform.storage.objects.s3_address import S3Address

T = TypeVar("T")

PIECE_BYTES = 1 << 20
# Parts of a streamed upload: S3 wants 5 MiB at least, and one is held in memory for each upload. 10,000 of them
# allow objects of 160 GiB.
PART_BYTES = 16 << 20
# Transfers at once; an upload holds its thread until its source is exhausted.
_THREADS = 32
_LIST_PAGE = 1000
_PROBE_KEY = ".memporium-probe"
_ABSENT = frozenset({"NoSuchKey", "NoSuchObject", "NotFound"})
_LOG = structlog.get_logger(__name__)


class S3ObjectStore:
    """The ObjectStore port on one bucket."""

    def __init__(self, address: S3Address) -> None:
        """Keep the address; `start` reaches it."""
        self._bucket = address.bucket
        self._http = urllib3.PoolManager(
            maxsize=_THREADS,
            timeout=urllib3.Timeout(connect=5.0, read=60.0),
            retries=urllib3.Retry(total=3, backoff_factor=0.2, status_forcelist=(500, 502, 503, 504)),
        )
        self._client = Minio(
            address.endpoint,
            access_key=address.access_key,
            secret_key=address.secret_key,
            secure=address.secure,
            region=address.region,
            http_client=self._http,
        )
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="s3")
        self.conditional_puts = False

    async def start(self) -> None:
        """Make the bucket where it is absent, and see what the server can do.

        Raises:
            PlatformError: UNAVAILABLE, where the server cannot be reached or refuses the credential.
        """
        if not await self._run(lambda: self._client.bucket_exists(self._bucket)):
            await self._run(lambda: self._client.make_bucket(self._bucket))
        self.conditional_puts = await self._run(self._probe)
        _LOG.info("s3.ready", bucket=self._bucket, conditional_puts=self.conditional_puts)

    async def put(self, key: str, data: bytes | AsyncIterable[bytes], *, size_bytes: int | None = None) -> None:
        """Write an object as a whole or not at all."""
        check_key(key)
        if isinstance(data, bytes):
            if size_bytes is not None and len(data) != size_bytes:
                message = f"the object has {len(data)} bytes, not {size_bytes}"
                raise ValueError(message)
            await self._run(lambda: self._client.put_object(self._bucket, key, io.BytesIO(data), len(data)))
            return
        # Of unknown length to the SDK, so that it reads to the end and the source can object to a wrong size.
        with AsyncSource(data, asyncio.get_running_loop(), size_bytes=size_bytes) as source:
            await self._run(
                lambda: self._client.put_object(
                    self._bucket, key, source, -1, part_size=PART_BYTES, num_parallel_uploads=1
                )
            )

    async def get(self, key: str, *, offset: int = 0, length: int | None = None) -> AsyncIterator[bytes]:
        """Yield the object's bytes in pieces of at most 1 MiB."""
        size = await self.size(key)
        if size is None:
            raise ObjectNotFoundError(key)
        left = max(0, size - offset if length is None else min(length, size - offset))
        if left == 0:  # S3 has no empty ranges.
            return
        response = await self._run(lambda: self._client.get_object(self._bucket, key, offset=offset, length=left))
        try:
            while piece := await self._run(lambda: response.read(PIECE_BYTES)):
                left -= len(piece)
                yield piece
            if left:
                raise PlatformError(Reason.UNAVAILABLE, "the object store broke off", retry_after_s=1.0)
        finally:
            response.close()
            response.release_conn()

    async def get_bytes(self, key: str, *, limit_bytes: int) -> bytes:
        """Return a small object whole."""
        check_key(key)

        def read() -> bytes:
            response = self._client.get_object(self._bucket, key)
            try:
                if int(response.headers.get("Content-Length", 0)) > limit_bytes:
                    raise ObjectTooLargeError(key)
                data: bytes = response.read(limit_bytes + 1)
            finally:
                response.close()
                response.release_conn()
            if len(data) > limit_bytes:
                raise ObjectTooLargeError(key)
            return data

        return await self._run(read, key=key)

    async def size(self, key: str) -> int | None:
        """Return the object's size in bytes, or None where there is none."""
        check_key(key)
        try:
            return await self._run(lambda: self._client.stat_object(self._bucket, key).size, key=key)
        except ObjectNotFoundError:
            return None

    async def delete(self, key: str) -> None:
        """Remove an object; one that is absent is no error."""
        check_key(key)
        try:
            await self._run(lambda: self._client.remove_object(self._bucket, key), key=key)
        except ObjectNotFoundError:
            return

    async def list(self, prefix: str) -> AsyncIterator[str]:
        """Yield the keys that begin with `prefix`, in order."""
        found = self._client.list_objects(self._bucket, prefix=prefix, recursive=True)
        while page := await self._run(lambda: [entry.object_name for entry in islice(found, _LIST_PAGE)]):
            for name in page:
                if name and name != _PROBE_KEY and not name.endswith("/"):
                    yield name

    async def close(self) -> None:
        """End the threads and connections."""
        await asyncio.to_thread(self._threads.shutdown, wait=True)
        self._http.clear()

    async def _run(self, fn: Callable[[], T], *, key: str = "") -> T:
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._threads, fn)
        except S3Error as error:
            if error.code in _ABSENT:
                raise ObjectNotFoundError(key) from error
            raise _unavailable() from error
        except (urllib3.exceptions.HTTPError, InvalidResponseError, ServerError) as error:
            raise _unavailable() from error
        except PuttingAbortedError as error:
            raise error.cause from error

    def _probe(self) -> bool:
        """Put an object twice "if there is none": does the server refuse the second?"""
        statuses = []
        for _ in range(2):
            url = self._client.presigned_put_object(self._bucket, _PROBE_KEY, expires=timedelta(minutes=5))
            answer = self._http.request("PUT", url, body=os.urandom(8), headers={"If-None-Match": "*"}, retries=False)
            statuses.append(answer.status)
        self._client.remove_object(self._bucket, _PROBE_KEY)
        refused = 412
        return statuses[1] == refused


def _unavailable() -> PlatformError:
    return PlatformError(Reason.UNAVAILABLE, "the object store is not available", retry_after_s=1.0)
