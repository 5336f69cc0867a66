"""What the transfer service needs from its database and the object store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Sequence
    from datetime import datetime

    from sqlalchemy import Connection

    from memporium_platform.bundle.freshness import Seen
    from memporium_services.transfer.domain.bundles import Bundle, Import, KeptRoot, Publisher


class BundleRows(Protocol):
    """Bundles and their publishers; methods run within a transaction."""

    def insert(self, conn: Connection, bundle: Bundle) -> None:
        """Add a bundle."""
        ...

    def save(self, conn: Connection, bundle: Bundle) -> None:
        """Write a changed bundle."""
        ...

    def get(self, conn: Connection, org: str, bundle_id: str) -> Bundle | None:
        """Return a bundle, or None."""
        ...

    def by_request(self, conn: Connection, request_key: str) -> Bundle | None:
        """Return the bundle that a request made, or None."""
        ...

    def newest(self, conn: Connection, org: str, line: str) -> Bundle | None:
        """Return the bundle of a line with the highest number, whatever its state."""
        ...

    def sealing(self, conn: Connection, org: str, line: str) -> int:
        """Return how many bundles of a line are being sealed."""
        ...

    def page(
        self, conn: Connection, org: str, *, line: str, before: tuple[int, str] | None, limit: int
    ) -> list[Bundle]:
        """Return bundles of an organisation, newest first, after the one that `before` names by time and id."""
        ...

    def sealed(self, conn: Connection, org: str) -> list[Bundle]:
        """Return every bundle of an organisation that may be loaded, by id."""
        ...

    def abandoned(self, conn: Connection, before: datetime) -> list[Bundle]:
        """Return bundles that are being sealed and did not show since a time that they still are."""
        ...

    def alive(self, conn: Connection, bundle: Bundle, *, now: datetime) -> None:
        """Note that the sealing of a bundle goes on."""
        ...

    def roots(self, conn: Connection, org: str) -> list[KeptRoot]:
        """Return an organisation's roots, oldest first."""
        ...

    def add_root(self, conn: Connection, org: str, root: KeptRoot, *, now: datetime) -> None:
        """Add an organisation's next root; one that is there already stays."""
        ...

    def delete(self, conn: Connection, org: str, bundle_id: str) -> None:
        """Remove a bundle."""
        ...

    def add_segments(self, conn: Connection, bundle: Bundle, named: Sequence[tuple[str, int]]) -> None:
        """Note a bundle's segments, in order: digest and size."""
        ...

    def segments(self, conn: Connection, org: str, bundle_id: str) -> list[str]:
        """Return the digests of a bundle's segments, in order."""
        ...

    def segments_of_line(self, conn: Connection, org: str, line: str) -> set[str]:
        """Return the digests of all segments that bundles of a line hold."""
        ...

    def publisher(self, conn: Connection, org: str) -> Publisher | None:
        """Return what an organisation has published, or None where it has nothing."""
        ...

    def advance(self, conn: Connection, org: str, *, now: datetime, revoked: int = 0) -> None:
        """Note that an organisation's bundles have changed."""
        ...

    def next_signed_time(self, conn: Connection, org: str) -> None:
        """Take the next number of a signed time."""
        ...

    def end_agreement(self, conn: Connection, org: str, agreement: str, *, now: datetime) -> bool:
        """Note that an agreement has ended; return False where that was known."""
        ...

    def ended_agreements(self, conn: Connection, org: str) -> list[str]:
        """Return an organisation's agreements that ended before their time."""
        ...

    def revoke(self, conn: Connection, bundle: Bundle, *, reason: str, now: datetime) -> None:
        """Put a bundle on its publisher's list of revocations."""
        ...

    def revoked(self, conn: Connection, org: str) -> list[bytes]:
        """Return the digests of an organisation's revoked manifests."""
        ...


class ImportRows(Protocol):
    """Imports, and the highest numbers met of each publisher; methods run within a transaction."""

    def imported(self, conn: Connection, vault: str) -> Import | None:
        """Return what a vault was last filled from, or None."""
        ...

    def record(self, conn: Connection, done: Import) -> None:
        """Note what a vault was filled from."""
        ...

    def seen(self, conn: Connection, org: str, publisher: str, *, trust: str, line: str) -> Seen:
        """Return the highest numbers that an organisation has met of a publisher and its line."""
        ...

    def remember(self, conn: Connection, org: str, publisher: str, *, trust: str, line: str, new: Seen) -> None:
        """Raise the numbers that were met; none is ever lowered."""
        ...


class BundleStore(Protocol):
    """The objects of bundles. What is missing or too large refuses the bundle."""

    async def put_segment(self, bundle: Bundle, digest: str, data: bytes) -> bool:
        """Store a segment; return False where it was there already, from another version of the line."""
        ...

    async def has_segment(self, bundle: Bundle, digest: str) -> bool:
        """Return whether a segment is stored."""
        ...

    async def segment(self, bundle: Bundle, digest: str) -> bytes:
        """Return a segment, not yet verified."""
        ...

    async def put_documents(
        self, bundle: Bundle, *, manifest: bytes, own_grant: bytes, source_part: bytes | None
    ) -> None:
        """Store what makes the segments a bundle; the manifest last."""
        ...

    async def manifest(self, bundle: Bundle) -> bytes:
        """Return the manifest's envelope, not yet verified."""
        ...

    async def own_grant(self, bundle: Bundle) -> bytes:
        """Return the envelope of the publisher's grant to itself, not yet verified."""
        ...

    async def source_part(self, bundle: Bundle) -> bytes:
        """Return the envelope of the publisher's own part, not yet verified."""
        ...

    async def part(self, bundle: Bundle, agreement: str) -> tuple[bytes, bytes] | None:
        """Return the envelope of a recipient's part and its wrapped key, or None where none was made."""
        ...

    async def put_part(self, bundle: Bundle, agreement: str, *, envelope: bytes, wrapped_key: bytes) -> None:
        """Store what makes its segments a recipient's part; the envelope last."""
        ...

    async def put_part_segment(self, bundle: Bundle, agreement: str, digest: str, data: bytes) -> None:
        """Store a segment of a recipient's part."""
        ...

    async def part_segment(self, bundle: Bundle, agreement: str, digest: str) -> bytes:
        """Return a segment of a recipient's part, not yet verified."""
        ...

    def documents(self, bundle: Bundle) -> AsyncIterator[tuple[str, bytes]]:
        """Yield the signed documents of a bundle and of its recipients' parts, with where they lie."""
        ...

    async def put_document(self, key: str, envelope: bytes) -> None:
        """Store a document again where it lay."""
        ...

    async def remove_documents(self, bundle: Bundle) -> tuple[int, int]:
        """Remove a bundle's documents, and the parts of its recipients; return how many objects, and their bytes."""
        ...

    def remove_segments(self, bundle: Bundle, *, keep: Collection[str]) -> AsyncIterator[int]:
        """Remove the segments of the bundle's line but those to keep; yield the size of each."""
        ...

    def read(self, bundle: Bundle, digest: str, *, offset: int = 0) -> AsyncIterator[bytes]:
        """Yield a segment's stored bytes in pieces."""
        ...

    async def size(self, bundle: Bundle, digest: str) -> int:
        """Return the size of a stored segment in bytes; 0 where it is missing."""
        ...
