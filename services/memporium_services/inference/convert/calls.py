"""Requests of the protos as the calls of the app, their fields checked."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

from memporium.inference.v1 import convert_pb2, embed_pb2, generate_pb2, model_pb2
from memporium_platform import names
from memporium_platform.errors import invalid
from memporium_services.inference.convert.reports import limits_of
from memporium_services.inference.domain.admission import AdmissionLimits
from memporium_services.inference.domain.requests import ConvertCall, GenerateCall
from memporium_services.inference.domain.trainings import TrainingPlan
from memporium_services.inference.domain.values import (
    ComposePlan,
    Composition,
    Kind,
    KvForm,
    Sampling,
    Speaker,
    TextUse,
    Turn,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from memporium.cube.v1 import adapter_pb2
    from memporium_services.inference.settings import InferenceSettings

SPEAKERS = {
    generate_pb2.ROLE_SYSTEM: Speaker.SYSTEM,
    generate_pb2.ROLE_USER: Speaker.USER,
    generate_pb2.ROLE_ASSISTANT: Speaker.ASSISTANT,
}
_KINDS: dict[int, Kind] = {model_pb2.MODEL_KIND_EMBEDDER: Kind.EMBEDDER, model_pb2.MODEL_KIND_GENERATOR: Kind.GENERATOR}
_COMPOSITIONS: dict[int, Composition] = {
    generate_pb2.KV_COMPOSITION_UNSPECIFIED: Composition.EXACT,
    generate_pb2.KV_COMPOSITION_EXACT: Composition.EXACT,
    generate_pb2.KV_COMPOSITION_RE_ROTATED: Composition.RE_ROTATED,
    generate_pb2.KV_COMPOSITION_SELECTIVE: Composition.SELECTIVE,
}
_KV_FORMS: dict[int, KvForm] = {
    convert_pb2.KV_DTYPE_UNSPECIFIED: KvForm.FLOAT16,
    convert_pb2.KV_DTYPE_FLOAT16: KvForm.FLOAT16,
    convert_pb2.KV_DTYPE_BFLOAT16: KvForm.BFLOAT16,
    convert_pb2.KV_DTYPE_INT8: KvForm.INT8,
    convert_pb2.KV_DTYPE_FLOAT8_E4M3: KvForm.FLOAT8_E4M3,
}
_MAX_STOPS = 8
_MAX_STOP_CHARACTERS = 64
_MAX_TEMPERATURE = 2.0
_MAX_SCHEMA_CHARACTERS = 16_384
_MAX_RANK = 64
_MAX_EPOCHS = 50
MAX_TITLE_CHARACTERS = 300
_MAX_LEARNING_RATE = 0.1
_ROUNDING = 1e-6
# Numbers of all vectors of an Embed: 4 MB of floats, and little beside, is what one message takes.
_ANSWER_NUMBERS = 1_000_000


def texts_of(texts: Sequence[str], settings: InferenceSettings) -> list[str]:
    """Return the texts of an Embed or CountTokens, within the limits."""
    if len(texts) > settings.max_embed_texts:
        raise invalid("texts", f"are {len(texts)}; at most {settings.max_embed_texts} in one call")
    size = sum(len(text.encode()) for text in texts)
    if size > settings.max_embed_bytes:
        raise invalid("texts", f"have {size} bytes; at most {settings.max_embed_bytes} in one call")
    return list(texts)


def embed_call(
    request: embed_pb2.EmbedRequest, settings: InferenceSettings, *, dimensions: int
) -> tuple[list[str], TextUse]:
    """Return the texts of an Embed, as many as have their vectors in one answer, and what they are."""
    texts, most = texts_of(request.texts, settings), _ANSWER_NUMBERS // max(1, dimensions)
    if len(texts) > most:
        raise invalid("texts", f"are {len(texts)}; of vectors of {dimensions} numbers at most {most} in one call")
    # Not given is as memory: models with prefixes want one before every text.
    return texts, TextUse.QUERY if request.input_type == embed_pb2.EMBED_INPUT_TYPE_QUERY else TextUse.DOCUMENT


def generate_call(request: generate_pb2.GenerateRequest, settings: InferenceSettings) -> GenerateCall:
    """Return what a Generate asks for, its fields checked."""
    if bool(request.messages) == bool(request.prompt):
        raise invalid("messages", "exactly one of messages and prompt must be given")
    if not 0 <= request.max_tokens <= settings.max_new_tokens:
        raise invalid("max_tokens", f"must be 0 to {settings.max_new_tokens}")
    if not 0 <= request.temperature <= _MAX_TEMPERATURE:
        raise invalid("temperature", f"must be 0 to {_MAX_TEMPERATURE:g}")
    if not 0 <= request.top_p <= 1:
        raise invalid("top_p", "must be 0 to 1")
    if len(request.stop) > _MAX_STOPS or any(not 0 < len(text) <= _MAX_STOP_CHARACTERS for text in request.stop):
        raise invalid("stop", f"at most {_MAX_STOPS} texts of 1 to {_MAX_STOP_CHARACTERS} characters")
    _check_schema(request.json_schema)
    if any(message.role not in SPEAKERS for message in request.messages):
        raise invalid("messages", "each needs a role")
    cubes = _cubes([mount.cube for mount in request.mounts], "mounts", settings)
    return GenerateCall(
        model=request.model,
        turns=tuple(Turn(SPEAKERS[message.role], message.content) for message in request.messages),
        prompt=request.prompt,
        cubes=cubes,
        sampling=Sampling(
            max_tokens=request.max_tokens or min(settings.default_new_tokens, settings.max_new_tokens),
            temperature=request.temperature,
            top_p=request.top_p,
            seed=request.seed,
            stop=tuple(request.stop),
            json_schema=request.json_schema,
        ),
        compose=_compose(request),
    )


def _check_schema(text: str) -> None:
    """Refuse what is no JSON Schema of an object."""
    if not text:
        return
    if len(text) > _MAX_SCHEMA_CHARACTERS:
        raise invalid("json_schema", f"at most {_MAX_SCHEMA_CHARACTERS} characters")
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict) or found.get("type") != "object":
        raise invalid("json_schema", "must be a JSON object whose type is object")


def build_call(request: convert_pb2.BuildActivationRequest, settings: InferenceSettings) -> ConvertCall:
    """Return what a BuildActivation asks for, its fields checked."""
    if request.dtype not in _KV_FORMS:
        raise invalid("dtype", "is not known")
    return replace(_convert_call(request, settings, TrainingPlan()), kv_form=_KV_FORMS[request.dtype])


def train_call(request: convert_pb2.TrainParameterRequest, settings: InferenceSettings) -> ConvertCall:
    """Return what a TrainParameter asks for, its fields checked."""
    options, default = request.options, TrainingPlan()
    if not 0 <= options.rank <= _MAX_RANK:
        raise invalid("options.rank", f"must be 0 to {_MAX_RANK}")
    if not 0 <= options.epochs <= _MAX_EPOCHS:
        raise invalid("options.epochs", f"must be 0 to {_MAX_EPOCHS}")
    # As a number of 32 bits, which is how it comes, the greatest is a little above itself.
    if not 0 <= options.learning_rate <= _MAX_LEARNING_RATE * (1 + _ROUNDING):
        raise invalid("options.learning_rate", f"must be 0 to {_MAX_LEARNING_RATE}")
    rank = options.rank or default.rank
    if not 0 <= options.alpha <= 16 * rank:
        raise invalid("options.alpha", "must be 0 to sixteen times the rank")
    plan = TrainingPlan(
        rank=rank,
        alpha=options.alpha or 2.0 * rank,
        epochs=options.epochs or default.epochs,
        learning_rate=options.learning_rate or default.learning_rate,
        seed=options.seed,
        max_tokens=settings.max_training_tokens,
        limits=limits_within(options.limits, settings),
    )
    return replace(_convert_call(request, settings, plan), expire_refused=request.expire_refused)


def limits_within(message: adapter_pb2.AdmissionLimits, settings: InferenceSettings) -> AdmissionLimits:
    """Return limits of admission, what is absent from the settings."""
    default = AdmissionLimits(
        settings.admission_min_recall, settings.admission_max_perplexity_ratio, settings.admission_max_leakage
    )
    found = limits_of(message, default)
    if not 0 <= found.min_recall <= 1 or not 0 <= found.max_leakage <= 1:
        raise invalid("limits", "recall and leakage are shares, 0 to 1")
    if found.max_perplexity_ratio and found.max_perplexity_ratio < 1:
        raise invalid("limits.max_perplexity_ratio", "must be 0 or at least 1")
    return found


def _compose(request: generate_pb2.GenerateRequest) -> ComposePlan:
    if request.kv_composition not in _COMPOSITIONS:
        raise invalid("kv_composition", "is not known")
    composition = _COMPOSITIONS[request.kv_composition]
    if not 0 <= request.recompute_share <= 1:
        raise invalid("recompute_share", "must be 0 to 1")
    if request.recompute_share and composition is not Composition.SELECTIVE:
        raise invalid("recompute_share", "goes with KV_COMPOSITION_SELECTIVE alone")
    return ComposePlan(composition, request.recompute_share or ComposePlan().recompute_share)


def _convert_call(
    request: convert_pb2.BuildActivationRequest | convert_pb2.TrainParameterRequest,
    settings: InferenceSettings,
    plan: TrainingPlan,
) -> ConvertCall:
    if len(request.title) > MAX_TITLE_CHARACTERS:
        raise invalid("title", f"at most {MAX_TITLE_CHARACTERS} characters")
    return ConvertCall(
        parent=request.parent,
        request_id=request.request_id,
        cubes=_cubes(request.cubes, "cubes", settings),
        model=request.model,
        cube_id=request.cube_id,
        title=request.title,
        tags=tuple(request.tags),
        reason=request.reason,
        plan=plan,
    )


def _cubes(cubes: Sequence[str], field: str, settings: InferenceSettings) -> tuple[str, ...]:
    if len(cubes) > settings.max_mounts:
        raise invalid(field, f"are {len(cubes)}; at most {settings.max_mounts} in one call")
    for cube in cubes:
        names.CUBE.parse(cube, field)
    if len(set(cubes)) != len(cubes):
        raise invalid(field, "each cube can be named once")
    return tuple(cubes)


def most_of(most: int) -> int:
    """Return how many rows are asked for; 0: all."""
    if most < 0:
        raise invalid("max_uses", "must not be negative")
    return most


def kind_of(kind: int) -> Kind | None:
    """Return a kind of models, or None for all."""
    return _KINDS.get(kind)
