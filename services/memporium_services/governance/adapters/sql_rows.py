"""Governance's records in SQL, as one transaction sees them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from sqlalchemy import Column, Connection, Table, delete, insert, select, update

from memporium_platform.authz.casbin_rows import conditions_from_text, grouping_to_row, rule_from_row, rule_to_row
from memporium_platform.authz.entries import ROLE_PREFIX, SHARED, Entry, Grouping, Rule
from memporium_platform.authz.wire import entry_to_wire
from memporium_platform.call import PrincipalKind
from memporium_platform.names import org_of
from memporium_platform.storage.sql.upsert import upsert
from memporium_services.governance.adapters import tables as t
from memporium_services.governance.domain.records import (
    ApiKey,
    Binding,
    Issuer,
    Organisation,
    Policy,
    Principal,
    Record,
)

if TYPE_CHECKING:
    from sqlalchemy import Row

EPOCH = "epoch"


class SqlRows:
    """Implements `Rows` on a connection; `now_us` stamps changes."""

    def __init__(self, conn: Connection, *, now_us: int) -> None:
        """Work within the connection's transaction."""
        self._conn = conn
        self._now_us = now_us
        self._new_epoch = 0

    def organisation(self, org: str) -> Organisation | None:
        """Return an organisation, also a deleted one."""
        row = self._one(t.organisations, t.organisations.c.org == org)
        return _organisation(row) if row is not None else None

    def organisations(self, after: str, limit: int, *, deleted: bool) -> list[Organisation]:
        """Return organisations; `deleted`: also deleted ones."""
        where = [] if deleted else [t.organisations.c.delete_us == 0]
        return [_organisation(row) for row in self._page(t.organisations, t.organisations.c.org, after, limit, *where)]

    def principal(self, name: str) -> Principal | None:
        """Return a principal."""
        row = self._one(t.principals, t.principals.c.name == name)
        return _principal(row) if row is not None else None

    def principals(self, org: str, after: str, limit: int) -> list[Principal]:
        """Return principals of an organisation."""
        c = t.principals.c
        return [_principal(row) for row in self._page(t.principals, c.name, after, limit, c.org == org)]

    def api_key(self, key_id: str) -> ApiKey | None:
        """Return an API key."""
        row = self._one(t.api_keys, t.api_keys.c.key_id == key_id)
        return _api_key(row) if row is not None else None

    def api_keys(self, principal: str, after: str, limit: int) -> list[ApiKey]:
        """Return the keys of a principal."""
        c = t.api_keys.c
        return [_api_key(row) for row in self._page(t.api_keys, c.key_id, after, limit, c.principal == principal)]

    def issuer(self, org: str, issuer: str) -> Issuer | None:
        """Return an issuer."""
        row = self._one(t.issuers, (t.issuers.c.org == org) & (t.issuers.c.id == issuer))
        return _issuer(row) if row is not None else None

    def issuer_by_claim(self, claim: str) -> Issuer | None:
        """Return the issuer with this `iss` claim."""
        row = self._one(t.issuers, t.issuers.c.issuer == claim)
        return _issuer(row) if row is not None else None

    def issuers(self, org: str, after: str, limit: int) -> list[Issuer]:
        """Return the issuers of an organisation."""
        c = t.issuers.c
        return [_issuer(row) for row in self._page(t.issuers, c.id, after, limit, c.org == org)]

    def binding(self, org: str, binding: str) -> Binding | None:
        """Return a role binding."""
        row = self._casbin(org, binding, "g")
        return _binding(row) if row is not None else None

    def bindings(self, org: str, after: str, limit: int, *, member: str = "") -> list[Binding]:
        """Return role bindings of an organisation; only those of `member` where given."""
        c = t.casbin_rule.c
        where = [c.org == org, c.ptype == "g", *([c.v0 == member] if member else [])]
        return [_binding(row) for row in self._page(t.casbin_rule, c.id, after, limit, *where)]

    def policy(self, org: str, policy: str) -> Policy | None:
        """Return a policy."""
        row = self._casbin(org, policy, "p")
        return _policy(row) if row is not None else None

    def policies(self, org: str, after: str, limit: int) -> list[Policy]:
        """Return the policies of an organisation."""
        c = t.casbin_rule.c
        return [_policy(row) for row in self._page(t.casbin_rule, c.id, after, limit, c.org == org, c.ptype == "p")]

    def casbin_rows(self, org: str, limit: int) -> tuple[list[Rule], list[Grouping]]:
        """Return Casbin's rows of an organisation with those that the platform ships; at most `limit` rules."""
        c = t.casbin_rule.c
        mine = select(t.casbin_rule).where(c.org.in_([org, SHARED]))
        rules = self._conn.execute(mine.where(c.ptype == "p").limit(limit))
        groupings = self._conn.execute(mine.where(c.ptype == "g"))
        return (
            [rule_from_row(row.id, (row.v0, row.v1, row.v2, row.v3, row.v4, row.v5)) for row in rules],
            [Grouping(row.v0, row.v1, row.v2) for row in groupings],
        )

    def put(self, record: Record) -> int:
        """Write a record and its row of the authorisation state; return the epoch of the transaction."""
        table, values = _row_of(record)
        keys = [column.name for column in table.primary_key]
        rest = [name for name in values if name not in keys]
        self._conn.execute(upsert(table, values, index_elements=keys, set_=rest))
        return self.set_entry(record.key, record.entry())

    def remove(self, record: Record) -> int:
        """Remove a record and its row of the authorisation state; return the epoch of the transaction."""
        table, values = _row_of(record)
        same = [column == values[column.name] for column in table.primary_key]
        self._conn.execute(delete(table).where(*same))
        return self.set_entry(record.key, None)

    def set_entry(self, key: str, entry: Entry | None) -> int:
        """Write a row of the authorisation state; None: it is removed."""
        epoch = self._next_epoch()
        message = entry_to_wire(key, entry).SerializeToString() if entry is not None else b""
        values = {"key": key, "epoch": epoch, "message": message, "change_us": self._now_us}
        changed = ("epoch", "message", "change_us")
        self._conn.execute(upsert(t.authorization, values, index_elements=["key"], set_=changed))
        return epoch

    def epoch(self) -> int:
        """Return the newest epoch."""
        return self.number(EPOCH)

    def number(self, name: str) -> int:
        """Return a single number; 0 where it was never set."""
        found = self._conn.execute(select(t.numbers.c.value).where(t.numbers.c.name == name)).scalar_one_or_none()
        return int(found or 0)

    def set_number(self, name: str, value: int) -> None:
        """Write a single number."""
        row = {"name": name, "value": value}
        self._conn.execute(upsert(t.numbers, row, index_elements=["name"], set_=["value"]))

    def _next_epoch(self) -> int:
        """Return the epoch of this transaction; the row's lock orders epochs as commits."""
        if not self._new_epoch:
            raised = update(t.numbers).where(t.numbers.c.name == EPOCH).values(value=t.numbers.c.value + 1)
            if self._conn.execute(raised).rowcount == 0:
                self._conn.execute(insert(t.numbers).values(name=EPOCH, value=1))
            self._new_epoch = self.number(EPOCH)
        return self._new_epoch

    def _one(self, table: Table, where: Any) -> Row[Any] | None:
        return self._conn.execute(select(table).where(where)).one_or_none()

    def _casbin(self, org: str, row_id: str, ptype: str) -> Row[Any] | None:
        c = t.casbin_rule.c
        return self._one(t.casbin_rule, (c.org == org) & (c.id == row_id) & (c.ptype == ptype))

    def _page(self, table: Table, order: Column[Any], after: str, limit: int, *where: Any) -> list[Row[Any]]:
        query = select(table).where(order > after, *where).order_by(order).limit(limit)
        return list(self._conn.execute(query))


def casbin_row(org: str, row_id: str, row: Rule | Grouping, *, description: str, create_us: int) -> dict[str, Any]:
    """Return a row of Casbin's table."""
    texts = rule_to_row(row) if isinstance(row, Rule) else grouping_to_row(row)
    padded = (*texts, "", "", "")[:6]
    values: dict[str, Any] = {f"v{number}": text for number, text in enumerate(padded)}
    ptype = "p" if isinstance(row, Rule) else "g"
    return {"org": org, "id": row_id, "ptype": ptype, **values, "description": description, "create_us": create_us}


def _row_of(record: Record) -> tuple[Table, dict[str, Any]]:
    if isinstance(record, Policy):
        row = casbin_row(
            record.org, record.id, record.entry(), description=record.description, create_us=record.create_us
        )
        return t.casbin_rule, row
    if isinstance(record, Binding):
        row = casbin_row(record.org, record.id, record.entry(), description="", create_us=record.create_us)
        return t.casbin_rule, row
    values = {name: getattr(record, name) for name in record.__slots__}
    if isinstance(record, Organisation):
        return t.organisations, values
    if isinstance(record, Principal):
        return t.principals, {**values, "org": org_of(record.name), "kind": record.kind.value}
    if isinstance(record, ApiKey):
        return t.api_keys, values
    return t.issuers, {**values, "algorithms": json.dumps(record.algorithms)}


def _organisation(row: Row[Any]) -> Organisation:
    return Organisation(row.org, row.display_name, row.create_us, row.delete_us)


def _principal(row: Row[Any]) -> Principal:
    return Principal(row.name, PrincipalKind(row.kind), row.display_name, row.create_us, bool(row.disabled))


def _api_key(row: Row[Any]) -> ApiKey:
    return ApiKey(
        row.key_id,
        row.principal,
        row.display_name,
        bytes(row.secret_sha256),
        row.create_us,
        row.expire_us,
        row.revoke_us,
    )


def _issuer(row: Row[Any]) -> Issuer:
    algorithms = tuple(json.loads(row.algorithms))
    return Issuer(row.org, row.id, row.issuer, row.audience, row.jwks, algorithms, row.principal_claim, row.create_us)


def _binding(row: Row[Any]) -> Binding:
    return Binding(row.org, row.id, row.v0, row.v1.removeprefix(ROLE_PREFIX), row.create_us)


def _policy(row: Row[Any]) -> Policy:
    return Policy(
        org=row.org,
        id=row.id,
        subject=row.v0,
        object=row.v2,
        action=row.v3,
        allow=row.v5 == "allow",
        conditions=conditions_from_text(row.v4),
        description=row.description,
        create_us=row.create_us,
    )
