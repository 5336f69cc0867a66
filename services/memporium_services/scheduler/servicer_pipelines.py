"""The gRPC face of pipelines: convert, call, convert back."""

# ruff: noqa: N802, D102, ARG002 - gRPC names its methods in upper camel case; the protos document them
from __future__ import annotations

from typing import TYPE_CHECKING, Any

from memporium.scheduler.v1 import pipeline_calls_pb2 as pb
from memporium_platform.paging import page_size
from memporium_services.scheduler import convert
from memporium_services.scheduler import convert_pipelines as pipes
from memporium_services.scheduler.domain.step_kinds import Type

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from memporium.scheduler.v1 import job_pb2
    from memporium_platform.paging import PageTokens
    from memporium_services.scheduler.app.pipelines import Pipelines, RunView


class PipelineMethods:
    """The methods of `memporium.scheduler.v1.SchedulerService` on pipelines and their runs."""

    _pipelines: Pipelines
    _tokens: PageTokens

    async def CreatePipeline(self, request: pb.CreatePipelineRequest, context: Any) -> pb.CreatePipelineResponse:
        made = await self._pipelines.create(
            convert.org_in(request.parent),
            request.pipeline_id,
            pipes.definition_in(request.pipeline),
            validate_only=request.validate_only,
        )
        return pb.CreatePipelineResponse(pipeline=pipes.pipeline_out(made))

    async def GetPipeline(self, request: pb.GetPipelineRequest, context: Any) -> pb.GetPipelineResponse:
        found = await self._pipelines.get(*pipes.pipeline_name_in(request.name))
        return pb.GetPipelineResponse(pipeline=pipes.pipeline_out(found))

    async def ListPipelines(self, request: pb.ListPipelinesRequest, context: Any) -> pb.ListPipelinesResponse:
        scope, limit = f"scheduler.pipelines:{request.parent}", page_size(request.page_size)
        after = self._tokens.open(scope, request.page_token).get("after", "")
        found = await self._pipelines.page(convert.org_in(request.parent), after=after, limit=limit + 1)
        more = self._tokens.seal(scope, {"after": found[limit - 1].pipeline_id}) if len(found) > limit else ""
        return pb.ListPipelinesResponse(
            pipelines=[pipes.pipeline_out(one, full=False) for one in found[:limit]], next_page_token=more
        )

    async def DeletePipeline(self, request: pb.DeletePipelineRequest, context: Any) -> pb.DeletePipelineResponse:
        await self._pipelines.delete(*pipes.pipeline_name_in(request.name))
        return pb.DeletePipelineResponse()

    async def RunPipeline(self, request: pb.RunPipelineRequest, context: Any) -> pb.RunPipelineResponse:
        view = await self._pipelines.begin(
            convert.org_in(request.parent),
            pipeline=request.pipeline,
            definition=pipes.definition_in(request.definition) if request.HasField("definition") else None,
            vault=request.vault,
            inputs=pipes.inputs_in(request.inputs),
            priority=request.priority,
        )
        return pb.RunPipelineResponse(run=pipes.run_out(view))

    async def _begin(self, asked: job_pb2.RunPipeline, org: str, priority: int) -> RunView:
        """Begin a run that a job asks for: its inputs are texts."""
        inputs = {name: (Type.TEXT, value) for name, value in asked.inputs.items()}
        return await self._pipelines.begin(
            org, pipeline=asked.pipeline, definition=None, vault=asked.vault, inputs=inputs, priority=priority
        )

    async def GetPipelineRun(self, request: pb.GetPipelineRunRequest, context: Any) -> pb.GetPipelineRunResponse:
        return pb.GetPipelineRunResponse(run=pipes.run_out(await self._pipelines.run(*pipes.run_name_in(request.name))))

    async def ListPipelineRuns(self, request: pb.ListPipelineRunsRequest, context: Any) -> pb.ListPipelineRunsResponse:
        states = convert.states_in(request.states)
        scope = f"scheduler.runs:{request.parent}:{','.join(sorted(states))}"
        before, limit = self._tokens.open(scope, request.page_token).get("before", ""), page_size(request.page_size)
        org = convert.org_in(request.parent)
        found = await self._pipelines.runs(org, states=states, before=before, limit=limit + 1)
        more = self._tokens.seal(scope, {"before": found[limit - 1].run.run_id}) if len(found) > limit else ""
        return pb.ListPipelineRunsResponse(
            runs=[pipes.run_out(one, full=False) for one in found[:limit]], next_page_token=more
        )

    async def CancelPipelineRun(
        self, request: pb.CancelPipelineRunRequest, context: Any
    ) -> pb.CancelPipelineRunResponse:
        view = await self._pipelines.cancel(*pipes.run_name_in(request.name))
        return pb.CancelPipelineRunResponse(run=pipes.run_out(view))

    async def WatchPipelineRun(
        self, request: pb.WatchPipelineRunRequest, context: Any
    ) -> AsyncIterator[pb.WatchPipelineRunResponse]:
        org, run_id = pipes.run_name_in(request.name)
        async for view in self._pipelines.watch(org, run_id, request.after_revision):
            yield pb.WatchPipelineRunResponse(run=pipes.run_out(view))
