"""Traces leaks: compares a sample with the marked copies of a listing that were handed out."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING

from memporium_platform.audit import record_in
from memporium_platform.bundle.reading import read
from memporium_platform.call import current_call
from memporium_platform.errors import PlatformError, Reason, denied
from memporium_platform.names import LISTING
from memporium_platform.tracing.canaries import allowed, canaries
from memporium_services.transfer.app import records
from memporium_services.transfer.app.comparing import Found, compare
from memporium_services.transfer.app.copies import tracing_secret
from memporium_services.transfer.app.marked_cubes import texts_of
from memporium_services.transfer.app.samples import is_tensor_file
from memporium_services.transfer.domain.bundles import BundleState, lines_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from sqlalchemy import Connection

    from memporium_platform.clock import Clock
    from memporium_platform.crypto.keyring import Keyring
    from memporium_platform.storage.sql.database import Database
    from memporium_services.transfer.app.verification import Opening
    from memporium_services.transfer.domain.bundles import Bundle
    from memporium_services.transfer.domain.tracing import MarkedCopy, Trace
    from memporium_services.transfer.ports.store import BundleRows
    from memporium_services.transfer.ports.tracing import TracingRows

# Largest sample in bytes.
_SAMPLE_MAX = 256 << 20
# The originals of so many of the newest releases are compared; most slots are in all of them.
_RELEASES = 4
# Largest original tensor file in bytes that is compared: it is held in memory whole.
_FILE_MAX = 1 << 30


@dataclass
class _Originals:
    """What the copies were made from."""

    texts: dict[str, None] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)


class Leaks:
    """The use cases."""

    def __init__(
        self,
        database: Database,
        rows: TracingRows,
        bundles: BundleRows,
        *,
        keys: Keyring,
        clock: Clock,
        open_own: Callable[[Bundle], Opening],
    ) -> None:
        """Wire the parts; `open_own` verifies a bundle for its publisher."""
        self._database, self._rows, self._bundles, self._keys = database, rows, bundles, keys
        self._clock, self._open_own = clock, open_own

    async def trace(self, org: str, listing: str, pieces: AsyncIterator[bytes]) -> Trace:
        """Return what a sample tells of the copies of a listing.

        Raises:
            PlatformError: PERMISSION_DENIED for another's listing; INVALID_FIELD; QUOTA_EXCEEDED for a sample that
                is too large; INTEGRITY_FAILURE or BUNDLE_REJECTED where what is stored was changed.
        """
        _own(org, listing)
        sample = await _sample(pieces)
        with_tensors = await asyncio.to_thread(is_tensor_file, sample)
        found = []
        for line in lines_of(listing):
            copies = await self._copies(org, line)
            secret = await tracing_secret(self._keys, org, line)
            originals = await self._originals(org, copies, with_tensors=with_tensors)
            if copies:
                found.append(Found(secret, copies, list(originals.texts), list(originals.files.values())))
        trace = await asyncio.to_thread(compare, found, sample, with_tensors)
        details = {
            "listing": listing,
            "sample": sha256(sample).hexdigest(),
            "verdict": trace.verdict.value,
            "accused": " ".join(suspect.agreement for suspect in trace.suspects if suspect.accused),
        }
        call = current_call()
        await self._database.write(lambda conn: record_in(conn, call, details=details, now=self._clock.now()))
        return trace

    async def questions(self, org: str, listing: str) -> list[tuple[MarkedCopy, str]]:
        """Return the questions that only one recipient's copy answers, by agreement.

        Raises:
            PlatformError: PERMISSION_DENIED for another's listing.
        """
        _own(org, listing)
        found = []
        for line in lines_of(listing):
            secret = await tracing_secret(self._keys, org, line)
            for copy in await self._copies(org, line):
                bundle = await self._database.read(
                    lambda conn, copy=copy: self._bundles.get(conn, org, copy.bundle_id)  # type: ignore[misc]
                )
                count = allowed(bundle.words if bundle else 0)
                found += [(copy, canary.question) for canary in canaries(secret.recipient(copy.agreement))[:count]]
        return found

    async def _copies(self, org: str, line: str) -> list[MarkedCopy]:
        """Return the newest copy of each agreement."""
        copies = await self._database.read(lambda conn: self._rows.of_line(conn, org, line))
        return list({copy.agreement: copy for copy in copies}.values())

    async def _originals(self, org: str, copies: Sequence[MarkedCopy], *, with_tensors: bool) -> _Originals:
        named = {copy.bundle_id for copy in copies}

        def newest(conn: Connection) -> list[Bundle]:
            held = [self._bundles.get(conn, org, bundle_id) for bundle_id in named]
            # One that was revoked is in no snapshot any more; its slots are those of its neighbours.
            sealed = [bundle for bundle in held if bundle is not None and bundle.state is BundleState.SEALED]
            return sorted(sealed, key=lambda bundle: -bundle.number)[:_RELEASES]

        originals = _Originals()
        for bundle in await self._database.read(newest):
            if bundle.part_cube_count:
                await self._read(bundle, originals, with_tensors=with_tensors)
        return originals

    async def _read(self, bundle: Bundle, originals: _Originals, *, with_tensors: bool) -> None:
        opening = self._open_own(bundle)
        async for _ in opening.documents():
            pass
        if with_tensors:
            async for _ in opening.contents():
                pass
            for index, digest in opening.part_files.items():
                if digest not in originals.files and opening.part_bytes[index] <= _FILE_MAX:
                    originals.files[digest] = await _whole(opening, index)
            return
        async with aclosing(opening.part_stream(0)) as contents:
            async for content in contents:
                for record in read(content):
                    if records.blob_of(record.cube.cube) is None:
                        originals.texts.update(dict.fromkeys(texts_of(record.cube)))


async def _whole(opening: Opening, index: int) -> bytes:
    data = bytearray()
    async with aclosing(opening.part_stream(index)) as contents:
        async for content in contents:
            data += content
    return bytes(data)


async def _sample(pieces: AsyncIterator[bytes]) -> bytes:
    data = bytearray()
    async for piece in pieces:
        data += piece
        if len(data) > _SAMPLE_MAX:
            raise PlatformError(
                Reason.QUOTA_EXCEEDED,
                f"the sample is larger than {_SAMPLE_MAX} bytes",
                metadata={"quota": "sample bytes", "limit": str(_SAMPLE_MAX)},
            )
    return bytes(data)


def _own(org: str, listing: str) -> None:
    if LISTING.parse(listing, "listing")["org"] != org:
        raise denied("transfer.leaks.trace", listing)
