"""What the app gives, as the answers of the protos."""

from __future__ import annotations

from typing import TYPE_CHECKING

from google.protobuf.duration_pb2 import Duration

from memporium.cube.v1 import cube_pb2
from memporium.inference.v1 import (
    convert_pb2,
    embed_pb2,
    generate_pb2,
    inference_service_pb2,
    model_pb2,
    watermark_pb2,
)
from memporium_services.inference.domain.memory import Form
from memporium_services.inference.domain.requests import Built, Delta, Finished, Progress, Started, Trained
from memporium_services.inference.domain.values import Finish, Kind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from memporium_services.inference.app.watermarks import Found
    from memporium_services.inference.domain.memory import UsedMemory
    from memporium_services.inference.domain.requests import Cited
    from memporium_services.inference.domain.values import EmbeddedText, ModelInfo
    from memporium_services.inference.settings import InferenceSettings

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


def form_of(form: Form) -> cube_pb2.MemoryForm.ValueType:
    """Return the form of a memory."""
    return _FORMS[form]


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


def watermark_evidence(found: Sequence[Found]) -> watermark_pb2.DetectWatermarkResponse:
    """Return the answer of DetectWatermark."""
    return watermark_pb2.DetectWatermarkResponse(
        evidence=[
            watermark_pb2.WatermarkEvidence(
                agreement=row.agreement,
                tokens=row.evidence.tokens,
                preferred_tokens=row.evidence.preferred,
                z=row.evidence.z,
                p_value=row.evidence.p_value,
                detected=row.detected,
            )
            for row in found
        ]
    )


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
            queue=duration_of(times.queue_s),
            mount=duration_of(times.mount_s),
            prefill=duration_of(times.prefill_s),
            time_to_first_token=duration_of(times.first_token_s),
            total=duration_of(times.total_s),
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
        release=licence.release if licence else "",
        passages=[
            generate_pb2.CitedPassage(begin=passage.begin, end=passage.end, share=passage.share)
            for passage in cited.passages
        ],
    )


def duration_of(seconds: float) -> Duration:
    """Return a time span."""
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
        cube=_record(step.memory), compute_time=duration_of(step.compute_s), reused=step.reused
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
        compute_time=duration_of(step.compute_s),
        reused=step.reused,
        resumed_steps=step.resumed_steps,
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
        query_prefix=info.query_prefix,
        document_prefix=info.document_prefix,
    )


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
            max_score_texts=settings.max_score_texts,
        )
    )
