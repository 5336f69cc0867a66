"""Embeds by the inference service."""

from __future__ import annotations

from typing import TYPE_CHECKING

import grpc
import numpy as np

from memporium.inference.v1.embed_pb2 import EMBED_INPUT_TYPE_DOCUMENT, EMBED_INPUT_TYPE_QUERY, EmbedRequest
from memporium.inference.v1.inference_service_pb2_grpc import InferenceServiceStub
from memporium_platform.rpc.errors_client import reason_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from memporium_platform.rpc.channels import Channels

# Well below what one Embed takes, and its answer (5 kB a text, 16 of the longest vectors) below the message limit.
_MAX_TEXTS = 128
_MAX_BYTES = 256 << 10


class InferenceEmbedder:
    """The Embedder port over the inference service's stub."""

    def __init__(self, channels: Channels) -> None:
        """Call through these channels, as whoever is calling the vault."""
        self._stub = channels.stub(InferenceServiceStub)

    async def embed(self, model: str, texts: Sequence[str], *, questions: bool = False) -> NDArray[np.float32]:
        """Return (n, d) float32, rows of unit length, of memory or of questions.

        Raises:
            PlatformError: What inference answered, for instance MODEL_UNAVAILABLE.
        """
        rows: list[Sequence[float]] = []
        kind = EMBED_INPUT_TYPE_QUERY if questions else EMBED_INPUT_TYPE_DOCUMENT
        for some in _pieces(texts):
            try:
                answer = await self._stub.Embed(EmbedRequest(model=model, texts=some, input_type=kind))
            except grpc.aio.AioRpcError as error:
                raise reason_of(error) from error
            rows += [embedding.values for embedding in answer.embeddings]
        return np.array(rows, np.float32)


def _pieces(texts: Sequence[str]) -> Iterator[list[str]]:
    piece: list[str] = []
    size = 0
    for text in texts:
        length = len(text.encode())
        if piece and (len(piece) >= _MAX_TEXTS or size + length > _MAX_BYTES):
            yield piece
            piece, size = [], 0
        piece.append(text)
        size += length
    if piece:
        yield piece
