"""Where the parts of bundles lie in the object store.

bundles/{org}/lines/{line}/{sha256}     segments; versions of one line share them, nobody else does
bundles/{org}/manifests/{bundle}        the manifest's envelope
bundles/{org}/own-grants/{bundle}       the publisher's grant to itself, from which it makes those of others
bundles/{org}/source-parts/{bundle}     the envelope of what was kept out of the common segments to be marked
bundles/{org}/parts/{bundle}/{copy}/    a recipient's part: `part`, `key-{sha256}` (wrapped), its segments by digest
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from memporium_platform.bundle import dsse
from memporium_platform.bundle.documents import digest_of
from memporium_platform.bundle.limits import GRANT_MAX, MANIFEST_MAX, PART_MAX, SEGMENT_OBJECT_MAX
from memporium_platform.bundle.steps import VerificationStep, rejected
from memporium_platform.storage.objects.object_store import ObjectNotFoundError, ObjectTooLargeError
from memporium_services.transfer.domain.bundles import line_key

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection

    from memporium_platform.storage.objects.object_store import ObjectStore
    from memporium_services.transfer.domain.bundles import Bundle


class StoredBundles:
    """Reads and writes the objects of bundles. What is missing or too large refuses the bundle."""

    def __init__(self, objects: ObjectStore) -> None:
        """Use an object store."""
        self._objects = objects

    async def put_segment(self, bundle: Bundle, digest: str, data: bytes) -> bool:
        """Store a segment; return False where it was there already, from another version of the line."""
        key = _segment(bundle, digest)
        if await self._objects.size(key) == len(data):
            return False
        await self._objects.put(key, data)
        return True

    async def has_segment(self, bundle: Bundle, digest: str) -> bool:
        """Return whether a segment is stored."""
        return await self._objects.size(_segment(bundle, digest)) is not None

    async def segment(self, bundle: Bundle, digest: str) -> bytes:
        """Return a segment, not yet verified.

        Raises:
            PlatformError: BUNDLE_REJECTED at SEGMENT_DIGEST, where it is missing or too large.
        """
        step = VerificationStep.SEGMENT_DIGEST
        return await self._read(_segment(bundle, digest), step, limit_bytes=SEGMENT_OBJECT_MAX)

    async def put_documents(
        self, bundle: Bundle, *, manifest: bytes, own_grant: bytes, source_part: bytes | None
    ) -> None:
        """Store what makes the segments a bundle; the manifest last."""
        if source_part is not None:
            await self._objects.put(_source_part(bundle), source_part)
        await self._objects.put(_own_grant(bundle), own_grant)
        await self._objects.put(_manifest(bundle), manifest)

    async def manifest(self, bundle: Bundle) -> bytes:
        """Return the manifest's envelope, not yet verified."""
        return await self._read(_manifest(bundle), VerificationStep.SIZE_CAPS, limit_bytes=MANIFEST_MAX)

    async def own_grant(self, bundle: Bundle) -> bytes:
        """Return the envelope of the publisher's grant to itself, not yet verified."""
        return await self._read(_own_grant(bundle), VerificationStep.GRANT, limit_bytes=GRANT_MAX)

    async def source_part(self, bundle: Bundle) -> bytes:
        """Return the envelope of the publisher's own part, not yet verified."""
        return await self._read(_source_part(bundle), VerificationStep.SIZE_CAPS, limit_bytes=PART_MAX)

    async def part(self, bundle: Bundle, agreement: str) -> tuple[bytes, bytes] | None:
        """Return the envelope of a recipient's part and its wrapped key, or None where none was made."""
        if await self._objects.size(_copy(bundle, agreement, "part")) is None:
            return None
        step = VerificationStep.SIZE_CAPS
        envelope = await self._read(_copy(bundle, agreement, "part"), step, limit_bytes=PART_MAX)
        key = _copy(bundle, agreement, _key_of(envelope))
        return envelope, await self._read(key, step, limit_bytes=GRANT_MAX)

    async def put_part(self, bundle: Bundle, agreement: str, *, envelope: bytes, wrapped_key: bytes) -> None:
        """Store what makes its segments a recipient's part; the envelope last."""
        # Under the part's digest: of two deliveries at once in two processes, no part gets the other's key.
        await self._objects.put(_copy(bundle, agreement, _key_of(envelope)), wrapped_key)
        await self._objects.put(_copy(bundle, agreement, "part"), envelope)

    async def put_part_segment(self, bundle: Bundle, agreement: str, digest: str, data: bytes) -> None:
        """Store a segment of a recipient's part."""
        await self._objects.put(_copy(bundle, agreement, digest), data)

    async def part_segment(self, bundle: Bundle, agreement: str, digest: str) -> bytes:
        """Return a segment of a recipient's part, not yet verified."""
        step = VerificationStep.SEGMENT_DIGEST
        return await self._read(_copy(bundle, agreement, digest), step, limit_bytes=SEGMENT_OBJECT_MAX)

    async def documents(self, bundle: Bundle) -> AsyncIterator[tuple[str, bytes]]:
        """Yield the signed documents of a bundle and of its recipients' parts, with where they lie."""
        keys = [_own_grant(bundle), _source_part(bundle), _manifest(bundle)]
        keys += [key async for key in self._objects.list(_copies(bundle)) if key.endswith("/part")]
        for key in keys:
            if await self._objects.size(key) is not None:
                yield key, await self._read(key, VerificationStep.SIZE_CAPS, limit_bytes=MANIFEST_MAX)

    async def put_document(self, key: str, envelope: bytes) -> None:
        """Store a document again where it lay."""
        await self._objects.put(key, envelope)

    async def remove_documents(self, bundle: Bundle) -> tuple[int, int]:
        """Remove a bundle's documents, and the parts of its recipients; return how many objects, and their bytes."""
        removed = freed = 0
        keys = [_manifest(bundle), _own_grant(bundle), _source_part(bundle)]
        keys += [key async for key in self._objects.list(_copies(bundle))]
        for key in keys:
            size = await self._objects.size(key)
            if size is not None:
                await self._objects.delete(key)
                removed, freed = removed + 1, freed + size
        return removed, freed

    async def remove_segments(self, bundle: Bundle, *, keep: Collection[str]) -> AsyncIterator[int]:
        """Remove the segments of the bundle's line but those to keep; yield the size of each."""
        prefix = _segment(bundle, "")
        async for key in self._objects.list(prefix):
            if key.removeprefix(prefix) not in keep:
                size = await self._objects.size(key) or 0
                await self._objects.delete(key)
                yield size

    def read(self, bundle: Bundle, digest: str, *, offset: int = 0) -> AsyncIterator[bytes]:
        """Yield a segment's stored bytes in pieces."""
        return self._objects.get(_segment(bundle, digest), offset=offset)

    async def size(self, bundle: Bundle, digest: str) -> int:
        """Return the size of a stored segment in bytes; 0 where it is missing."""
        return await self._objects.size(_segment(bundle, digest)) or 0

    async def _read(self, key: str, step: VerificationStep, *, limit_bytes: int) -> bytes:
        try:
            return await self._objects.get_bytes(key, limit_bytes=limit_bytes)
        except ObjectNotFoundError as err:
            raise rejected(step, "a stored object is missing") from err
        except ObjectTooLargeError as err:
            raise rejected(step, "a stored object is above its cap") from err


def _segment(bundle: Bundle, digest: str) -> str:
    return f"bundles/{bundle.org}/lines/{line_key(bundle.line)}/{digest}"


def _manifest(bundle: Bundle) -> str:
    return f"bundles/{bundle.org}/manifests/{bundle.bundle_id}"


def _source_part(bundle: Bundle) -> str:
    return f"bundles/{bundle.org}/source-parts/{bundle.bundle_id}"


def _copies(bundle: Bundle) -> str:
    return f"bundles/{bundle.org}/parts/{bundle.bundle_id}/"


def _copy(bundle: Bundle, agreement: str, what: str) -> str:
    return f"{_copies(bundle)}{line_key(agreement)}/{what}"


def _key_of(envelope: bytes) -> str:
    return f"key-{digest_of(dsse.parse(envelope).payload).hex()}"


def _own_grant(bundle: Bundle) -> str:
    return f"bundles/{bundle.org}/own-grants/{bundle.bundle_id}"
