"""The gRPC face of the inference service: convert, call the app, convert back."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from memporium.inference.v1 import inference_service_pb2
from memporium.inference.v1.inference_service_pb2_grpc import InferenceServiceServicer
from memporium_platform.call import current_call
from memporium_platform.names import ORG
from memporium_platform.paging import PageTokens, page_size
from memporium_services.inference.convert import calls, events, scores, tiers
from memporium_services.inference.servicer_parameters import ParameterMethods, Parameters

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from memporium.inference.v1 import convert_pb2, embed_pb2, generate_pb2, score_pb2, tier_pb2, watermark_pb2
    from memporium_services.inference.app.conversion import Conversion
    from memporium_services.inference.app.generation import Generation
    from memporium_services.inference.app.registry import Registry
    from memporium_services.inference.app.scoring import Scoring
    from memporium_services.inference.app.tier_watch import TierWatch
    from memporium_services.inference.app.watermarks import Watermarks
    from memporium_services.inference.settings import InferenceSettings


class InferenceServicer(ParameterMethods, InferenceServiceServicer):
    """Embed, generate, convert."""

    def __init__(
        self,
        registry: Registry,
        generation: Generation,
        conversion: Conversion,
        parameters: Parameters,
        watermarks: Watermarks,
        tier: TierWatch,
        *,
        scoring: Scoring,
        tokens: PageTokens,
        settings: InferenceSettings,
    ) -> None:
        """Serve these use cases."""
        self._registry = registry
        self._generation = generation
        self._conversion = conversion
        self._parameters = parameters
        self._watermarks = watermarks
        self._tier = tier
        self._scoring = scoring
        self._tokens = tokens
        self._settings = settings

    async def Embed(self, request: embed_pb2.EmbedRequest, _context: Any) -> embed_pb2.EmbedResponse:
        embedder = self._registry.embedder(request.model)
        texts, use = calls.embed_call(request, self._settings, dimensions=embedder.info.dimensions)
        vectors = await embedder.embed(texts, use)
        return events.embeddings(embedder.info, vectors)

    async def Generate(
        self, request: generate_pb2.GenerateRequest, _context: Any
    ) -> AsyncIterator[generate_pb2.GenerateResponse]:
        call, caller = calls.generate_call(request, self._settings), current_call().principal
        steps_of = self._generation.generate(call, tenant=caller.org, principal=caller.name)
        async with aclosing(steps_of) as steps:
            async for step in steps:
                yield events.generate_event(step)

    async def BuildActivation(
        self, request: convert_pb2.BuildActivationRequest, _context: Any
    ) -> AsyncIterator[convert_pb2.BuildActivationResponse]:
        call, caller = calls.build_call(request, self._settings), current_call().principal
        steps = self._conversion.build_activation(call, tenant=caller.org, principal=caller.name)
        async with aclosing(steps):
            async for step in steps:
                yield events.build_event(step)

    async def CountTokens(
        self, request: inference_service_pb2.CountTokensRequest, _context: Any
    ) -> inference_service_pb2.CountTokensResponse:
        texts = calls.texts_of(request.texts, self._settings)
        model, counts = await self._registry.count_tokens(request.model, texts)
        return inference_service_pb2.CountTokensResponse(model=model, token_counts=counts)

    async def ScoreTexts(self, request: score_pb2.ScoreTextsRequest, _context: Any) -> score_pb2.ScoreTextsResponse:
        tasks = scores.score_tasks(request, self._settings)
        found = await self._scoring.score(request.model, tasks, tenant=current_call().principal.org)
        return scores.score_response(*found)

    async def DetectWatermark(
        self, request: watermark_pb2.DetectWatermarkRequest, _context: Any
    ) -> watermark_pb2.DetectWatermarkResponse:
        (text,) = calls.texts_of([request.text], self._settings)
        found = await self._watermarks.detect(request.parent, request.agreements, text, request.model)
        return events.watermark_evidence(found)

    async def ReadTierTrace(
        self, request: tier_pb2.ReadTierTraceRequest, _context: Any
    ) -> AsyncIterator[tier_pb2.ReadTierTraceResponse]:
        org, most = ORG.parse(request.parent, "parent")["org"], calls.most_of(request.max_uses)
        found, dropped = await self._tier.trace(org, most)
        for message in tiers.trace(found, dropped):
            yield message

    async def GetTierUsage(self, request: tier_pb2.GetTierUsageRequest, _context: Any) -> tier_pb2.GetTierUsageResponse:
        return await tiers.usage(self._tier, ORG.parse(request.parent, "parent")["org"])

    async def ListModels(
        self, request: inference_service_pb2.ListModelsRequest, _context: Any
    ) -> inference_service_pb2.ListModelsResponse:
        scope, size = f"ListModels {request.kind}", page_size(request.page_size)
        begin = int(self._tokens.open(scope, request.page_token).get("begin", 0))
        models = self._registry.models(calls.kind_of(request.kind))
        defaults = (self._registry.default_embedder, self._registry.default_generator)
        return inference_service_pb2.ListModelsResponse(
            models=[events.model_of(info, default=info.name in defaults) for info in models[begin : begin + size]],
            next_page_token=self._tokens.seal(scope, {"begin": begin + size}) if begin + size < len(models) else "",
        )

    async def GetCapabilities(
        self, _request: inference_service_pb2.GetCapabilitiesRequest, _context: Any
    ) -> inference_service_pb2.GetCapabilitiesResponse:
        return events.capabilities(
            self._settings, embedder=self._registry.default_embedder, generator=self._registry.default_generator
        )
