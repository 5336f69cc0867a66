"""The tables of bundles and publishers; every method runs within a transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, case, delete, func, insert, or_, select, update

from memporium_platform.storage.sql.times import from_us, to_us
from memporium_platform.storage.sql.upsert import upsert
from memporium_services.transfer.adapters.tables import (
    bundles,
    ended_agreements,
    publishers,
    revocations,
    roots,
    segments,
)
from memporium_services.transfer.domain.bundles import Bundle, BundleKind, BundleState, KeptRoot, Publisher

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy import Connection

_ROWS_PER_INSERT = 500


class SqlBundleRows:
    """Bundles and what their publishers have told the world."""

    def insert(self, conn: Connection, bundle: Bundle) -> None:
        """Add a bundle."""
        conn.execute(insert(bundles).values(_to_row(bundle)))

    def save(self, conn: Connection, bundle: Bundle) -> None:
        """Write a changed bundle."""
        conn.execute(update(bundles).where(_is(bundle.org, bundle.bundle_id)).values(_to_row(bundle)))

    def get(self, conn: Connection, org: str, bundle_id: str) -> Bundle | None:
        """Return a bundle, or None."""
        return _from_row(conn.execute(select(bundles).where(_is(org, bundle_id))).one_or_none())

    def by_request(self, conn: Connection, request_key: str) -> Bundle | None:
        """Return the bundle that a request made, or None."""
        found = select(bundles).where(bundles.c.request_key == request_key).order_by(bundles.c.create_us.desc())
        return _from_row(conn.execute(found).first())

    def newest(self, conn: Connection, org: str, line: str) -> Bundle | None:
        """Return the bundle of a line with the highest number, whatever its state."""
        of_line = (bundles.c.org == org) & (bundles.c.line == line)
        return _from_row(conn.execute(select(bundles).where(of_line).order_by(bundles.c.number.desc())).first())

    def sealing(self, conn: Connection, org: str, line: str) -> int:
        """Return how many bundles of a line are being sealed."""
        busy = and_(bundles.c.org == org, bundles.c.line == line, bundles.c.state == BundleState.SEALING)
        return int(conn.execute(select(func.count()).select_from(bundles).where(busy)).scalar_one())

    def page(
        self, conn: Connection, org: str, *, line: str, before: tuple[int, str] | None, limit: int
    ) -> list[Bundle]:
        """Return bundles of an organisation, newest first, after the one that `before` names by time and id."""
        found = select(bundles).where(bundles.c.org == org)
        if line:
            found = found.where(bundles.c.line == line)
        if before is not None:
            time_us, bundle_id = before
            same = (bundles.c.create_us == time_us) & (bundles.c.bundle_id < bundle_id)
            found = found.where(or_(bundles.c.create_us < time_us, same))
        found = found.order_by(bundles.c.create_us.desc(), bundles.c.bundle_id.desc()).limit(limit)
        return [bundle for row in conn.execute(found) if (bundle := _from_row(row)) is not None]

    def sealed(self, conn: Connection, org: str) -> list[Bundle]:
        """Return every bundle of an organisation that may be loaded, by id."""
        found = select(bundles).where((bundles.c.org == org) & (bundles.c.state == BundleState.SEALED))
        rows = conn.execute(found.order_by(bundles.c.bundle_id))
        return [bundle for row in rows if (bundle := _from_row(row)) is not None]

    def abandoned(self, conn: Connection, before: datetime) -> list[Bundle]:
        """Return bundles that are being sealed and did not show since a time that they still are."""
        last = case((bundles.c.alive_us > bundles.c.create_us, bundles.c.alive_us), else_=bundles.c.create_us)
        stuck = (bundles.c.state == BundleState.SEALING) & (last < to_us(before))
        rows = conn.execute(select(bundles).where(stuck))
        return [bundle for row in rows if (bundle := _from_row(row)) is not None]

    def alive(self, conn: Connection, bundle: Bundle, *, now: datetime) -> None:
        """Note that the sealing of a bundle goes on."""
        still = _is(bundle.org, bundle.bundle_id) & (bundles.c.state == BundleState.SEALING)
        conn.execute(update(bundles).where(still).values(alive_us=to_us(now)))

    def roots(self, conn: Connection, org: str) -> list[KeptRoot]:
        """Return an organisation's roots, oldest first."""
        rows = conn.execute(select(roots).where(roots.c.org == org).order_by(roots.c.number))
        return [KeptRoot(number=row.number, envelope=row.envelope, hybrid=row.hybrid) for row in rows]

    def add_root(self, conn: Connection, org: str, root: KeptRoot, *, now: datetime) -> None:
        """Add an organisation's next root; one that is there already stays."""
        row = {
            "org": org,
            "number": root.number,
            "envelope": root.envelope,
            "hybrid": root.hybrid,
            "create_us": to_us(now),
        }
        there = select(roots.c.number).where((roots.c.org == org) & (roots.c.number == root.number))
        if conn.execute(there).first() is None:
            conn.execute(insert(roots).values(row))

    def delete(self, conn: Connection, org: str, bundle_id: str) -> None:
        """Remove a bundle."""
        conn.execute(delete(segments).where((segments.c.org == org) & (segments.c.bundle_id == bundle_id)))
        conn.execute(delete(bundles).where(_is(org, bundle_id)))

    def add_segments(self, conn: Connection, bundle: Bundle, named: Sequence[tuple[str, int]]) -> None:
        """Note a bundle's segments, in order: digest and size."""
        rows = [
            {"org": bundle.org, "bundle_id": bundle.bundle_id, "position": index, "sha256": sha256, "size_bytes": size}
            for index, (sha256, size) in enumerate(named)
        ]
        for start in range(0, len(rows), _ROWS_PER_INSERT):
            conn.execute(insert(segments), rows[start : start + _ROWS_PER_INSERT])

    def segments(self, conn: Connection, org: str, bundle_id: str) -> list[str]:
        """Return the digests of a bundle's segments, in order."""
        found = select(segments.c.sha256).where((segments.c.org == org) & (segments.c.bundle_id == bundle_id))
        return list(conn.execute(found.order_by(segments.c.position)).scalars())

    def segments_of_line(self, conn: Connection, org: str, line: str) -> set[str]:
        """Return the digests of all segments that bundles of a line hold."""
        same = (bundles.c.org == segments.c.org) & (bundles.c.bundle_id == segments.c.bundle_id)
        found = select(segments.c.sha256).join(bundles, same).where((bundles.c.org == org) & (bundles.c.line == line))
        return set(conn.execute(found.distinct()).scalars())

    def publisher(self, conn: Connection, org: str) -> Publisher | None:
        """Return what an organisation has published, or None where it has nothing."""
        row = conn.execute(select(publishers).where(publishers.c.org == org)).one_or_none()
        if row is None:
            return None
        return Publisher(
            revision=row.revision,
            revision_time=from_us(row.revision_us),
            signed_time=row.signed_time,
            revocation_epoch=row.revocation_epoch,
        )

    def advance(self, conn: Connection, org: str, *, now: datetime, revoked: int = 0) -> None:
        """Note that an organisation's bundles have changed."""
        first = {"org": org, "revision": 1, "revision_us": to_us(now), "signed_time": 0, "revocation_epoch": revoked}
        changes = {
            "revision": publishers.c.revision + 1,
            "revision_us": to_us(now),
            "revocation_epoch": publishers.c.revocation_epoch + revoked,
        }
        conn.execute(upsert(publishers, first, index_elements=["org"], set_=changes))

    def next_signed_time(self, conn: Connection, org: str) -> None:
        """Take the next number of a signed time."""
        changed = {"signed_time": publishers.c.signed_time + 1}
        conn.execute(update(publishers).where(publishers.c.org == org).values(changed))

    def end_agreement(self, conn: Connection, org: str, agreement: str, *, now: datetime) -> bool:
        """Note that an agreement has ended; return False where that was known."""
        same = (ended_agreements.c.org == org) & (ended_agreements.c.agreement == agreement)
        if conn.execute(select(ended_agreements.c.org).where(same)).first() is not None:
            return False
        conn.execute(insert(ended_agreements).values(org=org, agreement=agreement, end_us=to_us(now)))
        return True

    def ended_agreements(self, conn: Connection, org: str) -> list[str]:
        """Return an organisation's agreements that ended before their time."""
        found = select(ended_agreements.c.agreement).where(ended_agreements.c.org == org)
        return list(conn.execute(found.order_by(ended_agreements.c.agreement)).scalars())

    def revoke(self, conn: Connection, bundle: Bundle, *, reason: str, now: datetime) -> None:
        """Put a bundle on its publisher's list of revocations."""
        row = {
            "org": bundle.org,
            "manifest_sha256": bundle.manifest_sha256,
            "bundle": bundle.name,
            "reason": reason,
            "revoke_us": to_us(now),
        }
        conn.execute(upsert(revocations, row, index_elements=["org", "manifest_sha256"]))

    def revoked(self, conn: Connection, org: str) -> list[bytes]:
        """Return the digests of an organisation's revoked manifests."""
        found = select(revocations.c.manifest_sha256).where(revocations.c.org == org)
        return [
            bytes.fromhex(digest) for digest in conn.execute(found.order_by(revocations.c.manifest_sha256)).scalars()
        ]


def _is(org: str, bundle_id: str) -> Any:
    return (bundles.c.org == org) & (bundles.c.bundle_id == bundle_id)


def _to_row(bundle: Bundle) -> dict[str, Any]:
    row = {field: getattr(bundle, field) for field in bundle.__dataclass_fields__ if field != "create_time"}
    return row | {"create_us": to_us(bundle.create_time)}


def _from_row(row: Any) -> Bundle | None:
    if row is None:
        return None
    values = dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's public name for it
    values.pop("alive_us")
    values["create_time"] = from_us(values.pop("create_us"))
    values["kind"], values["state"] = BundleKind(values["kind"]), BundleState(values["state"])
    return Bundle(**values)
