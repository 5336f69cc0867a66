"""The statements of the hot path, built once: building one takes longer than running it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, bindparam, func, insert, select, update

from memporium_platform.storage.sql.upsert import upsert
from memporium_services.memstore.adapters import tables
from memporium_services.memstore.domain.entitlements import ReservationState

if TYPE_CHECKING:
    from memporium_services.memstore.domain.entitlements import Draw

_COUNTER = tables.quota_counters.c
_RESERVATION = tables.reservations.c
_KEYS = ("agreement", "unit", "period", "pool", "window_us")
# Names of parameters differ from those of columns, as an update demands.
_THIS = and_(*(_COUNTER[key] == bindparam(f"at_{key}") for key in _KEYS))
_AMOUNT: Any = bindparam("amount")

ADD = (
    update(tables.quota_counters)
    .where(_THIS, _COUNTER.used + _COUNTER.reserved + _AMOUNT <= bindparam("at_most"))
    .values(reserved=_COUNTER.reserved + _AMOUNT)
)
GIVE_BACK = update(tables.quota_counters).where(_THIS).values(reserved=_COUNTER.reserved - _AMOUNT)
USE_UP = update(tables.quota_counters).where(_THIS).values(used=_COUNTER.used + _AMOUNT)
COUNT = select(_COUNTER.used, _COUNTER.reserved).where(_THIS)
BEGIN = upsert(
    tables.quota_counters,
    {**{key: bindparam(f"at_{key}") for key in _KEYS}, "used": 0, "reserved": 0},
    index_elements=_KEYS,
)

RESERVATION = select(_RESERVATION.body).where(
    _RESERVATION.agreement == bindparam("of_agreement"), _RESERVATION.use_id == bindparam("of_use")
)
PUT_RESERVATION = upsert(
    tables.reservations,
    {column.name: bindparam(f"new_{column.name}") for column in tables.reservations.columns},
    index_elements=["agreement", "use_id"],
    set_=["state", "reserve_us", "expire_us", "body"],
)
RECORD = insert(tables.usage)
_OPEN = (ReservationState.RESERVED.value, ReservationState.RUNNING.value)
OPEN_USES = select(func.count()).where(
    _RESERVATION.agreement == bindparam("of_agreement"),
    _RESERVATION.state.in_(_OPEN),
    _RESERVATION.expire_us > bindparam("now_us"),
)
# One row, however many lie before it: a rate may allow a million.
NTH_NEWEST = (
    select(_RESERVATION.reserve_us)
    .where(_RESERVATION.agreement == bindparam("of_agreement"), _RESERVATION.reserve_us > bindparam("since_us"))
    .order_by(_RESERVATION.reserve_us.desc())
    .limit(1)
    .offset(bindparam("skipped"))
)


def at(agreement: str, draw: Draw) -> dict[str, Any]:
    """Return the parameters that name a counter."""
    return {
        "at_agreement": agreement,
        "at_unit": draw.unit.value,
        "at_period": draw.period.value,
        "at_pool": draw.pool,
        "at_window_us": draw.window_us,
    }
