"""Language models of the inference service as judges: how likely a question is behind each of several statements."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import grpc

from memporium.inference.v1 import generate_pb2, score_pb2
from memporium.inference.v1.inference_service_pb2_grpc import InferenceServiceStub
from memporium_platform.rpc.errors_client import reason_of
from memporium_services.reader.ports import WriterError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from memporium_platform.rpc.channels import Channels
    from memporium_services.reader.ports import Judge


class ModelJudge:
    """Asks a generator on behalf of the caller."""

    def __init__(self, channels: Channels, *, model: str) -> None:
        """Ask `model` of the inference service."""
        self._stub: Any = channels.stub(InferenceServiceStub)
        self._model = model

    @property
    def model(self) -> str:
        """Its name."""
        return self._model

    async def likelihoods(
        self, instructions: str, messages: Sequence[str], answer: str, *, timeout_s: float
    ) -> list[float]:
        """Return the log-probability, a token, of `answer` behind each message.

        Raises:
            WriterError: It gave none in time.
        """
        texts = [
            score_pb2.TextToScore(
                messages=[
                    generate_pb2.Message(role=generate_pb2.ROLE_SYSTEM, content=instructions),
                    generate_pb2.Message(role=generate_pb2.ROLE_USER, content=message),
                ],
                continuation=answer,
            )
            for message in messages
        ]
        try:
            found = await self._stub.ScoreTexts(
                score_pb2.ScoreTextsRequest(model=self._model, texts=texts), timeout=timeout_s
            )
        except grpc.aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
                raise WriterError("timeout") from error
            raise WriterError(str(reason_of(error).reason).lower()) from error
        scores = [one.log_probability / max(1, one.token_count) for one in found.scores]
        if len(scores) != len(messages) or not all(map(math.isfinite, scores)):
            raise WriterError("malformed")
        return scores


def judge_of(model: str, channels: Channels) -> Judge | None:
    """Return the judge that the settings name; None where they name none."""
    return ModelJudge(channels, model=model) if model else None
