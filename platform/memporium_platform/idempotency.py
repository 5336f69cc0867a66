"""A mutation that is sent twice with the same request id happens once, and both get the same answer.

The note of what was done commits together with it. Notes are kept for 24 hours (`RETENTION`).
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import and_, delete, insert, select

from memporium_platform.errors import PlatformError, Reason
from memporium_platform.storage.sql.kernel_tables import IDEMPOTENCY

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from sqlalchemy import ColumnElement, Connection, Row

    from memporium_platform.call import Call

T = TypeVar("T")

RETENTION = timedelta(hours=24)


def once(
    conn: Connection,
    call: Call,
    *,
    now: datetime,
    run: Callable[[Connection], T],
    remember: Callable[[T], str],
    recall: Callable[[Connection, str], T],
) -> T:
    """Run a mutation at most once for its request id; call it within a write transaction.

    Args:
        conn: The write transaction.
        call: The call in progress; without a request id `run` just runs.
        now: The present time.
        run: Does the work.
        remember: Returns what `recall` needs (names and versions, never a payload) from the result.
        recall: Builds the result anew from that.

    Returns:
        The result of `run`, now or then.

    Raises:
        PlatformError: REQUEST_ID_REUSED, where the same principal used the id for another request of this method.
    """
    if not call.request_id:
        return run(conn)
    row = _note(conn, call)
    remembered = _remembered(row, call, now=now)
    if remembered is not None:
        return recall(conn, remembered)
    result = run(conn)
    if row is not None:
        conn.execute(delete(IDEMPOTENCY).where(_same(call)))
    conn.execute(
        insert(IDEMPOTENCY).values(
            principal=call.principal.name,
            method=call.method,
            request_id=call.request_id,
            digest=call.request_digest,
            remembered=remember(result),
            create_us=_to_us(now),
        )
    )
    return result


def noted(conn: Connection, call: Call, *, now: datetime) -> str | None:
    """Return what was remembered of the request when it was done, or None.

    For what has to be answered before anything is looked up that may have gone since.

    Raises:
        PlatformError: REQUEST_ID_REUSED.
    """
    return _remembered(_note(conn, call), call, now=now) if call.request_id else None


def _note(conn: Connection, call: Call) -> Row[Any, Any, Any] | None:
    table = IDEMPOTENCY.c
    return conn.execute(select(table.digest, table.remembered, table.create_us).where(_same(call))).one_or_none()


def _remembered(row: Row[Any, Any, Any] | None, call: Call, *, now: datetime) -> str | None:
    if row is None or row.create_us <= _to_us(now - RETENTION):
        return None
    if row.digest != call.request_digest:
        raise PlatformError(
            Reason.REQUEST_ID_REUSED,
            f"request_id: {call.request_id} was used for another request",
            metadata={"request_id": call.request_id},
        )
    return str(row.remembered)


def _same(call: Call) -> ColumnElement[bool]:
    table = IDEMPOTENCY.c
    return and_(
        table.principal == call.principal.name, table.method == call.method, table.request_id == call.request_id
    )


def forget(conn: Connection, remembered: str) -> None:
    """Delete the notes of what came to nothing after all: the same request again is done anew."""
    conn.execute(delete(IDEMPOTENCY).where(IDEMPOTENCY.c.remembered == remembered))


def sweep(conn: Connection, *, now: datetime) -> int:
    """Delete the notes that are past their retention; return how many."""
    outcome = conn.execute(delete(IDEMPOTENCY).where(IDEMPOTENCY.c.create_us <= _to_us(now - RETENTION)))
    return outcome.rowcount


def _to_us(moment: datetime) -> int:
    return int(moment.timestamp() * 1_000_000)
