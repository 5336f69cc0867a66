"""What a publisher tells the world: the snapshot of its bundles, and the signed time over it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from memporium.transfer.v1.bundle_pb2 import SignedTime, Snapshot, SnapshotEntry
from memporium_platform.bundle import dsse
from memporium_platform.bundle.documents import FORMAT, SIGNED_TIME_TYPE, SNAPSHOT_TYPE, digest_of, stamp
from memporium_platform.errors import not_found

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Connection

    from memporium_platform.clock import Clock
    from memporium_platform.storage.sql.database import Database
    from memporium_services.transfer.app.signers import SigningKeys
    from memporium_services.transfer.domain.bundles import Bundle, Publisher
    from memporium_services.transfer.ports.store import BundleRows


@dataclass(frozen=True, slots=True)
class Published:
    """Envelopes of a publisher's snapshot and signed time."""

    snapshot: bytes
    signed_time: bytes


@dataclass(frozen=True, slots=True)
class _Cached:
    published: Published
    revision: int
    renew_time: datetime


class Publications:
    """Signs snapshots and times; keeps the last ones of each publisher until half of their life is over."""

    def __init__(
        self, database: Database, rows: BundleRows, *, signing: SigningKeys, clock: Clock, life_s: int
    ) -> None:
        """Sign with the organisations' keys; a signed time lives `life_s` seconds."""
        self._database, self._rows, self._signing, self._clock = database, rows, signing, clock
        self._life = timedelta(seconds=life_s)
        self._cache: dict[str, _Cached] = {}

    async def current(self, org: str) -> Published:
        """Return the newest snapshot and a living signed time of an organisation.

        Raises:
            PlatformError: NOT_FOUND, where it has published nothing.
        """
        now = self._clock.now()
        publisher = await self._database.read(lambda conn: self._rows.publisher(conn, org))
        cached = self._cache.get(org)
        fits = cached is not None and publisher is not None and cached.revision == publisher.revision
        if cached is not None and fits and now < cached.renew_time:
            return cached.published
        newest, bundles, revoked, ended = await self._database.write(lambda conn: self._take(conn, org))
        signers = (await self._signing.of(org)).keys
        snapshot = _snapshot(org, newest, bundles, revoked=revoked, ended=ended)
        signed = SignedTime(
            format=FORMAT,
            publisher=f"orgs/{org}",
            number=newest.signed_time,
            create_time=stamp(now),
            expire_time=stamp(now + self._life),
            snapshot_sha256=digest_of(snapshot),
            snapshot_number=newest.revision,
        )
        published = Published(
            snapshot=dsse.sign(snapshot, SNAPSHOT_TYPE, signers),
            signed_time=dsse.sign(signed.SerializeToString(), SIGNED_TIME_TYPE, signers),
        )
        self._cache[org] = _Cached(published, newest.revision, now + self._life / 2)
        return published

    async def revocation_epoch(self, org: str) -> int:
        """Return how many revocations an organisation has made."""
        publisher = await self._database.read(lambda conn: self._rows.publisher(conn, org))
        return publisher.revocation_epoch if publisher else 0

    def _take(self, conn: Connection, org: str) -> tuple[Publisher, list[Bundle], list[bytes], list[str]]:
        self._rows.next_signed_time(conn, org)
        publisher = self._rows.publisher(conn, org)
        if publisher is None:
            raise not_found(f"orgs/{org}/bundles")
        ended = self._rows.ended_agreements(conn, org)
        return publisher, self._rows.sealed(conn, org), self._rows.revoked(conn, org), ended


def _snapshot(
    org: str, publisher: Publisher, bundles: list[Bundle], *, revoked: list[bytes], ended: list[str]
) -> bytes:
    """Return the snapshot's bytes; they are the same on every replica, since all is read from the same revision."""
    entries = [
        SnapshotEntry(
            bundle=bundle.name,
            line=bundle.line,
            number=bundle.number,
            manifest_sha256=bytes.fromhex(bundle.manifest_sha256),
            terms_sha256=bundle.terms_sha256,
        )
        for bundle in bundles
    ]
    snapshot = Snapshot(
        format=FORMAT,
        publisher=f"orgs/{org}",
        number=publisher.revision,
        create_time=stamp(publisher.revision_time),
        entries=entries,
        revoked_manifests=revoked,
        revoked_agreements=ended,
        revocation_epoch=publisher.revocation_epoch,
    )
    return snapshot.SerializeToString()
