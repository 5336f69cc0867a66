"""The methods of conversions and of the simulator: convert, call, convert back."""

# ruff: noqa: N802, D102, ARG002 - gRPC names its methods in upper camel case; the protos document them
from __future__ import annotations

from typing import TYPE_CHECKING, Any

from google.protobuf.json_format import MessageToDict

from memporium_services.scheduler import convert, convert_conversions
from memporium_services.scheduler.domain.rules import rules_of

if TYPE_CHECKING:
    from memporium.scheduler.v1 import conversion_pb2, tier_pb2
    from memporium_services.scheduler.app.conversions import Conversions
    from memporium_services.scheduler.app.simulations import Simulations


class ConversionMethods:
    """Part of the servicer."""

    _conversions: Conversions
    _simulations: Simulations

    async def PlanConversions(
        self, request: conversion_pb2.PlanConversionsRequest, context: Any
    ) -> conversion_pb2.PlanConversionsResponse:
        rules = rules_of(MessageToDict(request.rules, preserving_proto_field_name=True))
        found, truncated = await self._conversions.plan(request.parent, rules)
        return convert_conversions.plan_out(found, truncated=truncated)

    async def UndoConversion(
        self, request: conversion_pb2.UndoConversionRequest, context: Any
    ) -> conversion_pb2.UndoConversionResponse:
        cube, cubes = await self._conversions.undo(request.name, request.reason)
        return convert_conversions.undone_out(cube, cubes)

    async def SimulateTier(self, request: tier_pb2.SimulateTierRequest, context: Any) -> tier_pb2.SimulateTierResponse:
        org = convert.org_in(request.parent)
        trace, tiers = await self._simulations.run(org, request.budgets_bytes, request.strategies)
        return convert_conversions.simulated_out(trace, tiers)
