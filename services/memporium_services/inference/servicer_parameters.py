"""The methods of the inference service that make and read memory in weights."""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from memporium_platform.call import current_call
from memporium_services.inference.convert import calls, events, parameters

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from memporium.inference.v1 import convert_pb2, parameter_pb2
    from memporium_services.inference.app.merging import Merging
    from memporium_services.inference.app.probing import Probing
    from memporium_services.inference.app.training import Training
    from memporium_services.inference.settings import InferenceSettings


@dataclass(frozen=True)
class Parameters:
    """The use cases."""

    training: Training
    merging: Merging
    probing: Probing


class ParameterMethods:
    """Train, merge, probe."""

    _parameters: Parameters
    _settings: InferenceSettings

    async def TrainParameter(  # noqa: N802 - the RPC's name
        self, request: convert_pb2.TrainParameterRequest, _context: Any
    ) -> AsyncIterator[convert_pb2.TrainParameterResponse]:
        """Train an adapter."""
        call, caller = calls.train_call(request, self._settings), current_call().principal
        steps = self._parameters.training.train_parameter(call, tenant=caller.org, principal=caller.name)
        async with aclosing(steps):
            async for step in steps:
                yield events.train_event(step)

    async def MergeParameters(  # noqa: N802 - the RPC's name
        self, request: parameter_pb2.MergeParametersRequest, _context: Any
    ) -> AsyncIterator[parameter_pb2.MergeParametersResponse]:
        """Merge adapters."""
        call, caller = parameters.merge_call(request, self._settings), current_call().principal
        steps = self._parameters.merging.merge_parameters(call, tenant=caller.org, principal=caller.name)
        async with aclosing(steps):
            async for step in steps:
                yield parameters.merge_event(step)

    async def ProbeParameter(  # noqa: N802 - the RPC's name
        self, request: parameter_pb2.ProbeParameterRequest, _context: Any
    ) -> AsyncIterator[parameter_pb2.ProbeParameterResponse]:
        """Ask an adapter."""
        call, caller = parameters.probe_call(request), current_call().principal
        steps = self._parameters.probing.probe_parameter(call, tenant=caller.org, principal=caller.name)
        async with aclosing(steps):
            async for step in steps:
                yield parameters.probe_event(step)
