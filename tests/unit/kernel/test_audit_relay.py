from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from sqlalchemy import MetaData, create_engine, select

from memporium.governance.v1 import audit_pb2
from memporium_platform import audit_relay
from memporium_platform.audit import MAX_TEXT, AuditRecord, AuditSink, record_in, record_of
from memporium_platform.audit_relay import BATCH, AuditRelay
from memporium_platform.audit_shipper import to_proto
from memporium_platform.call import Call, Principal, PrincipalKind
from memporium_platform.errors import PlatformError, Reason
from memporium_platform.storage.sql.kernel_tables import AUDIT_OUTBOX, attach

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

METADATA = MetaData()
attach(METADATA)
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def a_call() -> Call:
    return Call(Principal("orgs/acme/principals/ann", "acme", PrincipalKind.USER), decision_id="m1")


class OneConnection:
    """A database of the port, on one SQLite connection."""

    def __init__(self) -> None:
        self._engine = create_engine("sqlite://")
        METADATA.create_all(self._engine)

    async def read(self, fn: Callable[[Any], Any]) -> Any:
        return await self.write(fn)

    async def write(self, fn: Callable[[Any], Any]) -> Any:
        with self._engine.begin() as conn:
            return fn(conn)

    async def close(self) -> None:
        self._engine.dispose()

    async def waiting(self) -> list[str]:
        return await self.read(lambda conn: list(conn.execute(select(AUDIT_OUTBOX.c.decision_id)).scalars()))


class Log:
    """Governance, which is sometimes away."""

    def __init__(self) -> None:
        self.taken: list[AuditRecord] = []
        self.away = False

    async def append(self, records: Sequence[AuditRecord]) -> None:
        if self.away:
            raise grpc.aio.AioRpcError(grpc.StatusCode.UNAVAILABLE, grpc.aio.Metadata(), grpc.aio.Metadata())
        self.taken.extend(records)


class BusyLog(Log):
    """Governance of a platform that answers a read while each append is under way."""

    def __init__(self, sink: AuditSink) -> None:
        super().__init__()
        self._sink = sink

    async def append(self, records: Sequence[AuditRecord]) -> None:
        assert len(self.taken) < 50, "the queue is never empty"
        await super().append(records)
        self._sink.submit(record(len(self.taken)))


def record(number: int) -> AuditRecord:
    return AuditRecord(decision_id=f"r{number}", time_us=number)


@pytest.fixture
async def database() -> Any:
    made = OneConnection()
    yield made
    await made.close()


@pytest.fixture
def sink() -> Iterator[AuditSink]:
    return AuditSink(capacity=BATCH * 4)


async def test_queue_and_outbox_are_shipped_and_emptied(database: OneConnection, sink: AuditSink) -> None:
    log = Log()
    await database.write(lambda conn: record_in(conn, a_call(), now=NOW, details={"n": "1"}))
    for number in range(BATCH + 1):
        sink.submit(record(number))
    await AuditRelay(sink, log, {"vault": database}).ship()
    assert [one.decision_id for one in log.taken] == [*(f"r{number}" for number in range(BATCH + 1)), "m1"]
    assert await database.waiting() == []
    assert sink.take(1) == []


async def test_a_flow_of_reads_keeps_no_mutation_out_of_the_log(database: OneConnection, sink: AuditSink) -> None:
    log = BusyLog(sink)
    await database.write(lambda conn: record_in(conn, a_call(), now=NOW))
    sink.submit(record(0))
    await AuditRelay(sink, log, {"vault": database}).ship()
    assert [one.decision_id for one in log.taken] == ["r0", "m1"]
    assert sink.waiting == 2, "what came meanwhile is there for the next time"


async def test_a_flow_of_reads_does_not_keep_the_relay_saving(sink: AuditSink) -> None:
    class Busy(OneConnection):
        writes = 0

        async def write(self, fn: Callable[[Any], Any]) -> Any:
            self.writes += 1
            assert self.writes < 50, "the queue is never empty"
            sink.submit(record(self.writes))
            return await super().write(fn)

    database = Busy()
    sink.submit(record(0))
    await AuditRelay(sink, Log(), {"vault": database}).save()
    assert await database.waiting() == ["r0"]
    await database.close()


async def test_a_store_that_fails_keeps_no_other_waiting(database: OneConnection, sink: AuditSink) -> None:
    log = Log()
    await database.write(lambda conn: record_in(conn, a_call(), now=NOW))
    with pytest.raises(PlatformError, match="the store is closing"):
        await AuditRelay(sink, log, {"first": Failing(), "vault": database}).ship()
    assert [one.decision_id for one in log.taken] == ["m1"]
    assert await database.waiting() == []


async def test_nothing_is_lost_while_governance_is_away(database: OneConnection, sink: AuditSink) -> None:
    log = Log()
    relay = AuditRelay(sink, log, {"vault": database})
    await database.write(lambda conn: record_in(conn, a_call(), now=NOW))
    sink.submit(record(1))
    log.away = True
    with pytest.raises(grpc.aio.AioRpcError):
        await relay.ship()
    await relay.save()
    assert await database.waiting() == ["m1", "r1"]
    log.away = False
    await relay.ship()
    assert {one.decision_id for one in log.taken} == {"m1", "r1"}


async def test_the_relay_ships_within_its_interval(database: OneConnection, sink: AuditSink) -> None:
    log = Log()
    running = asyncio.create_task(AuditRelay(sink, log, {"vault": database}).run())
    sink.submit(record(1))
    async with asyncio.timeout(30):
        while not log.taken:
            await asyncio.sleep(0.01)
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    assert log.taken == [record(1)]


def test_a_full_sink_says_so_and_strangers_get_half_of_it() -> None:
    sink = AuditSink(capacity=4)
    for number in range(4):
        sink.submit_unknown(record(number))
    assert not sink.full
    sink.submit(record(5))
    sink.submit(record(6))
    assert sink.full
    assert [one.decision_id for one in sink.take(10)] == ["r0", "r1", "r5", "r6"]


def test_a_sink_without_log_keeps_the_newest() -> None:
    sink = AuditSink(capacity=2, keep_newest=True)
    for number in range(4):
        sink.submit(record(number))
    assert not sink.full
    assert [one.decision_id for one in sink.take(10)] == ["r2", "r3"]


@pytest.mark.parametrize("effect", ["ALLOW", "DENY", "ERROR"])
def test_a_record_becomes_a_message(effect: str) -> None:
    made = AuditRecord(
        decision_id="d", time_us=1_500_000, principal="p", effect=effect, epoch=7, details={"cubes": "3"}
    )
    message = to_proto(AuditRecord.from_json(made.to_json()))
    assert (message.decision_id, message.principal, message.epoch) == ("d", "p", 7)
    assert (message.time.seconds, message.time.nanos) == (1, 500_000_000)
    assert dict(message.details) == {"cubes": "3"}
    assert audit_pb2.AuditEffect.Name(message.effect) == f"AUDIT_EFFECT_{effect}"


async def test_the_relay_outlives_a_store_that_fails(
    database: OneConnection, sink: AuditSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_relay, "_RETRY_S", 0.01)
    log = Log()
    failing = Failing()
    running = asyncio.create_task(AuditRelay(sink, log, {"vault": database, "other": failing}).run())
    sink.submit(record(1))
    async with asyncio.timeout(30):
        while failing.asked < 2:
            sink.nudge()
            await asyncio.sleep(0.01)
    assert not running.done()
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    assert [one.decision_id for one in log.taken] == ["r1"]


class Failing(OneConnection):
    """A database whose reads fail."""

    asked = 0

    async def read(self, fn: Callable[[Any], Any]) -> Any:
        self.asked += 1
        raise PlatformError(Reason.UNAVAILABLE, "the store is closing")


def test_what_a_caller_chose_cannot_make_a_record_that_no_store_takes() -> None:
    call = replace(a_call(), resource="orgs/acme/\0" + "x" * 1_000_000, request_id="r\0")
    made = record_of(call, details={"name": "a\0b"})
    assert len(made.resource) <= MAX_TEXT
    assert made.resource.startswith("orgs/acme/\N{REPLACEMENT CHARACTER}x")
    assert "\0" not in made.request_id + made.details["name"]


async def test_records_whose_saving_was_cut_off_are_kept_once(database: OneConnection, sink: AuditSink) -> None:
    """A save that was cancelled may have taken place; its records are saved again, with those that came after."""
    relay = AuditRelay(sink, Log(), {"one": database})
    sink.submit(record(1))
    await relay.save()
    sink.submit(record(1))
    sink.submit(record(2))
    await relay.save()
    assert await database.waiting() == ["r1", "r2"]
