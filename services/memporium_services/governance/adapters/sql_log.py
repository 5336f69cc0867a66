"""The audit logs in SQL: entries, tiles of hashes, and the newest state of each tree."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, Connection, Select, bindparam, select, update

from memporium.verify.commitment import SALT_BYTES, leaf_of
from memporium.verify.merkle import HASH_BYTES, consistency_proof, inclusion_proof
from memporium_platform.audit import record_in
from memporium_platform.idempotency import once
from memporium_platform.storage.sql.many import insert_many
from memporium_platform.storage.sql.upsert import upsert
from memporium_services.governance.adapters.canonical import canonical_bytes
from memporium_services.governance.adapters.tables import log_entries, log_tiles, log_trees, organisations
from memporium_services.governance.domain.audit import Filter, Leaf, LogRecord, TreeState
from memporium_services.governance.domain.records import PLATFORM
from memporium_services.governance.domain.tiles import Tiles

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Row

    from memporium_platform.call import Call
    from memporium_platform.clock import Clock
    from memporium_platform.storage.sql.database import Database

# Parameters of one IN list; SQLite allows 32,766 of all.
_IN_LIMIT = 500

# Statements of each append, built once: to build one takes longer than to run it.
_TREE = select(log_trees).where(log_trees.c.org == bindparam("tree"))
_TILE = select(log_tiles.c.hashes).where(
    log_tiles.c.org == bindparam("tree"),
    log_tiles.c.level == bindparam("at_level"),
    log_tiles.c.number == bindparam("at_number"),
)
_KNOWN = select(log_entries.c.decision_id).where(
    log_entries.c.org == bindparam("tree"), log_entries.c.decision_id.in_(bindparam("decisions", expanding=True))
)
_KEEP_TILE = upsert(
    log_tiles,
    {name: bindparam(name) for name in ("org", "level", "number", "hashes")},
    index_elements=["org", "level", "number"],
    set_=["hashes"],
)
_KEEP_TREE = upsert(
    log_trees,
    {name: bindparam(name) for name in ("org", "size", "root", "time_us")},
    index_elements=["org"],
    set_=["size", "root", "time_us"],
)


class SqlAuditStore:
    """Implements `AuditStore`."""

    def __init__(self, database: Database, clock: Clock) -> None:
        """Keep governance's database."""
        self._database = database
        self._clock = clock

    async def append(self, records: Sequence[LogRecord], *, now_us: int) -> set[str]:
        """Sequence records, each once in each of its logs, in one durable transaction; return the decisions new there.

        Only organisations that exist, or did, have a log: a caller who invents names makes none.
        """

        def run(conn: Connection) -> set[str]:
            logs = [record.logs() for record in records]
            exist = _existing(conn, {org for orgs in logs for org in orgs})
            by_org: dict[str, dict[str, LogRecord]] = {}
            for record, orgs in zip(records, logs, strict=True):
                for org in [org for org in orgs if org in exist] or [PLATFORM]:
                    by_org.setdefault(org, {}).setdefault(record.decision_id, record)
            new: set[str] = set()
            for org in sorted(by_org):
                new |= _append(conn, org, by_org[org], now_us)
            return new

        return await self._database.write(run)

    async def tree(self, org: str) -> TreeState:
        """Return the state of a log; empty where there is none."""
        return await self._database.read(lambda conn: _tree(conn, org))

    async def query(self, org: str, query: Filter, *, before: int, limit: int) -> list[Leaf]:
        """Return entries before index `before`, newest first."""
        c = log_entries.c
        statement = _filtered(org, query).where(c.place < before).order_by(c.place.desc()).limit(limit)
        return await self._database.read(lambda conn: [_leaf(row) for row in conn.execute(statement)])

    async def slice(self, org: str, query: Filter, *, start: int, end: int, limit: int) -> list[Leaf]:
        """Return entries from index `start` to before `end`, oldest first."""
        c = log_entries.c
        statement = _filtered(org, query).where(c.place >= start, c.place < end).order_by(c.place).limit(limit)
        return await self._database.read(lambda conn: [_leaf(row) for row in conn.execute(statement)])

    async def find(self, org: str, decision_id: str) -> Leaf | None:
        """Return the entry of a decision."""
        return await self._database.read(lambda conn: _find(conn, org, decision_id))

    async def inclusion(self, org: str, index: int, size: int) -> list[bytes]:
        """Return an audit path."""
        return await self._database.read(lambda conn: inclusion_proof(_tiles(conn, org, size).node, index, size))

    async def consistency(self, org: str, first: int, size: int) -> list[bytes]:
        """Return a consistency proof."""
        return await self._database.read(lambda conn: consistency_proof(_tiles(conn, org, size).node, first, size))

    async def leaf_hashes(self, org: str, start: int, end: int) -> bytes:
        """Return leaf hashes, one after another; `start` is a multiple of 256, and at most 256 are returned."""
        hashes = await self._database.read(lambda conn: _load(conn, org, 0, start // 256))
        return hashes[: (end - start) * HASH_BYTES]

    async def erase(self, call: Call, org: str, decision_id: str) -> Leaf | None:
        """Erase the content of a record, once for the call's request id; None where there is no such entry."""
        now = self._clock.now()
        c = log_entries.c

        def run(conn: Connection) -> Leaf | None:
            conn.execute(
                update(log_entries).where(c.org == org, c.decision_id == decision_id).values(record=b"", salt=b"")
            )
            record_in(conn, call, details={"decision_id": decision_id}, now=now)
            return _find(conn, org, decision_id)

        return await self._database.write(
            lambda conn: once(
                conn,
                call,
                now=now,
                run=run,
                remember=lambda _: decision_id,
                recall=lambda again, text: _find(again, org, text),
            )
        )

    async def erase_older(self, before_us: int) -> int:
        """Erase the content of records older than a time; return how many."""
        c = log_entries.c
        statement = update(log_entries).where(c.time_us < before_us, c.record != b"").values(record=b"", salt=b"")
        return await self._database.write(lambda conn: conn.execute(statement).rowcount)


def _append(conn: Connection, org: str, records: dict[str, LogRecord], now_us: int) -> set[str]:
    """Append to one log what it does not have; return the decision ids that were new."""
    known = _known(conn, org, list(records))
    new = [record for decision, record in records.items() if decision not in known]
    if not new:
        return set()
    tiles = _tiles(conn, org, _tree(conn, org).size)
    # Drawn at once: each drawing lets go of the interpreter.
    salts = secrets.token_bytes(SALT_BYTES * len(new))
    rows = [
        _entry(org, tiles.size + offset, record, salts[offset * SALT_BYTES : (offset + 1) * SALT_BYTES])
        for offset, record in enumerate(new)
    ]
    insert_many(conn, log_entries, rows)
    tiles.append([row[-1] for row in rows])
    conn.execute(
        _KEEP_TILE,
        [
            {"org": org, "level": level, "number": number, "hashes": hashes}
            for (level, number), hashes in tiles.changed.items()
        ],
    )
    conn.execute(_KEEP_TREE, {"org": org, "size": tiles.size, "root": tiles.root(), "time_us": now_us})
    return {record.decision_id for record in new}


def _existing(conn: Connection, orgs: set[str]) -> set[str]:
    names, found = sorted(orgs), set[str]()
    for start in range(0, len(names), _IN_LIMIT):
        some = organisations.c.org.in_(names[start : start + _IN_LIMIT])
        found.update(conn.execute(select(organisations.c.org).where(some)).scalars())
    return found


def _known(conn: Connection, org: str, decisions: list[str]) -> set[str]:
    found: set[str] = set()
    for start in range(0, len(decisions), _IN_LIMIT):
        some = {"tree": org, "decisions": decisions[start : start + _IN_LIMIT]}
        found.update(conn.execute(_KNOWN, some).scalars())
    return found


def _entry(org: str, place: int, record: LogRecord, salt: bytes) -> tuple[Any, ...]:
    """Return the row of a record, in the order of the columns; the leaf's hash is the last."""
    content = canonical_bytes(record.content)
    return (
        org,
        place,
        record.decision_id,
        record.time_us,
        record.principal,
        record.action,
        record.resource,
        record.effect,
        record.memory_type,
        content,
        salt,
        leaf_of(content, salt),
    )


def _tree(conn: Connection, org: str) -> TreeState:
    row = conn.execute(_TREE, {"tree": org}).one_or_none()
    return TreeState(row.size, bytes(row.root), row.time_us) if row is not None else TreeState()


def _tiles(conn: Connection, org: str, size: int) -> Tiles:
    return Tiles(size, lambda level, number: _load(conn, org, level, number))


def _load(conn: Connection, org: str, level: int, number: int) -> bytes:
    place = {"tree": org, "at_level": level, "at_number": number}
    return bytes(conn.execute(_TILE, place).scalar_one_or_none() or b"")


def _find(conn: Connection, org: str, decision_id: str) -> Leaf | None:
    c = log_entries.c
    row = conn.execute(select(log_entries).where(c.org == org, c.decision_id == decision_id)).one_or_none()
    return _leaf(row) if row is not None else None


def _leaf(row: Row[Any]) -> Leaf:
    return Leaf(row.place, row.decision_id, bytes(row.record), bytes(row.salt), bytes(row.leaf_hash))


def _filtered(org: str, query: Filter) -> Select[Any]:
    """Return the entries of a log that match; patterns end in `*`, all else is compared as it is."""
    c = log_entries.c
    statement = select(log_entries).where(c.org == org)
    if query.start_us:
        statement = statement.where(c.time_us >= query.start_us)
    if query.end_us:
        statement = statement.where(c.time_us < query.end_us)
    for column, text in ((c.principal, query.principal), (c.effect, query.effect)):
        if text:
            statement = statement.where(column == text)
    if query.memory_type:
        statement = statement.where(c.memory_type.contains(query.memory_type, autoescape=True))
    if query.resource.endswith("/*"):
        statement = statement.where(c.resource.startswith(query.resource[:-1], autoescape=True))
    elif query.resource:
        statement = statement.where(c.resource == query.resource)
    if query.actions:
        statement = statement.where(_any_action(query.actions))
    return statement


def _any_action(patterns: Sequence[str]) -> Any:
    c = log_entries.c
    exact = [pattern for pattern in patterns if not pattern.endswith("*")]
    matches: ColumnElement[bool] = c.action.in_(exact)
    for pattern in patterns:
        if pattern.endswith("*"):
            matches |= c.action.startswith(pattern[:-1], autoescape=True)
    return matches
