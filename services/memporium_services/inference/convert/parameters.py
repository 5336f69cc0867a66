"""Merging and probing adapters: requests as calls of the app, its steps as answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from memporium.cube.v1 import cube_pb2
from memporium.inference.v1 import parameter_pb2
from memporium_platform.errors import invalid
from memporium_services.inference.convert.calls import MAX_TITLE_CHARACTERS, limits_within
from memporium_services.inference.convert.events import duration_of, progress_of
from memporium_services.inference.domain.requests import MergeCall, ProbeCall, Progress
from memporium_services.inference.domain.trainings import MergeMethod, MergePlan

if TYPE_CHECKING:
    from memporium_services.inference.domain.requests import Built
    from memporium_services.inference.settings import InferenceSettings

_METHODS: dict[int, MergeMethod] = {
    parameter_pb2.MERGE_METHOD_UNSPECIFIED: MergeMethod.TIES,
    parameter_pb2.MERGE_METHOD_LINEAR: MergeMethod.LINEAR,
    parameter_pb2.MERGE_METHOD_SVD: MergeMethod.SVD,
    parameter_pb2.MERGE_METHOD_TIES: MergeMethod.TIES,
    parameter_pb2.MERGE_METHOD_DARE_LINEAR: MergeMethod.DARE_LINEAR,
    parameter_pb2.MERGE_METHOD_DARE_TIES: MergeMethod.DARE_TIES,
}
_FEWEST, _MOST = 2, 8
_MAX_WEIGHT = 4.0
_MAX_RANK = 64
_DENSITY, _MIN_CONFIDENCE = 0.5, 0.5
_MAX_TOPICS = 256
_MAX_WORDS_CHARACTERS = 120


def merge_call(request: parameter_pb2.MergeParametersRequest, settings: InferenceSettings) -> MergeCall:
    """Return what a MergeParameters asks for, its fields checked."""
    if not _FEWEST <= len(request.cubes) <= _MOST:
        raise invalid("cubes", f"must be {_FEWEST} to {_MOST}")
    if request.method not in _METHODS:
        raise invalid("method", "is not known")
    weights = tuple(request.weights) or (1.0,) * len(request.cubes)
    if len(weights) != len(request.cubes) or any(not 0 <= weight <= _MAX_WEIGHT for weight in weights):
        raise invalid("weights", f"must be none, or one of 0 to {_MAX_WEIGHT:g} for each cube")
    if not 0 <= request.density <= 1:
        raise invalid("density", "must be 0 to 1")
    if not 0 <= request.rank <= _MAX_RANK:
        raise invalid("rank", f"must be 0 to {_MAX_RANK}")
    _check_title(request.title)
    return MergeCall(
        parent=request.parent,
        request_id=request.request_id,
        cubes=tuple(request.cubes),
        model=request.model,
        cube_id=request.cube_id,
        title=request.title,
        tags=tuple(request.tags),
        reason=request.reason,
        merge=MergePlan(
            weights=weights,
            method=_METHODS[request.method],
            density=request.density or _DENSITY,
            rank=request.rank,
            seed=request.seed,
            limits=limits_within(request.limits, settings),
        ),
    )


def probe_call(request: parameter_pb2.ProbeParameterRequest) -> ProbeCall:
    """Return what a ProbeParameter asks for, its fields checked."""
    if not 0 <= request.min_confidence <= 1:
        raise invalid("min_confidence", "must be 0 to 1")
    topics = tuple((topic.subject.strip(), topic.attribute.strip()) for topic in request.topics)
    if len(topics) > _MAX_TOPICS:
        raise invalid("topics", f"are {len(topics)}; at most {_MAX_TOPICS}")
    if any(not 1 <= len(words) <= _MAX_WORDS_CHARACTERS for topic in topics for words in topic):
        raise invalid("topics", f"have a subject and an attribute of 1 to {_MAX_WORDS_CHARACTERS} characters each")
    _check_title(request.title)
    return ProbeCall(
        parent=request.parent,
        request_id=request.request_id,
        cubes=(request.cube,),
        model=request.model,
        cube_id=request.cube_id,
        title=request.title,
        tags=tuple(request.tags),
        reason=request.reason,
        topics=topics,
        min_confidence=request.min_confidence or _MIN_CONFIDENCE,
    )


def merge_event(step: Progress | Built) -> parameter_pb2.MergeParametersResponse:
    """Return one message of MergeParameters's answer."""
    if isinstance(step, Progress):
        return parameter_pb2.MergeParametersResponse(progress=progress_of(step))
    result = parameter_pb2.MergeParametersResult(
        cube=_record(step), compute_time=duration_of(step.compute_s), reused=step.reused
    )
    return parameter_pb2.MergeParametersResponse(result=result)


def probe_event(step: Progress | Built) -> parameter_pb2.ProbeParameterResponse:
    """Return one message of ProbeParameter's answer."""
    if isinstance(step, Progress):
        return parameter_pb2.ProbeParameterResponse(progress=progress_of(step))
    result = parameter_pb2.ProbeParameterResult(
        cube=_record(step), compute_time=duration_of(step.compute_s), reused=step.reused
    )
    return parameter_pb2.ProbeParameterResponse(result=result)


def _record(step: Built) -> cube_pb2.Cube | None:
    return step.memory.record if isinstance(step.memory.record, cube_pb2.Cube) else None


def _check_title(title: str) -> None:
    if len(title) > MAX_TITLE_CHARACTERS:
        raise invalid("title", f"at most {MAX_TITLE_CHARACTERS} characters")
