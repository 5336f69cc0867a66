"""What is left of agreements, and the uses that draw on them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from memporium.memstore.v1 import entitlement_calls_pb2 as entitlement_pb
from memporium_services.memstore.convert import agreements as to
from memporium_services.memstore.convert.values import time_in, units_in, units_out

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from memporium_services.memstore.app.entitlements import Entitlements
    from memporium_services.memstore.app.metering import Metering
    from memporium_services.memstore.app.usage import UsageReports
    from memporium_services.memstore.app.watch import Watch


class EntitlementMethods:
    """Methods of the service."""

    _entitlements: Entitlements
    _metering: Metering
    _usage: UsageReports
    _watch: Watch

    async def ReserveUse(
        self, request: entitlement_pb.ReserveUseRequest, context: Any
    ) -> entitlement_pb.ReserveUseResponse:
        return to.granted_out(await self._entitlements.reserve(to.use_in(request)))

    async def CommitUse(
        self, request: entitlement_pb.CommitUseRequest, context: Any
    ) -> entitlement_pb.CommitUseResponse:
        units = units_in(request.units) if request.HasField("units") else None
        made = await self._metering.commit(request.agreement, request.use_id, units, running=request.running)
        return entitlement_pb.CommitUseResponse(reservation=to.reservation_out(made))

    async def ReleaseUse(
        self, request: entitlement_pb.ReleaseUseRequest, context: Any
    ) -> entitlement_pb.ReleaseUseResponse:
        given = await self._metering.release(request.agreement, request.use_id)
        return entitlement_pb.ReleaseUseResponse(reservation=to.reservation_out(given))

    async def ListUsage(
        self, request: entitlement_pb.ListUsageRequest, context: Any
    ) -> entitlement_pb.ListUsageResponse:
        start_us, end_us = time_in(request, "start_time"), time_in(request, "end_time")
        page = await self._usage.list_of(
            request.parent, start_us=start_us, end_us=end_us, size=request.page_size, token=request.page_token
        )
        shown = [to.usage_out(each) for each in page.items]
        total = units_out(page.total)
        return entitlement_pb.ListUsageResponse(usage=shown, next_page_token=page.next_page_token, total=total)

    async def GetEntitlement(
        self, request: entitlement_pb.GetEntitlementRequest, context: Any
    ) -> entitlement_pb.GetEntitlementResponse:
        found = await self._usage.entitlement(request.name)
        return entitlement_pb.GetEntitlementResponse(entitlement=to.entitlement_out(found))

    async def WatchEntitlements(
        self, request: entitlement_pb.WatchEntitlementsRequest, context: Any
    ) -> AsyncIterator[entitlement_pb.WatchEntitlementsResponse]:
        async for changes in self._watch.changes(request.start_revision):
            yield to.changes_out(changes)
