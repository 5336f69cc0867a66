"""Messages of the protos as the calls of the app, and its events as messages. Only here both are known."""

from __future__ import annotations

from typing import TYPE_CHECKING

from google.protobuf.duration_pb2 import Duration

from memporium.cube.v1 import cube_pb2
from memporium.inference.v1 import convert_pb2, embed_pb2, generate_pb2, inference_service_pb2, model_pb2
from memporium_platform.errors import invalid
from memporium_services.inference.domain.memory import Form
from memporium_services.inference.domain.requests import (
    Built,
    ConvertCall,
    Delta,
    Finished,
    GenerateCall,
    Progress,
    Started,
    Trained,
)
from memporium_services.inference.domain.values import (
    EmbeddedText,
    Finish,
    Kind,
    ModelInfo,
    Sampling,
    Speaker,
    TrainingPlan,
    Turn,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from memporium_services.inference.domain.memory import UsedMemory
    from memporium_services.inference.domain.requests import Cited
    from memporium_services.inference.settings import InferenceSettings

_SPEAKERS = {
    generate_pb2.ROLE_SYSTEM: Speaker.SYSTEM,
    generate_pb2.ROLE_USER: Speaker.USER,
    generate_pb2.ROLE_ASSISTANT: Speaker.ASSISTANT,
}
_FINISH = {
    Finish.END: generate_pb2.FINISH_REASON_END,
    Finish.STOP: generate_pb2.FINISH_REASON_STOP,
    Finish.LENGTH: generate_pb2.FINISH_REASON_LENGTH,
}
_FORMS = {
    Form.PLAINTEXT: cube_pb2.MEMORY_FORM_PLAINTEXT,
    Form.ACTIVATION: cube_pb2.MEMORY_FORM_ACTIVATION,
    Form.PARAMETER: cube_pb2.MEMORY_FORM_PARAMETER,
}
_KINDS = {Kind.EMBEDDER: model_pb2.MODEL_KIND_EMBEDDER, Kind.GENERATOR: model_pb2.MODEL_KIND_GENERATOR}
_MAX_STOPS = 8
_MAX_STOP_CHARACTERS = 64
_MAX_TEMPERATURE = 2.0
_MAX_RANK = 64
_MAX_EPOCHS = 50
_MAX_TITLE_CHARACTERS = 300
_MAX_LEARNING_RATE = 0.1


def texts_of(texts: Sequence[str], settings: InferenceSettings) -> list[str]:
    """Return the texts of an Embed or CountTokens, within the limits."""
    if len(texts) > settings.max_embed_texts:
        raise invalid("texts", f"are {len(texts)}; at most {settings.max_embed_texts} in one call")
    size = sum(len(text.encode()) for text in texts)
    if size > settings.max_embed_bytes:
        raise invalid("texts", f"have {size} bytes; at most {settings.max_embed_bytes} in one call")
    return list(texts)


def embeddings(info: ModelInfo, vectors: Sequence[EmbeddedText]) -> embed_pb2.EmbedResponse:
    """Return the answer of Embed."""
    return embed_pb2.EmbedResponse(
        model=info.name,
        model_fingerprint=info.fingerprint,
        dimensions=info.dimensions,
        embeddings=[
            embed_pb2.Embedding(
                values=vector.vector.tolist(), token_count=vector.token_count, truncated=vector.truncated
            )
            for vector in vectors
        ],
    )


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
    if any(message.role not in _SPEAKERS for message in request.messages):
        raise invalid("messages", "each needs a role")
    cubes = _cubes([mount.cube for mount in request.mounts], "mounts", settings)
    return GenerateCall(
        model=request.model,
        turns=tuple(Turn(_SPEAKERS[message.role], message.content) for message in request.messages),
        prompt=request.prompt,
        cubes=cubes,
        sampling=Sampling(
            max_tokens=request.max_tokens or min(settings.default_new_tokens, settings.max_new_tokens),
            temperature=request.temperature,
            top_p=request.top_p,
            seed=request.seed,
            stop=tuple(request.stop),
        ),
    )


def build_call(request: convert_pb2.BuildActivationRequest, settings: InferenceSettings) -> ConvertCall:
    """Return what a BuildActivation asks for, its fields checked."""
    return _convert_call(request, settings, TrainingPlan())


def train_call(request: convert_pb2.TrainParameterRequest, settings: InferenceSettings) -> ConvertCall:
    """Return what a TrainParameter asks for, its fields checked."""
    options, default = request.options, TrainingPlan()
    if not 0 <= options.rank <= _MAX_RANK:
        raise invalid("options.rank", f"must be 0 to {_MAX_RANK}")
    if not 0 <= options.epochs <= _MAX_EPOCHS:
        raise invalid("options.epochs", f"must be 0 to {_MAX_EPOCHS}")
    if not 0 <= options.learning_rate <= _MAX_LEARNING_RATE:
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
    )
    return _convert_call(request, settings, plan)


def _convert_call(
    request: convert_pb2.BuildActivationRequest | convert_pb2.TrainParameterRequest,
    settings: InferenceSettings,
    plan: TrainingPlan,
) -> ConvertCall:
    if len(request.title) > _MAX_TITLE_CHARACTERS:
        raise invalid("title", f"at most {_MAX_TITLE_CHARACTERS} characters")
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
    return tuple(cubes)


def generate_event(event: Started | Delta | Finished) -> generate_pb2.GenerateResponse:
    """Return one message of Generate's answer."""
    if isinstance(event, Started):
        started = generate_pb2.GenerationStarted(
            model=event.model,
            model_fingerprint=event.fingerprint,
            prompt_tokens=event.prompt_tokens,
            cached_tokens=event.cached_tokens,
        )
        return generate_pb2.GenerateResponse(started=started)
    if isinstance(event, Delta):
        return generate_pb2.GenerateResponse(
            delta=generate_pb2.GenerationDelta(text=event.text, token_ids=event.token_ids)
        )
    times = event.times
    finished = generate_pb2.GenerationFinished(
        reason=_FINISH[event.finish],
        usage=generate_pb2.Usage(
            prompt_tokens=event.prompt_tokens,
            cached_tokens=event.cached_tokens,
            completion_tokens=event.completion_tokens,
        ),
        timings=generate_pb2.Timings(
            queue=_duration(times.queue_s),
            mount=_duration(times.mount_s),
            prefill=_duration(times.prefill_s),
            time_to_first_token=_duration(times.first_token_s),
            total=_duration(times.total_s),
        ),
        citations=[_citation(cited) for cited in event.citations],
    )
    return generate_pb2.GenerateResponse(finished=finished)


def _citation(cited: Cited) -> generate_pb2.Citation:
    memory, licence = cited.memory, cited.licence
    return generate_pb2.Citation(
        cube=memory.name,
        form=_FORMS[memory.form],
        version=memory.version,
        title=memory.title,
        source=memory.source,
        agreement=licence.agreement if licence else "",
        attribution=licence.attribution if licence else "",
    )


def _duration(seconds: float) -> Duration:
    found = Duration()
    found.FromNanoseconds(int(seconds * 1e9))
    return found


def progress_of(step: Progress) -> convert_pb2.ConversionProgress:
    """Return how far a conversion is."""
    return convert_pb2.ConversionProgress(
        stage=convert_pb2.ConversionStage.Value(f"CONVERSION_STAGE_{step.stage.value}"),
        completed=step.completed,
        total=step.total,
        loss=step.loss,
    )


def build_event(step: Progress | Built) -> convert_pb2.BuildActivationResponse:
    """Return one message of BuildActivation's answer."""
    if isinstance(step, Progress):
        return convert_pb2.BuildActivationResponse(progress=progress_of(step))
    result = convert_pb2.BuildActivationResult(
        cube=_record(step.memory), compute_time=_duration(step.compute_s), reused=step.reused
    )
    return convert_pb2.BuildActivationResponse(result=result)


def _record(memory: UsedMemory) -> cube_pb2.Cube | None:
    return memory.record if isinstance(memory.record, cube_pb2.Cube) else None


def train_event(step: Progress | Trained) -> convert_pb2.TrainParameterResponse:
    """Return one message of TrainParameter's answer."""
    if isinstance(step, Progress):
        return convert_pb2.TrainParameterResponse(progress=progress_of(step))
    result = convert_pb2.TrainParameterResult(
        cube=_record(step.memory),
        loss_before=step.loss_before,
        loss_after=step.loss_after,
        examples=step.examples,
        question_answer_pairs=step.pairs,
        steps=step.steps,
        compute_time=_duration(step.compute_s),
        reused=step.reused,
    )
    return convert_pb2.TrainParameterResponse(result=result)


def model_of(info: ModelInfo, *, default: bool) -> model_pb2.Model:
    """Return a model."""
    return model_pb2.Model(
        name=info.name,
        kind=_KINDS[info.kind],
        fingerprint=info.fingerprint,
        tokenizer_fingerprint=info.tokenizer_fingerprint,
        context_tokens=info.context_tokens,
        dimensions=info.dimensions,
        engine=info.engine,
        default=default,
        loaded=info.loaded,
        supports_activation=info.supports_memory,
        supports_parameter=info.supports_memory,
    )


def kind_of(kind: int) -> Kind | None:
    """Return a kind of models, or None for all."""
    for found, value in _KINDS.items():
        if value == kind:
            return found
    return None


def capabilities(
    settings: InferenceSettings, *, embedder: str, generator: str
) -> inference_service_pb2.GetCapabilitiesResponse:
    """Return the limits."""
    return inference_service_pb2.GetCapabilitiesResponse(
        capabilities=inference_service_pb2.Capabilities(
            default_embedder=embedder,
            default_generator=generator,
            max_embed_texts=settings.max_embed_texts,
            max_embed_bytes=settings.max_embed_bytes,
            max_prompt_tokens=settings.max_prompt_tokens,
            max_new_tokens=settings.max_new_tokens,
            max_mounts=settings.max_mounts,
            max_training_tokens=settings.max_training_tokens,
            max_blob_bytes=settings.max_blob_bytes,
        )
    )
