"""Rows of the trade with other platforms."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, exists, func, or_, select

from memporium_platform.storage.sql.upsert import upsert
from memporium_services.memstore.adapters import peer_tables, tables
from memporium_services.memstore.adapters.entity_rows import Body
from memporium_services.memstore.adapters.sequence_rows import next_number
from memporium_services.memstore.domain.peering.peers import Entry, EntryState, Link, OrgKeys, Peer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection, Select

_PEER: Body[Peer] = Body(Peer)
_LEDGER, _KEYS = peer_tables.peer_ledger, peer_tables.peer_keys
_OF_PEER = (peer_tables.peer_keys, peer_tables.peer_links, peer_tables.peer_checkpoints)
_UNITS = ("calls", "memories", "tokens", "bytes", "derivations")
_BYTES = ("payload", "signature", "answer")
_LIVING = ("ACTIVE", "SUSPENDED")
_DEAD = (EntryState.REFUSED.value, EntryState.REJECTED.value)


def note_change(conn: Connection, peer: str, resource: str) -> None:
    """Put a resource at the end of a peer's feed."""
    row = {"peer": peer, "resource": resource, "number": next_number(conn, f"peer-feed/{peer}")}
    conn.execute(upsert(peer_tables.peer_feed, row, index_elements=["peer", "resource"], set_=["number"]))


class SqlPeerRows:
    """The rows on one connection."""

    def __init__(self, conn: Connection) -> None:
        """Work on a connection."""
        self._conn = conn

    def peer(self, peer: str) -> Peer | None:
        """Return a peer, or None."""
        query = select(peer_tables.peers.c.body).where(peer_tables.peers.c.id == peer)
        body = self._conn.execute(query).scalar_one_or_none()
        return None if body is None else _PEER.read(body)

    def peers(self, *, after: str = "", limit: int = 1000) -> list[Peer]:
        """Return peers by id, behind `after`."""
        table = peer_tables.peers.c
        query = select(table.body).where(table.id > after).order_by(table.id).limit(limit)
        return [_PEER.read(body) for body in self._conn.execute(query).scalars()]

    def put_peer(self, peer: Peer) -> None:
        """Insert a peer, or take the place of the one of its id."""
        row = {"id": peer.id, "body": _PEER.write(peer)}
        self._conn.execute(upsert(peer_tables.peers, row, index_elements=["id"], set_=["body"]))

    def delete_peer(self, peer: str) -> bool:
        """Remove a peer, its keys and its lease; return whether it was there."""
        for table in _OF_PEER:
            self._conn.execute(delete(table).where(table.c.peer == peer))
        return self._conn.execute(delete(peer_tables.peers).where(peer_tables.peers.c.id == peer)).rowcount > 0

    def keys(self, peer: str, org: str, *, key_id: str = "") -> OrgKeys | None:
        """Return the newest keys of a peer's organisation, or those of an id; None where there are none."""
        query = select(_KEYS).where(_KEYS.c.peer == peer, _KEYS.c.org == org)
        if key_id:
            query = query.where(_KEYS.c.key_id == key_id)
        row = self._conn.execute(query.order_by(_KEYS.c.issue_us.desc()).limit(1)).mappings().first()
        return None if row is None else OrgKeys(**row)

    def put_keys(self, keys: OrgKeys) -> None:
        """Keep keys of a peer's organisation."""
        changed = ["issue_us", "signing_key", "hpke_key", "hybrid_key"]
        self._conn.execute(upsert(_KEYS, asdict(keys), index_elements=["peer", "org", "key_id"], set_=changed))

    def link(self, peer: str) -> Link:
        """Return how it stands with a peer."""
        query = select(peer_tables.peer_links).where(peer_tables.peer_links.c.peer == peer)
        row = self._conn.execute(query).mappings().first()
        return Link(peer) if row is None else Link(**row)

    def put_link(self, link: Link) -> None:
        """Keep how it stands with a peer."""
        values = asdict(link)
        changed = [name for name in values if name != "peer"]
        self._conn.execute(upsert(peer_tables.peer_links, values, index_elements=["peer"], set_=changed))

    def feed(self, peer: str, *, after: int, limit: int) -> list[tuple[int, str]]:
        """Return numbers and resources of a peer's feed behind `after`, by number."""
        table = peer_tables.peer_feed.c
        query = select(table.number, table.resource).where(table.peer == peer, table.number > after)
        return [(row.number, row.resource) for row in self._conn.execute(query.order_by(table.number).limit(limit))]

    def newest(self, peer: str) -> int:
        """Return the newest number of a peer's feed; 0: none."""
        table = peer_tables.peer_feed.c
        return int(self._conn.execute(select(func.max(table.number)).where(table.peer == peer)).scalar_one() or 0)

    def entry(self, peer: str, sha256: str) -> Entry | None:
        """Return what was exchanged under a digest, or None."""
        found = self._entries(select(_LEDGER).where(_LEDGER.c.peer == peer, _LEDGER.c.sha256 == sha256))
        return found[0] if found else None

    def put_entry(self, entry: Entry) -> Entry:
        """Keep an entry, at the end where it is new; return it with its number."""
        kept = entry if entry.number else replace(entry, number=next_number(self._conn, "peer-ledger"))
        values = asdict(kept) | {"state": kept.state.value}
        changed = ["state", "reason", "answer", "attempts", "next_us", "result", "account"]
        self._conn.execute(upsert(_LEDGER, values, index_elements=["peer", "sha256"], set_=changed))
        return kept

    def at(self, peer: str, resource: str, sequence: int, *, sent: bool) -> list[Entry]:
        """Return what one side said about a step of a resource, oldest first."""
        table = _LEDGER.c
        where = (table.peer == peer, table.resource == resource, table.sequence == sequence, table.sent.is_(sent))
        return self._entries(select(_LEDGER).where(*where).order_by(table.number))

    def by_request(self, request_key: str) -> Entry | None:
        """Return the message that a request made, or None."""
        found = self._entries(select(_LEDGER).where(_LEDGER.c.request_key == request_key))
        return found[0] if found else None

    def account(self, accounts: Sequence[str]) -> list[Entry]:
        """Return everything about these resources, oldest first."""
        query = select(_LEDGER).where(_LEDGER.c.account.in_(accounts)).order_by(_LEDGER.c.number)
        return self._entries(query)

    def newest_said(self, account: str, kind: str, *, sent: bool) -> Entry | None:
        """Return the newest entry of a kind about a resource that was not refused or rejected, or None."""
        table = _LEDGER.c
        where = (table.account == account, table.kind == kind, table.sent.is_(sent), table.state.not_in(_DEAD))
        found = self._entries(select(_LEDGER).where(*where).order_by(table.number.desc()).limit(1))
        return found[0] if found else None

    def due(self, now_us: int, *, limit: int) -> list[Entry]:
        """Return messages that wait to be sent and whose time has come, oldest first, one of a kind a resource."""
        table, older = _LEDGER.c, _LEDGER.alias("older").c
        waits = table.state == EntryState.WAITING.value
        # Requests for new negotiations are about none yet, so none of them waits for another.
        before = (older.peer == table.peer, older.resource == table.resource, older.kind == table.kind)
        behind = exists().where(*before, older.state == table.state, older.number < table.number)
        query = select(_LEDGER).where(waits, table.next_us <= now_us, or_(table.sequence == 0, ~behind))
        return self._entries(query.order_by(table.number).limit(limit))

    def waiting(self, peer: str) -> int:
        """Return how many messages wait to be sent to a peer."""
        where = (_LEDGER.c.peer == peer, _LEDGER.c.state == EntryState.WAITING.value)
        return int(self._conn.execute(select(func.count()).select_from(_LEDGER).where(*where)).scalar_one())

    def checkpoint(self, peer: str, org: str) -> tuple[int, str]:
        """Return size and note of the last checkpoint seen of a log; (0, "") where there is none."""
        table = peer_tables.peer_checkpoints.c
        row = self._conn.execute(select(table.size, table.note).where(table.peer == peer, table.org == org)).first()
        return (0, "") if row is None else (row.size, row.note)

    def put_checkpoint(self, peer: str, org: str, *, size: int, note: str) -> None:
        """Remember a checkpoint."""
        row = {"peer": peer, "org": org, "size": size, "note": note}
        table = peer_tables.peer_checkpoints
        self._conn.execute(upsert(table, row, index_elements=["peer", "org"], set_=["size", "note"]))

    def usage_lines(self, agreement: str) -> list[tuple[str, str, tuple[int, ...]]]:
        """Return the metered totals by action and form: calls, memories, tokens, bytes, derivations."""
        usage = tables.usage.c
        sums = [func.coalesce(func.sum(usage[unit]), 0) for unit in _UNITS]
        query = select(usage.action, usage.form, *sums).where(usage.agreement == agreement)
        rows = self._conn.execute(query.group_by(usage.action, usage.form).order_by(usage.action, usage.form))
        return [(row[0], row[1], tuple(int(value) for value in row[2:])) for row in rows]

    def mirrored(self, *, after: str, limit: int) -> list[str]:
        """Return names of agreements of which a peer is the provider's platform, behind `after`."""
        table = tables.agreements.c
        query = select(table.name).where(table.provider.contains("."), table.name > after).order_by(table.name)
        return list(self._conn.execute(query.limit(limit)).scalars())

    def mirrored_due(self, now_us: int, *, limit: int) -> list[str]:
        """Return names of those among them whose time is over and which are still in force or suspended."""
        table = tables.agreements.c
        ends = (table.expire_us > 0, table.expire_us <= now_us, table.state.in_(_LIVING))
        query = select(table.name).where(table.provider.contains("."), *ends).limit(limit)
        return list(self._conn.execute(query).scalars())

    def _entries(self, query: Select[Any]) -> list[Entry]:
        return [
            Entry(**{**row, "state": EntryState(row["state"])} | {name: bytes(row[name]) for name in _BYTES})
            for row in self._conn.execute(query).mappings()
        ]
