"""The gRPC face of consolidation: convert, call, convert back."""

# ruff: noqa: N802, D102, ARG002 - gRPC names its methods in upper camel case; the protos document them
from __future__ import annotations

from typing import TYPE_CHECKING, Any

from memporium.reader.v1 import profile_pb2, scenes_pb2
from memporium_services.reader import convert_scenes as convert

if TYPE_CHECKING:
    from memporium_platform.clock import Clock
    from memporium_services.reader.app.consolidating import Consolidating
    from memporium_services.reader.app.describing import Describing


class SceneMethods:
    """The methods of `memporium.reader.v1.ReaderService` on scenes, profiles and expectations."""

    _consolidating: Consolidating
    _describing: Describing
    _clock: Clock

    async def Consolidate(self, request: scenes_pb2.ConsolidateRequest, context: Any) -> scenes_pb2.ConsolidateResponse:
        return convert.consolidated_out(await self._consolidating.consolidate(convert.order_in(request)))

    async def ListScenes(self, request: scenes_pb2.ListScenesRequest, context: Any) -> scenes_pb2.ListScenesResponse:
        page = await self._describing.scenes(
            request.parent, persona=request.persona, size=request.page_size, token=request.page_token
        )
        return convert.scenes_out(page)

    async def GetScene(self, request: scenes_pb2.GetSceneRequest, context: Any) -> scenes_pb2.GetSceneResponse:
        return scenes_pb2.GetSceneResponse(scene=convert.scene_out(await self._describing.scene(request.name)))

    async def GetProfile(self, request: profile_pb2.GetProfileRequest, context: Any) -> profile_pb2.GetProfileResponse:
        view = await self._describing.profile(
            request.parent, request.subject, persona=request.persona, now=self._clock.now()
        )
        return profile_pb2.GetProfileResponse(profile=convert.profile_out(view))

    async def ListForesights(
        self, request: profile_pb2.ListForesightsRequest, context: Any
    ) -> profile_pb2.ListForesightsResponse:
        page = await self._describing.foresights(
            request.parent,
            persona=request.persona,
            now=convert.now_in(request, self._clock.now()),
            everything=request.include_all,
            size=request.page_size,
            token=request.page_token,
        )
        return convert.foresights_out(page)
