"""The gRPC face of schedules: convert, call, convert back."""

# ruff: noqa: N802, D102, ARG002 - gRPC names its methods in upper camel case; the protos document them
from __future__ import annotations

from typing import TYPE_CHECKING, Any

from memporium.scheduler.v1 import schedule_pb2 as pb
from memporium_platform.paging import page_size
from memporium_services.scheduler import convert
from memporium_services.scheduler import convert_schedules as times

if TYPE_CHECKING:
    from memporium_platform.paging import PageTokens
    from memporium_services.scheduler.app.schedules import Schedules


class ScheduleMethods:
    """The methods of `memporium.scheduler.v1.SchedulerService` on schedules."""

    _schedules: Schedules
    _tokens: PageTokens

    async def CreateSchedule(self, request: pb.CreateScheduleRequest, context: Any) -> pb.CreateScheduleResponse:
        kind, spec, trigger = times.schedule_in(request.schedule)
        made = await self._schedules.create(
            convert.org_in(request.parent),
            request.schedule_id,
            kind,
            spec,
            trigger,
            priority=request.schedule.priority,
            paused=request.schedule.paused,
            include_existing=request.include_existing,
        )
        return pb.CreateScheduleResponse(schedule=times.schedule_out(made))

    async def GetSchedule(self, request: pb.GetScheduleRequest, context: Any) -> pb.GetScheduleResponse:
        found = await self._schedules.get(*times.schedule_name_in(request.name))
        return pb.GetScheduleResponse(schedule=times.schedule_out(found))

    async def ListSchedules(self, request: pb.ListSchedulesRequest, context: Any) -> pb.ListSchedulesResponse:
        scope, limit = f"scheduler.schedules:{request.parent}", page_size(request.page_size)
        after = self._tokens.open(scope, request.page_token).get("after", "")
        found = await self._schedules.page(convert.org_in(request.parent), after=after, limit=limit + 1)
        more = self._tokens.seal(scope, {"after": found[limit - 1].schedule_id}) if len(found) > limit else ""
        return pb.ListSchedulesResponse(
            schedules=[times.schedule_out(one) for one in found[:limit]], next_page_token=more
        )

    async def PauseSchedule(self, request: pb.PauseScheduleRequest, context: Any) -> pb.PauseScheduleResponse:
        done = await self._schedules.set_paused(*times.schedule_name_in(request.name), paused=True)
        return pb.PauseScheduleResponse(schedule=times.schedule_out(done))

    async def ResumeSchedule(self, request: pb.ResumeScheduleRequest, context: Any) -> pb.ResumeScheduleResponse:
        done = await self._schedules.set_paused(*times.schedule_name_in(request.name), paused=False)
        return pb.ResumeScheduleResponse(schedule=times.schedule_out(done))

    async def DeleteSchedule(self, request: pb.DeleteScheduleRequest, context: Any) -> pb.DeleteScheduleResponse:
        await self._schedules.delete(*times.schedule_name_in(request.name))
        return pb.DeleteScheduleResponse()
