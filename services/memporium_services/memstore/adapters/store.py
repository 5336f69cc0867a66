"""The marketplace's database on the platform's Database port."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import and_, case, delete, exists, func, insert, or_, select

from memporium_platform import audit, idempotency
from memporium_platform.errors import PlatformError, Reason
from memporium_platform.storage.sql.upsert import upsert
from memporium_services.memstore.adapters import tables
from memporium_services.memstore.adapters.entity_rows import Body, EntityRows, visible
from memporium_services.memstore.adapters.event_rows import SUBSCRIPTION, SqlEvents
from memporium_services.memstore.adapters.meter_rows import SqlMeter
from memporium_services.memstore.adapters.peering.fed_rows import AgreementRows, FedRows
from memporium_services.memstore.adapters.peering.rows import SqlPeerRows
from memporium_services.memstore.adapters.sequence_rows import next_number
from memporium_services.memstore.adapters.statement_rows import SqlStatements
from memporium_services.memstore.domain.agreements import Agreement, AgreementState
from memporium_services.memstore.domain.audience import EVERYBODY
from memporium_services.memstore.domain.consents import Consent
from memporium_services.memstore.domain.listings import VISIBLE, Listing
from memporium_services.memstore.domain.machine import Transition
from memporium_services.memstore.domain.negotiations import Negotiation
from memporium_services.memstore.domain.offers import Offer
from memporium_services.memstore.domain.releases import Release

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy import Connection

    from memporium_platform.call import Call
    from memporium_platform.storage.sql.database import Database
    from memporium_services.memstore.domain.subscriptions import Subscription
    from memporium_services.memstore.ports import CatalogueQuery, EventRows, Meter, Rows, Transaction
    from memporium_services.memstore.ports.peering import PeerRows
    from memporium_services.memstore.ports.rows import StatementRows

T = TypeVar("T")

_LISTING: Body[Listing] = Body(Listing)
_RELEASE: Body[Release] = Body(Release)
_OFFER: Body[Offer] = Body(Offer)
_NEGOTIATION: Body[Negotiation] = Body(Negotiation)
_AGREEMENT: Body[Agreement] = Body(Agreement)
_CONSENT: Body[Consent] = Body(Consent)
# Documents by digest whose bytes were checked: what a digest names never changes. At most 64 KiB each.
_VERIFIED: dict[str, bytes] = {}
_VERIFIED_LIMIT = 1024
_LIVING = (AgreementState.ACTIVE.value, AgreementState.SUSPENDED.value)


def _columns(*names: str) -> Callable[[Any], Mapping[str, Any]]:
    return lambda entity: {name: getattr(entity, name) for name in names}


def _listing_columns(listing: Listing) -> Mapping[str, Any]:
    return {
        **_columns("name", "org", "state", "publish_us")(listing),
        "title": listing.title.casefold(),
        # Blanks at both ends, so that a whole tag is found as one.
        "tags": f" {' '.join(listing.tags)} ",
        "description": listing.description.casefold(),
    }


class SqlTransaction:
    """Everything that is read and written on one connection."""

    def __init__(self, conn: Connection) -> None:
        """Work on a connection."""
        self._conn = conn
        self.listings: Rows[Listing] = EntityRows(conn, tables.listings, body=_LISTING, columns=_listing_columns)
        of_release = _columns("name", "listing", "number", "state")
        self.releases: Rows[Release] = EntityRows(conn, tables.releases, body=_RELEASE, columns=of_release)
        of_offer = _columns("name", "listing", "org", "state")
        self.offers: Rows[Offer] = EntityRows(conn, tables.offers, body=_OFFER, columns=of_offer)
        of_talks = _columns("name", "provider", "consumer", "listing")
        self.negotiations: Rows[Negotiation] = FedRows(conn, tables.negotiations, body=_NEGOTIATION, columns=of_talks)
        of_agreement = _columns("name", "provider", "consumer", "listing", "state", "revision", "expire_us")
        self.agreements: Rows[Agreement] = AgreementRows(conn, tables.agreements, body=_AGREEMENT, columns=of_agreement)
        self.peering: PeerRows = SqlPeerRows(conn)
        of_consent = _columns("name", "agreement", "provider", "consumer", "state")
        self.consents: Rows[Consent] = FedRows(conn, tables.consents, body=_CONSENT, columns=of_consent)
        self.subscriptions: Rows[Subscription] = EntityRows(
            conn,
            tables.subscriptions,
            body=SUBSCRIPTION,
            columns=lambda entity: {**_columns("name", "org", "mode")(entity), "cursor": 0, "handed": 0},
        )
        self.statements: StatementRows = SqlStatements(conn)
        self.meter: Meter = SqlMeter(conn)
        self.events: EventRows = SqlEvents(conn)

    def put_document(self, content: bytes) -> str:
        """Keep bytes; return their SHA-256, hexadecimal."""
        digest = hashlib.sha256(content).hexdigest()
        row = {"sha256": digest, "content": content}
        self._conn.execute(upsert(tables.documents, row, index_elements=["sha256"]))
        return digest

    def document(self, sha256: str) -> bytes:
        """Return kept bytes; b"" for the empty digest.

        Raises:
            PlatformError: INTEGRITY_FAILURE, where they are not there or not what they were.
        """
        if not sha256:
            return b""
        known = _VERIFIED.get(sha256)
        if known is not None:
            return known
        query = select(tables.documents.c.content).where(tables.documents.c.sha256 == sha256)
        content = self._conn.execute(query).scalar_one_or_none()
        if content is None or hashlib.sha256(content).hexdigest() != sha256:
            metadata = {"resource": sha256}
            raise PlatformError(Reason.INTEGRITY_FAILURE, "a stored document is damaged", metadata=metadata)
        if len(_VERIFIED) >= _VERIFIED_LIMIT:
            _VERIFIED.clear()
        _VERIFIED[sha256] = bytes(content)
        return bytes(content)

    def set_audience(self, resource: str, orgs: Sequence[str]) -> None:
        """Say who may see a resource."""
        self._conn.execute(delete(tables.audiences).where(tables.audiences.c.resource == resource))
        if orgs:
            self._conn.execute(insert(tables.audiences), [{"resource": resource, "org": org} for org in orgs])

    def may_see(self, resource: str, org: str, *, or_agreement: bool = False) -> bool:
        """Return whether an organisation may look at a resource, without a look at the resource itself.

        What is hidden from it costs the same as what is not there: the rows that are looked for are its own.
        """
        audience, agreement = tables.audiences.c, tables.agreements.c
        ways = [exists().where(audience.resource == resource, audience.org.in_([EVERYBODY, org]))]
        if or_agreement:
            party = (agreement.listing == resource, agreement.consumer == org, agreement.state.in_(_LIVING))
            ways.append(exists().where(*party))
        return bool(self._conn.execute(select(or_(*ways))).scalar())

    def search(self, query: CatalogueQuery) -> list[Listing]:
        """Return published listings, best match first, then newest."""
        table = tables.listings.c
        score: Any = None
        found = select(table.body).where(table.state.in_([state.value for state in VISIBLE]))
        found = found.where(or_(table.org == query.org, visible(table.name, query.org)))
        for word in query.words:
            hits = [column.contains(word, autoescape=True) for column in (table.title, table.tags, table.description)]
            found = found.where(or_(*hits))
            # A word in the title says more than one in the tags, and that more than one in the description.
            weighed = case((hits[0], 4), (hits[1], 2), else_=1)
            score = weighed if score is None else score + weighed
        if query.any_tags:
            found = found.where(or_(*(table.tags.contains(f" {tag} ", autoescape=True) for tag in query.any_tags)))
        if query.provider:
            found = found.where(table.org == query.provider)
        order = [] if score is None else [score.desc()]
        found = found.order_by(*order, table.publish_us.desc(), table.name).limit(query.limit).offset(query.offset)
        return [_LISTING.read(text) for text in self._conn.execute(found).scalars()]

    def versions(self, listing: str) -> list[Release]:
        """Return all releases of a listing, newest first."""
        table = tables.releases.c
        query = select(table.body).where(table.listing == listing).order_by(table.number.desc())
        return [_RELEASE.read(text) for text in self._conn.execute(query).scalars()]

    def has_agreement(self, listing: str, consumer: str) -> bool:
        """Return whether an organisation has an agreement on a listing that is active or suspended."""
        table = tables.agreements.c
        query = select(table.name).where(table.listing == listing, table.consumer == consumer, table.state.in_(_LIVING))
        return self._conn.execute(query.limit(1)).first() is not None

    def active_agreement(self, listing: str, consumer: str) -> Agreement | None:
        """Return the newest active agreement of an organisation on a listing, or None."""
        active = AgreementState.ACTIVE.value
        found = self.agreements.find(limit=1, newest=True, listing=listing, consumer=consumer, state=active)
        return found[0] if found else None

    def agreements_after(self, revision: int, limit: int) -> list[Agreement]:
        """Return agreements changed after a revision, in its order."""
        table = tables.agreements.c
        query = select(table.body).where(table.revision > revision).order_by(table.revision).limit(limit)
        return [_AGREEMENT.read(text) for text in self._conn.execute(query).scalars()]

    def agreements_due(self, now_us: int, limit: int) -> list[Agreement]:
        """Return agreements in force or suspended whose time is over."""
        table = tables.agreements.c
        query = select(table.body).where(self._ends(), table.expire_us <= now_us).order_by(table.expire_us).limit(limit)
        return [_AGREEMENT.read(text) for text in self._conn.execute(query).scalars()]

    def next_expiry(self) -> int:
        """Return when the next agreement in force or suspended ends; 0: none does."""
        query = select(func.min(tables.agreements.c.expire_us)).where(self._ends())
        return int(self._conn.execute(query).scalar_one() or 0)

    @staticmethod
    def _ends() -> Any:
        table = tables.agreements.c
        # Steps of agreements of another platform's providers are that platform's to make.
        own = table.provider.not_like("%.%")
        return and_(table.expire_us > 0, table.state.in_(_LIVING), own)

    def next_number(self, key: str) -> int:
        """Return the next number of a sequence, from 1."""
        return next_number(self._conn, key)

    def add_step(self, step: Transition) -> None:
        """Keep a signed step."""
        names = [column.name for column in tables.transitions.columns]
        self._conn.execute(insert(tables.transitions).values({name: getattr(step, name) for name in names}))

    def steps(self, resource: str) -> list[Transition]:
        """Return the steps of a resource, oldest first."""
        table = tables.transitions
        query = select(table).where(table.c.resource == resource).order_by(table.c.sequence)
        return [Transition(**row) for row in self._conn.execute(query).mappings()]

    def audit(self, call: Call, resource: str, details: Mapping[str, str], now: datetime) -> None:
        """Write the call's audit record in this transaction."""
        audit.record_in(self._conn, call, resource=resource, details=details, now=now)

    def once(self, call: Call, now: datetime, run: Callable[[], str]) -> str:
        """Run a mutation at most once for its request id; `run` returns the name of what it made or changed."""
        return idempotency.once(
            self._conn,
            call,
            now=now,
            run=lambda _conn: run(),
            remember=lambda name: name,
            recall=lambda _conn, name: name,
        )


class SqlStore:
    """The marketplace's database."""

    def __init__(self, database: Database) -> None:
        """Work on the service's own schema."""
        self._database = database

    async def read(self, fn: Callable[[Transaction], T]) -> T:
        """Run `fn` on one snapshot."""
        return await self._database.read(lambda conn: fn(SqlTransaction(conn)))

    async def write(self, fn: Callable[[Transaction], T]) -> T:
        """Run `fn` in a durable, serialisable transaction; it may run more than once."""
        return await self._database.write(lambda conn: fn(SqlTransaction(conn)))

    async def close(self) -> None:
        """Release the connections."""
        await self._database.close()
