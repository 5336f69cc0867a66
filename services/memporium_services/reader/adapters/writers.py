"""Language models of the inference service as writers: its own, or those behind an OpenAI-compatible endpoint."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import grpc

from memporium.inference.v1 import generate_pb2
from memporium.inference.v1.inference_service_pb2_grpc import InferenceServiceStub
from memporium_platform.rpc.errors_client import reason_of
from memporium_services.reader.domain.answers import MOST_CHARS
from memporium_services.reader.ports import WriterError, Written

if TYPE_CHECKING:
    from memporium_platform.rpc.channels import Channels
    from memporium_services.reader.ports import Writer


class ModelWriter:
    """Asks a generator on behalf of the caller, the likeliest token each time."""

    def __init__(self, channels: Channels, *, model: str) -> None:
        """Ask `model` of the inference service."""
        self._stub: Any = channels.stub(InferenceServiceStub)
        self._model = model

    @property
    def model(self) -> str:
        """Its name."""
        return self._model

    async def write(
        self, instructions: str, material: str, *, max_tokens: int, timeout_s: float, schema: str = ""
    ) -> Written:
        """Return its answer, read no further than any answer may be long; what came of it before a failure.

        Raises:
            WriterError: It gave none in time.
        """
        request = generate_pb2.GenerateRequest(
            model=self._model,
            messages=[
                generate_pb2.Message(role=generate_pb2.ROLE_SYSTEM, content=instructions),
                generate_pb2.Message(role=generate_pb2.ROLE_USER, content=material),
            ],
            max_tokens=max_tokens,
            json_schema=schema,
        )
        running = self._stub.Generate(request)
        pieces: list[str] = []
        try:
            # A limit of its own: a slow drip of text keeps a connection's own limit away for ever.
            async with asyncio.timeout(timeout_s):
                return await _read(running, pieces)
        except TimeoutError:
            return _begun(pieces, "timeout")
        except grpc.aio.AioRpcError as error:
            return _begun(pieces, str(reason_of(error).reason).lower())
        finally:
            running.cancel()


async def _read(running: Any, pieces: list[str]) -> Written:
    """Add the pieces of an answer as they come, and return the whole of it."""
    size, finished = 0, generate_pb2.GenerationFinished()
    async for response in running:
        pieces.append(response.delta.text)
        size += len(response.delta.text)
        if size > MOST_CHARS:
            raise WriterError("too_long")
        if response.HasField("finished"):
            finished = response.finished
    cut = "max_tokens" if finished.reason == generate_pb2.FINISH_REASON_LENGTH else ""
    return Written("".join(pieces), cut, finished.usage.prompt_tokens, finished.usage.completion_tokens)


def _begun(pieces: list[str], why: str) -> Written:
    """Return what there is of an answer that failed for a reason.

    Raises:
        WriterError: There is nothing.
    """
    text = "".join(pieces)
    if not text.strip():
        raise WriterError(why)
    return Written(text, cut=why)


def writer_of(model: str, channels: Channels) -> Writer | None:
    """Return the writer that the settings name; None where they name none."""
    return ModelWriter(channels, model=model) if model else None
