"""The gRPC face of the scheduler: convert, call, convert back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from memporium.scheduler.v1 import scheduler_service_pb2 as pb
from memporium.scheduler.v1.scheduler_service_pb2_grpc import SchedulerServiceServicer
from memporium_platform.paging import PageTokens, page_size
from memporium_services.scheduler import convert
from memporium_services.scheduler.domain.jobs import JobKind
from memporium_services.scheduler.servicer_conversions import ConversionMethods
from memporium_services.scheduler.servicer_pipelines import PipelineMethods
from memporium_services.scheduler.servicer_schedules import ScheduleMethods

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from memporium_services.scheduler.app.conversions import Conversions
    from memporium_services.scheduler.app.jobs import Jobs
    from memporium_services.scheduler.app.pipelines import Pipelines
    from memporium_services.scheduler.app.placement import Placements
    from memporium_services.scheduler.app.schedules import Schedules
    from memporium_services.scheduler.app.simulations import Simulations


class SchedulerServicer(PipelineMethods, ScheduleMethods, ConversionMethods, SchedulerServiceServicer):
    """Serves `memporium.scheduler.v1.SchedulerService`."""

    def __init__(
        self,
        jobs: Jobs,
        placements: Placements,
        pipelines: Pipelines,
        schedules: Schedules,
        conversions: Conversions,
        simulations: Simulations,
        page_tokens: PageTokens,
    ) -> None:
        """Serve jobs, placements, pipelines, schedules, conversions and simulations."""
        self._conversions, self._simulations = conversions, simulations
        self._jobs, self._placements, self._tokens = jobs, placements, page_tokens
        self._pipelines, self._schedules = pipelines, schedules

    async def CreateJob(self, request: pb.CreateJobRequest, context: Any) -> pb.CreateJobResponse:
        kind, spec = convert.spec_in(request.spec)
        org = convert.org_in(request.parent)
        if kind is JobKind.RUN_PIPELINE:
            job = (await self._begin(request.spec.run_pipeline, org, request.priority)).job
        else:
            job = await self._jobs.create(org, kind, spec, priority=request.priority)
        return pb.CreateJobResponse(job=convert.job_out(job))

    async def GetJob(self, request: pb.GetJobRequest, context: Any) -> pb.GetJobResponse:
        return pb.GetJobResponse(job=convert.job_out(await self._jobs.get(*convert.job_name_in(request.name))))

    async def ListJobs(self, request: pb.ListJobsRequest, context: Any) -> pb.ListJobsResponse:
        states = convert.states_in(request.states)
        scope = f"scheduler.jobs:{request.parent}:{','.join(sorted(states))}"
        before, limit = self._tokens.open(scope, request.page_token).get("before", ""), page_size(request.page_size)
        org = convert.org_in(request.parent)
        found = await self._jobs.page(org, states=states, before=before, limit=limit + 1)
        more = self._tokens.seal(scope, {"before": found[limit - 1].job_id}) if len(found) > limit else ""
        return pb.ListJobsResponse(jobs=[convert.job_out(job) for job in found[:limit]], next_page_token=more)

    async def CancelJob(self, request: pb.CancelJobRequest, context: Any) -> pb.CancelJobResponse:
        return pb.CancelJobResponse(job=convert.job_out(await self._jobs.cancel(*convert.job_name_in(request.name))))

    async def WatchJob(self, request: pb.WatchJobRequest, context: Any) -> AsyncIterator[pb.WatchJobResponse]:
        org, job_id = convert.job_name_in(request.name)
        async for job in self._jobs.watch(org, job_id, request.after_revision):
            yield pb.WatchJobResponse(job=convert.job_out(job))

    async def ListStrategies(self, request: pb.ListStrategiesRequest, context: Any) -> pb.ListStrategiesResponse:
        scope, limit = "scheduler.strategies", page_size(request.page_size)
        start = int(self._tokens.open(scope, request.page_token).get("start", 0))
        shown = convert.strategies_out()
        more = self._tokens.seal(scope, {"start": start + limit}) if len(shown) > start + limit else ""
        return pb.ListStrategiesResponse(strategies=shown[start : start + limit], next_page_token=more)

    async def PlanPlacement(self, request: pb.PlanPlacementRequest, context: Any) -> pb.PlanPlacementResponse:
        decided, truncated = await self._placements.plan(
            request.parent,
            strategy=request.strategy,
            budget_bytes=request.budget_bytes,
            labels=request.labels,
            query=request.query,
        )
        hot_bytes = sum(one.candidate.size_bytes for one in decided if one.hot)
        placements = [convert.placement_out(one) for one in decided]
        return pb.PlanPlacementResponse(placements=placements, hot_bytes=hot_bytes, truncated=truncated)
