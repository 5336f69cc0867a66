"""Blobs: content-addressed bytes in the object store, sealed in segments under the vault's key.

A blob's name in the store is keyed, so it tells neither what it holds nor that another vault holds the same. A segment
is stored as soon as it is full, so an upload that breaks off goes on where the last segment ended, and a download
opens only the segments that it needs.
"""

from __future__ import annotations

import hashlib
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from memporium_platform import audit
from memporium_platform.errors import PlatformError, Reason, invalid, not_found
from memporium_platform.storage.objects.object_store import ObjectNotFoundError
from memporium_services.vault.app.licensing import READ, asked_for, only_for_services, reserve
from memporium_services.vault.app.reading import assemble, reader_of, refuse_private
from memporium_services.vault.app.runtime import bind, refuse_read_only
from memporium_services.vault.app.writing import keep_quota
from memporium_services.vault.domain.rows import BlobRow

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Sequence

    from sqlalchemy import Connection

    from memporium.common.v1.digest_pb2 import Digest
    from memporium_platform.call import Call
    from memporium_services.vault.app.cipher import VaultCipher
    from memporium_services.vault.app.runtime import Runtime
    from memporium_services.vault.domain.rows import CubeRow, VaultRow
    from memporium_services.vault.ports import Store

# Plaintext of one stored object: what an upload can lose, and what a small read opens.
SEGMENT_BYTES = 4 << 20
CHUNK_BYTES = 1 << 20
_HEX_CHARS = 64
_MAX_DIGESTS = 1000


@dataclass(frozen=True, slots=True)
class Missing:
    """Blobs that a vault does not hold, and how many bytes of begun uploads it kept."""

    missing: list[Digest]
    partial: list[tuple[Digest, int]]


class Blobs:
    """Blobs of all vaults."""

    def __init__(self, rt: Runtime) -> None:
        """Work on these ports."""
        self._rt = rt

    async def find_missing(self, parent: str, digests: Sequence[Digest]) -> Missing:
        """Return which of these blobs a vault does not hold.

        Raises:
            PlatformError: INVALID_FIELD, NOT_FOUND.
        """
        rt = self._rt
        if len(digests) > _MAX_DIGESTS:
            raise invalid("digests", f"at most {_MAX_DIGESTS}")
        for index, digest in enumerate(digests):
            self._check(digest, f"digests[{index}]")
        vault = await rt.vault(parent, field="parent")
        cipher = await rt.cipher(vault)
        keys = [cipher.object_name("blob", digest.sha256) for digest in digests]
        there = await rt.db.read(lambda conn: rt.store(conn).blobs(vault.uid, keys))
        found = Missing([], [])
        for digest, key in zip(digests, keys, strict=True):
            row = there.get(key)
            if row is not None and row.complete:
                continue
            found.missing.append(digest)
            if row is not None and row.segments:
                found.partial.append((digest, row.segments * SEGMENT_BYTES))
        return found

    async def upload(self, call: Call, parent: str, digest: Digest, offset: int, chunks: AsyncIterator[bytes]) -> bool:
        """Store a blob; return whether it was there before.

        Raises:
            PlatformError: INVALID_FIELD, DIGEST_MISMATCH, QUOTA_EXCEEDED, VAULT_READ_ONLY.
        """
        rt = self._rt
        self._check(digest, "header.digest")
        vault = await rt.vault(parent, field="header.parent")
        if not call.principal.via:
            refuse_read_only(vault)
        cipher = await rt.cipher(vault)
        key = cipher.object_name("blob", digest.sha256)
        row = (await rt.db.read(lambda conn: rt.store(conn).blobs(vault.uid, [key]))).get(key)
        if row is not None and row.complete:
            return True
        keep_quota(rt, vault, cubes=0, size_bytes=digest.size_bytes)
        kept = row.segments * SEGMENT_BYTES if row is not None else 0
        if offset not in {0, kept}:
            raise invalid("header.offset", f"must be 0 or {kept}")
        segments = await self._store(vault, cipher, key, digest, offset, chunks)
        done = BlobRow(key, digest.size_bytes, segments, complete=True, update_us=rt.now_us())

        def write(conn: Connection) -> None:
            rt.store(conn).save_blob(vault.uid, done)
            audit.record_in(conn, call, resource=vault.name, details={"blob_bytes": str(digest.size_bytes)})

        await rt.db.write(write)
        return False

    async def _store(
        self,
        vault: VaultRow,
        cipher: VaultCipher,
        key: str,
        digest: Digest,
        offset: int,
        chunks: AsyncIterator[bytes],
    ) -> int:
        """Store the segments of an upload; return how many there are."""
        rt = self._rt
        hasher = hashlib.sha256()
        segment = offset // SEGMENT_BYTES
        for number in range(segment):
            hasher.update(await self._open_segment(vault, cipher, key, number))
        received, buffer = offset, bytearray()
        async for chunk in chunks:
            if len(chunk) > CHUNK_BYTES:
                raise invalid("data", f"at most {CHUNK_BYTES} bytes a message")
            received += len(chunk)
            if received > digest.size_bytes:
                raise _mismatch("size", str(digest.size_bytes), f"more than {digest.size_bytes}")
            hasher.update(chunk)
            buffer += chunk
            while len(buffer) >= SEGMENT_BYTES:
                await self._put(vault, cipher, key, segment, bytes(buffer[:SEGMENT_BYTES]))
                del buffer[:SEGMENT_BYTES]
                segment += 1
                kept = BlobRow(key, digest.size_bytes, segment, complete=False, update_us=rt.now_us())
                await rt.db.write(bind(rt, partial(_save, vault.uid, kept)))
        if received != digest.size_bytes:
            raise _mismatch("size", str(digest.size_bytes), str(received))
        if hasher.hexdigest() != digest.sha256:
            await self._drop(vault, key, segment)
            raise _mismatch("SHA-256", digest.sha256, hasher.hexdigest())
        if buffer or segment == 0:
            await self._put(vault, cipher, key, segment, bytes(buffer))
            segment += 1
        return segment

    async def download(
        self, call: Call, parent: str, digest: Digest, *, offset: int, limit: int, action: int
    ) -> AsyncIterator[tuple[bytes, int, int]]:
        """Yield (bytes, their position, size of the blob).

        Raises:
            PlatformError: INVALID_FIELD, NOT_FOUND, PERMISSION_DENIED, LICENCE_*, INTEGRITY_FAILURE.
        """
        rt = self._rt
        self._check(digest, "digest")
        if offset < 0 or limit < 0:
            raise invalid("offset" if offset < 0 else "limit", "must not be negative")
        vault = await rt.vault(parent, field="parent")
        cipher = await rt.cipher(vault)
        key = cipher.object_name("blob", digest.sha256)
        row = (await rt.db.read(lambda conn: rt.store(conn).blobs(vault.uid, [key]))).get(key)
        if row is None or not row.complete or digest.size_bytes not in {0, row.size_bytes}:
            raise not_found(f"{vault.name}/blobs/{digest.sha256}")
        if offset > row.size_bytes:
            raise invalid("offset", f"beyond the blob's {row.size_bytes} bytes")
        await self._permit(call, vault, cipher, key, action or READ)
        end = min(row.size_bytes, offset + limit) if limit else row.size_bytes
        position = offset
        while position < end:
            number, start = divmod(position, SEGMENT_BYTES)
            data = await self._open_segment(vault, cipher, key, number)
            for piece in range(start, min(len(data), end - number * SEGMENT_BYTES), CHUNK_BYTES):
                stop = min(piece + CHUNK_BYTES, end - number * SEGMENT_BYTES)
                yield data[piece:stop], number * SEGMENT_BYTES + piece, row.size_bytes
            position = (number + 1) * SEGMENT_BYTES
        if offset == end:
            yield b"", offset, row.size_bytes

    async def delete(self, vault_uid: str, blobs: Iterable[tuple[str, int]]) -> None:
        """Remove the objects of blobs: names, each with the number of segments."""
        for key, segments in blobs:
            for number in range(segments + 1):
                await self._rt.objects.delete(_object_key(vault_uid, key, number))

    async def _permit(self, call: Call, vault: VaultRow, cipher: VaultCipher, key: str, action: int) -> None:
        """Ask the licences of the cubes that refer to the blob; one that nobody may see is absent."""
        rt = self._rt

        def load(conn: Connection) -> list[CubeRow]:
            store = rt.store(conn)
            return list(store.cubes(vault.uid, store.referring(vault.uid, key)).values())

        rows = await rt.db.read(load)
        only_for_services(call, action, vault.name)
        if rows and all(row.scope == 1 and row.owner != reader_of(call) for row in rows if reader_of(call)):
            refuse_private(call, vault, rows[0])
        cubes = await assemble(rt, vault, rows, cipher, full=False)
        lease = await reserve(rt, call, asked_for(cubes, action, rows=rows, always=vault.agreement))
        await lease.commit()

    async def _put(self, vault: VaultRow, cipher: VaultCipher, key: str, number: int, data: bytes) -> None:
        sealed = cipher.seal(data, "blob", key, number)
        await self._rt.objects.put(_object_key(vault.uid, key, number), sealed, size_bytes=len(sealed))

    async def _open_segment(self, vault: VaultRow, cipher: VaultCipher, key: str, number: int) -> bytes:
        pieces = []
        try:
            async with aclosing(self._rt.objects.get(_object_key(vault.uid, key, number))) as stream:  # type: ignore[type-var]
                async for piece in stream:
                    pieces.append(piece)  # noqa: PERF401 - an asynchronous comprehension hides the closing
        except ObjectNotFoundError as error:
            raise PlatformError(
                Reason.INTEGRITY_FAILURE, "a segment of the blob is lost", metadata={"resource": vault.name}
            ) from error
        return cipher.open(b"".join(pieces), "blob", key, number)

    async def _drop(self, vault: VaultRow, key: str, segments: int) -> None:
        """Forget what a wrong upload has stored."""
        await self._rt.db.write(lambda conn: self._rt.store(conn).delete_blobs(vault.uid, [key]))
        await self.delete(vault.uid, [(key, segments)])

    def _check(self, digest: Digest, field: str) -> None:
        if len(digest.sha256) != _HEX_CHARS or set(digest.sha256) - set("0123456789abcdef"):
            raise invalid(f"{field}.sha256", "must be 64 lower-case hexadecimal characters")
        if not 0 <= digest.size_bytes <= self._rt.settings.max_blob_bytes:
            raise invalid(f"{field}.size_bytes", f"must be 0 to {self._rt.settings.max_blob_bytes}")


def _save(vault_uid: str, row: BlobRow, store: Store) -> None:
    store.save_blob(vault_uid, row)


def _object_key(vault_uid: str, key: str, number: int) -> str:
    return f"vaults/{vault_uid}/blobs/{key}/{number:06d}"


def _mismatch(what: str, expected: str, actual: str) -> PlatformError:
    return PlatformError(
        Reason.DIGEST_MISMATCH,
        f"the blob's {what} is not the announced one",
        metadata={"expected": expected, "actual": actual},
    )
