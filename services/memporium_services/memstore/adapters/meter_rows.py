"""Counters, reservations and metered uses as rows; counters change by one conditional statement each."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select, tuple_, update

from memporium_platform.storage.sql.upsert import upsert
from memporium_services.memstore.adapters import meter_statements as statements
from memporium_services.memstore.adapters import tables
from memporium_services.memstore.adapters.entity_rows import Body
from memporium_services.memstore.domain.entitlements import Draw, Reservation, ReservationState, Units, Usage, used_of
from memporium_services.memstore.domain.seats import Seat

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import Connection

_BODY: Body[Reservation] = Body(Reservation)
_RESERVATION = tables.reservations.c
_USAGE = tables.usage.c
_OPEN = (ReservationState.RESERVED.value, ReservationState.RUNNING.value)
_UNIT_COLUMNS = (_USAGE.calls, _USAGE.memories, _USAGE.tokens, _USAGE.bytes, _USAGE.derivations)


class SqlMeter:
    """The meter within one transaction."""

    def __init__(self, conn: Connection) -> None:
        """Work on a connection."""
        self._conn = conn

    def reservation(self, agreement: str, use_id: str) -> Reservation | None:
        """Return a reservation, or None."""
        key = {"of_agreement": agreement, "of_use": use_id}
        found = self._conn.execute(statements.RESERVATION, key).scalar_one_or_none()
        return None if found is None else _BODY.read(found)

    def put_reservation(self, reservation: Reservation) -> None:
        """Insert a reservation, or take the place of the one of its use id."""
        row = {
            "new_agreement": reservation.agreement,
            "new_use_id": reservation.use_id,
            "new_state": reservation.state.value,
            "new_reserve_us": reservation.reserve_us,
            "new_expire_us": reservation.expire_us,
            "new_body": _BODY.write(reservation),
        }
        self._conn.execute(statements.PUT_RESERVATION, row)

    def take(self, agreement: str, draw: Draw, limit: int) -> bool:
        """Add to a counter's reserved part, unless that would go beyond the limit; return whether it was added."""
        counter = statements.at(agreement, draw)
        change = {**counter, "amount": draw.amount, "at_most": limit}
        if self._conn.execute(statements.ADD, change).rowcount:
            return True
        if draw.amount > limit:
            return False
        # An insert's row count is not known on every engine, so the new counter begins empty and is added to as any.
        self._conn.execute(statements.BEGIN, counter)
        return self._conn.execute(statements.ADD, change).rowcount > 0

    def give_back(self, agreement: str, draws: Iterable[Draw]) -> None:
        """Take from the reserved parts what was never used."""
        for draw in draws:
            self._conn.execute(statements.GIVE_BACK, {**statements.at(agreement, draw), "amount": draw.amount})

    def use_up(self, agreement: str, draws: Iterable[Draw], units: Units) -> None:
        """Move from reserved to used; what was reserved beyond `units` is given back."""
        drawn = tuple(draws)
        self.give_back(agreement, drawn)
        for draw in used_of(drawn, units):
            self._conn.execute(statements.USE_UP, {**statements.at(agreement, draw), "amount": draw.amount})

    def count(self, agreement: str, draw: Draw) -> tuple[int, int]:
        """Return used and reserved of a counter."""
        row = self._conn.execute(statements.COUNT, statements.at(agreement, draw)).one_or_none()
        return (0, 0) if row is None else (row.used, row.reserved)

    def open_uses(self, agreement: str, now_us: int) -> int:
        """Return the number of uses under way: neither over nor given back."""
        values = {"of_agreement": agreement, "now_us": now_us}
        return int(self._conn.execute(statements.OPEN_USES, values).scalar_one())

    def nth_newest(self, agreement: str, since_us: int, number: int) -> int | None:
        """Return the time of the use before which `number` - 1 newer ones are, all after `since_us`; None: fewer."""
        values = {"of_agreement": agreement, "since_us": since_us, "skipped": number - 1}
        found = self._conn.execute(statements.NTH_NEWEST, values).scalar_one_or_none()
        return None if found is None else int(found)

    def overdue(self, now_us: int, *, limit: int, agreement: str = "") -> list[Reservation]:
        """Return reservations whose time is over."""
        query = select(_RESERVATION.body).where(_RESERVATION.state.in_(_OPEN), _RESERVATION.expire_us <= now_us)
        if agreement:
            query = query.where(_RESERVATION.agreement == agreement)
        return [_BODY.read(text) for text in self._conn.execute(query.limit(limit)).scalars()]

    def record(self, usage: Usage) -> None:
        """Meter a use; its key makes a second row impossible."""
        units = {column.name: getattr(usage.units, column.name) for column in _UNIT_COLUMNS}
        row = {
            "agreement": usage.agreement,
            "use_id": usage.use_id,
            "time_us": usage.time_us,
            "principal": usage.principal,
            "action": usage.action,
            "form": usage.form,
            "purpose": usage.purpose,
        }
        self._conn.execute(statements.RECORD, row | units)

    def usage(
        self, agreement: str, *, start_us: int, end_us: int, limit: int, before: tuple[int, str] | None
    ) -> list[Usage]:
        """Return metered uses, newest first, behind `before`; an `end_us` of 0 is no end."""
        query = select(tables.usage).where(*_between(agreement, start_us, end_us))
        if before is not None:
            query = query.where(tuple_(_USAGE.time_us, _USAGE.use_id) < tuple_(*before))
        query = query.order_by(_USAGE.time_us.desc(), _USAGE.use_id.desc()).limit(limit)
        return [_usage_of(row) for row in self._conn.execute(query)]

    def seats(self, agreement: str) -> frozenset[str]:
        """Return the principals that hold a seat of an agreement."""
        table = tables.seats.c
        query = select(table.principal).where(table.agreement == agreement, table.end_us == 0)
        return frozenset(self._conn.execute(query).scalars())

    def all_seats(self, agreement: str, *, after: str = "", limit: int = 1_000_000) -> list[Seat]:
        """Return the seats of an agreement, those that were given back too, by principal."""
        table = tables.seats.c
        query = select(tables.seats).where(table.agreement == agreement, table.principal > after)
        rows = self._conn.execute(query.order_by(table.principal).limit(limit))
        return [Seat(row.agreement, row.principal, row.take_us, row.end_us) for row in rows]

    def seat(self, agreement: str, principal: str) -> Seat | None:
        """Return the seat that a principal holds, or held last, or None."""
        table = tables.seats.c
        query = select(tables.seats).where(table.agreement == agreement, table.principal == principal)
        row = self._conn.execute(query).one_or_none()
        return None if row is None else Seat(row.agreement, row.principal, row.take_us, row.end_us)

    def put_seat(self, seat: Seat) -> None:
        """Insert a seat, or take the place of the one of its principal."""
        row = asdict(seat)
        self._conn.execute(
            upsert(tables.seats, row, index_elements=["agreement", "principal"], set_=["take_us", "end_us"])
        )

    def close(self, agreement: str, number: int, limit: int, *, before_us: int = 0) -> list[Usage]:
        """Put the oldest uses that stand on no statement on this one, at most `limit`; return them."""
        open_ones = [_USAGE.agreement == agreement, _USAGE.statement == 0]
        if before_us:
            open_ones.append(_USAGE.time_us < before_us)
        query = select(tables.usage).where(*open_ones).order_by(_USAGE.time_us, _USAGE.use_id).limit(limit)
        found = [_usage_of(row) for row in self._conn.execute(query)]
        if found:
            last = (found[-1].time_us, found[-1].use_id)
            these = (*open_ones, tuple_(_USAGE.time_us, _USAGE.use_id) <= tuple_(*last))
            self._conn.execute(update(tables.usage).where(*these).values(statement=number))
        return found

    def open_again(self, agreement: str, number: int) -> None:
        """Take the uses off a statement that does not count."""
        these = (_USAGE.agreement == agreement, _USAGE.statement == number)
        self._conn.execute(update(tables.usage).where(*these).values(statement=0))

    def total(self, agreement: str, *, start_us: int, end_us: int, stated: bool = False) -> Units:
        """Return the sum of metered uses; an `end_us` of 0 is no end; `stated`: of those on statements alone."""
        sums = [func.coalesce(func.sum(column), 0) for column in _UNIT_COLUMNS]
        query = select(*sums).where(*_between(agreement, start_us, end_us))
        row = self._conn.execute(query.where(_USAGE.statement > 0) if stated else query).one()
        return Units(*(int(value) for value in row))


def _usage_of(row: Any) -> Usage:
    return Usage(
        agreement=row.agreement,
        use_id=row.use_id,
        principal=row.principal,
        action=row.action,
        form=row.form,
        purpose=row.purpose,
        units=Units(row.calls, row.memories, row.tokens, row.bytes, row.derivations),
        time_us=row.time_us,
    )


def _between(agreement: str, start_us: int, end_us: int) -> list[Any]:
    conditions: list[Any] = [_USAGE.agreement == agreement, _USAGE.time_us >= start_us]
    return [*conditions, _USAGE.time_us < end_us] if end_us else conditions
