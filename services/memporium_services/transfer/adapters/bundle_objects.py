"""Where the parts of bundles lie in the object store.

bundles/{org}/lines/{line}/{sha256}     segments; versions of one line share them, nobody else does
bundles/{org}/manifests/{bundle}        the manifest's envelope
bundles/{org}/own-grants/{bundle}       the publisher's grant to itself, from which it makes those of others
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from memporium_platform.bundle.limits import GRANT_MAX, MANIFEST_MAX, SEGMENT_OBJECT_MAX
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

    async def put_documents(self, bundle: Bundle, *, manifest: bytes, own_grant: bytes) -> None:
        """Store what makes the segments a bundle; the manifest last."""
        await self._objects.put(_own_grant(bundle), own_grant)
        await self._objects.put(_manifest(bundle), manifest)

    async def manifest(self, bundle: Bundle) -> bytes:
        """Return the manifest's envelope, not yet verified."""
        return await self._read(_manifest(bundle), VerificationStep.SIZE_CAPS, limit_bytes=MANIFEST_MAX)

    async def own_grant(self, bundle: Bundle) -> bytes:
        """Return the envelope of the publisher's grant to itself, not yet verified."""
        return await self._read(_own_grant(bundle), VerificationStep.GRANT, limit_bytes=GRANT_MAX)

    async def remove_documents(self, bundle: Bundle) -> int:
        """Remove a bundle's documents; return how many bytes they were."""
        freed = 0
        for key in (_manifest(bundle), _own_grant(bundle)):
            freed += await self._objects.size(key) or 0
            await self._objects.delete(key)
        return freed

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


def _own_grant(bundle: Bundle) -> str:
    return f"bundles/{bundle.org}/own-grants/{bundle.bundle_id}"
