"""ScoreTexts of the protos as calls of the app, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from memporium.inference.v1 import score_pb2
from memporium_platform.errors import invalid
from memporium_services.inference.convert.calls import SPEAKERS
from memporium_services.inference.domain.scoring import ScoreTask
from memporium_services.inference.domain.values import Turn

if TYPE_CHECKING:
    from collections.abc import Sequence

    from memporium_services.inference.domain.scoring import TextScore
    from memporium_services.inference.domain.values import ModelInfo
    from memporium_services.inference.settings import InferenceSettings


def score_tasks(request: score_pb2.ScoreTextsRequest, settings: InferenceSettings) -> list[ScoreTask]:
    """Return the texts of a ScoreTexts, within the limits."""
    if len(request.texts) > settings.max_score_texts:
        raise invalid("texts", f"are {len(request.texts)}; at most {settings.max_score_texts} in one call")
    tasks = [_task(one) for one in request.texts]
    size = sum(
        len(task.prompt.encode())
        + len(task.continuation.encode())
        + sum(len(turn.content.encode()) for turn in task.turns)
        for task in tasks
    )
    if size > settings.max_input_bytes:
        raise invalid("texts", f"have {size} bytes; at most {settings.max_input_bytes} in one call")
    return tasks


def _task(message: score_pb2.TextToScore) -> ScoreTask:
    if bool(message.messages) == bool(message.prompt):
        raise invalid("texts.messages", "exactly one of messages and prompt must be given")
    if any(one.role not in SPEAKERS for one in message.messages):
        raise invalid("texts.messages", "each needs a role")
    turns = tuple(Turn(SPEAKERS[one.role], one.content) for one in message.messages)
    return ScoreTask(message.continuation, turns, message.prompt)


def score_response(info: ModelInfo, scores: Sequence[TextScore]) -> score_pb2.ScoreTextsResponse:
    """Return the answer."""
    return score_pb2.ScoreTextsResponse(
        model=info.name,
        model_fingerprint=info.fingerprint,
        scores=[
            score_pb2.TextScore(
                log_probability=one.log_probability,
                token_count=one.token_count,
                prompt_token_count=one.prompt_token_count,
            )
            for one in scores
        ],
    )
