from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import Column, Integer, MetaData, Table, Text, create_engine, func, insert, select

from memporium_platform.audit import RECORDED, AuditRecord, record_in
from memporium_platform.call import Call, Principal, PrincipalKind
from memporium_platform.errors import PlatformError, Reason
from memporium_platform.idempotency import RETENTION, once, sweep
from memporium_platform.storage.sql.kernel_tables import AUDIT_OUTBOX, attach

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection

NOW = datetime(2026, 1, 1, tzinfo=UTC)
METADATA = MetaData()
THINGS = Table("things", METADATA, Column("id", Integer, primary_key=True), Column("name", Text))
attach(METADATA)


@pytest.fixture
def conn() -> Iterator[Connection]:
    engine = create_engine("sqlite://")
    METADATA.create_all(engine)
    with engine.begin() as connection:
        yield connection
    engine.dispose()


def a_call(request_id: str = "r1", *, who: str = "ann", digest: bytes = b"d", method: str = "/s/Make") -> Call:
    principal = Principal(f"orgs/acme/principals/{who}", "acme", PrincipalKind.USER)
    return Call(
        principal, method=method, request_id=request_id, request_digest=digest, decision_id="d1", resource="orgs/acme"
    )


def make(conn: Connection, call: Call, *, name: str = "a", now: datetime = NOW) -> str:
    def run(connection: Connection) -> str:
        connection.execute(insert(THINGS).values(name=name))
        return name

    return once(
        conn, call, now=now, run=run, remember=lambda result: result, recall=lambda _conn, noted: f"again {noted}"
    )


def count(conn: Connection) -> int:
    return conn.execute(select(func.count()).select_from(THINGS)).scalar_one()


def test_the_same_request_runs_once(conn: Connection) -> None:
    assert make(conn, a_call()) == "a"
    assert make(conn, a_call()) == "again a"
    assert count(conn) == 1


def test_without_request_id_it_runs_each_time(conn: Connection) -> None:
    make(conn, a_call(""))
    make(conn, a_call(""))
    assert count(conn) == 2


def test_another_request_of_the_same_id_is_refused(conn: Connection) -> None:
    make(conn, a_call())
    with pytest.raises(PlatformError) as caught:
        make(conn, a_call(digest=b"other"))
    assert caught.value.reason is Reason.REQUEST_ID_REUSED
    assert caught.value.metadata == {"request_id": "r1"}
    assert count(conn) == 1


def test_ids_are_each_principals_and_methods_own(conn: Connection) -> None:
    make(conn, a_call())
    assert make(conn, a_call(who="bob")) == "a"
    assert make(conn, a_call(method="/s/Other")) == "a"
    assert count(conn) == 3


def test_notes_end_after_a_day(conn: Connection) -> None:
    make(conn, a_call())
    assert make(conn, a_call(digest=b"other"), now=NOW + RETENTION) == "a"
    assert sweep(conn, now=NOW + RETENTION + timedelta(hours=1)) == 0
    assert sweep(conn, now=NOW + 2 * RETENTION) == 1


def test_what_failed_leaves_no_note(conn: Connection) -> None:
    def fail(_conn: Connection) -> str:
        raise ValueError

    with pytest.raises(ValueError, match=r"^$"), conn.begin_nested():
        once(conn, a_call(), now=NOW, run=fail, remember=str, recall=lambda _conn, noted: noted)
    assert make(conn, a_call()) == "a"


def test_audit_records_commit_with_the_change(conn: Connection) -> None:
    call = a_call()
    record_in(conn, call, now=NOW, details={"cubes": "2", "memory_type": "PLAINTEXT"})
    record_in(conn, call, now=NOW, resource="orgs/acme/vaults/v")
    rows = conn.execute(select(AUDIT_OUTBOX.c.record).order_by(AUDIT_OUTBOX.c.seq)).scalars()
    first, second = (AuditRecord.from_json(row) for row in rows)
    assert (first.decision_id, first.resource, first.memory_type, first.details) == (
        "d1",
        "orgs/acme",
        "PLAINTEXT",
        {"cubes": "2"},
    )
    assert second.decision_id != "d1"
    assert second.details == {"decision": "d1"}
    assert RECORDED in call.marks
