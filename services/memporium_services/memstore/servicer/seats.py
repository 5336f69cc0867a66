"""Seats."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from memporium.memstore.v1 import seat_calls_pb2 as seat_pb
from memporium_services.memstore.convert.seats import seat_out

if TYPE_CHECKING:
    from memporium_services.memstore.app.seats import Seats


class SeatMethods:
    """Methods of the service."""

    _seats: Seats

    async def ListSeats(self, request: seat_pb.ListSeatsRequest, context: Any) -> seat_pb.ListSeatsResponse:
        page = await self._seats.list_of(request.parent, size=request.page_size, token=request.page_token)
        shown = [seat_out(each) for each in page.items]
        return seat_pb.ListSeatsResponse(seats=shown, next_page_token=page.next_page_token)

    async def ReleaseSeat(self, request: seat_pb.ReleaseSeatRequest, context: Any) -> seat_pb.ReleaseSeatResponse:
        seat = await self._seats.release(request.parent, request.principal, request.successor, request.reason)
        return seat_pb.ReleaseSeatResponse(seat=seat_out(seat))
