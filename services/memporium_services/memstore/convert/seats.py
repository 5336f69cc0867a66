"""Seats."""

from __future__ import annotations

from typing import TYPE_CHECKING

from memporium.memstore.v1 import seat_calls_pb2
from memporium_services.memstore.convert.values import steps_out, time_out

if TYPE_CHECKING:
    from memporium_services.memstore.app.market import Shown
    from memporium_services.memstore.app.seats import HeldSeat


def seat_out(shown: Shown[HeldSeat]) -> seat_calls_pb2.Seat:
    """Return the message."""
    held = shown.entity
    return seat_calls_pb2.Seat(
        principal=held.seat.principal,
        take_time=time_out(held.seat.take_us),
        free_time=time_out(held.free_us),
        release_time=time_out(held.seat.end_us),
        history=steps_out(shown.steps),
        holder=held.holder,
    )
