"""Embedders behind an OpenAI-compatible endpoint: Ollama, vLLM, Text Embeddings Inference, llama.cpp, a vendor."""

from __future__ import annotations

import hashlib
import json
import socket
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import httpx
import numpy as np

from memporium_platform.errors import PlatformError, Reason
from memporium_services.inference.adapters.embedders.embedding_answers import (
    OtherLengthError,
    TextRefusedError,
    failure,
    most_bytes,
    unavailable,
    vectors_in,
)
from memporium_services.inference.domain.values import EmbeddedText, Kind, ModelInfo

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

# Halves of a text that is too long, one after the other: from the longest that a call takes to the shortest window.
_HALVINGS = 14
# Characters below which a text that is refused is not refused for its length; beyond what stands before it.
_SHORTEST = 32
# Below what servers keep idle connections for (5 s is common): a request must not meet one that is just being closed.
_IDLE_S = 2.0
_MOST_ERROR_BYTES = 8_192


class OpenAiCompatibleEmbedder:
    """Posts texts to `/embeddings`, some at a time. Its vectors are brought to unit length here."""

    def __init__(
        self,
        name: str,
        *,
        base_url: str,
        model: str,
        dimensions: int,
        api_key: str = "",
        context_tokens: int = 0,
        timeout_s: float = 60.0,
        query_prefix: str = "",
        document_prefix: str = "",
        texts_at_once: int = 16,
    ) -> None:
        """Ask this endpoint; `model` is its own name of the model. An answer takes `timeout_s` at most."""
        # Compressed, an answer could grow beyond its limit while it is read.
        headers = {"accept-encoding": "identity"} | ({"authorization": f"Bearer {api_key}"} if api_key else {})
        self._client = httpx.Client(
            base_url=base_url,
            headers=headers,
            timeout=timeout_s,
            trust_env=False,
            limits=httpx.Limits(keepalive_expiry=_IDLE_S),
        )
        self._model, self._timeout_s, self._at_once = model, timeout_s, texts_at_once
        self._shortest = _SHORTEST + 2 * max(len(query_prefix), len(document_prefix))
        self._socket: socket.socket | None = None
        self._closed = False
        known = {
            "engine": "openai-compatible",
            "model": model,
            "dimensions": dimensions,
            "query_prefix": query_prefix,
            "document_prefix": document_prefix,
        }
        self.info = ModelInfo(
            name=name,
            kind=Kind.EMBEDDER,
            engine="openai-compatible",
            fingerprint=hashlib.sha256(json.dumps(known, sort_keys=True).encode()).hexdigest(),
            context_tokens=context_tokens,
            dimensions=dimensions,
            loaded=True,
            query_prefix=query_prefix,
            document_prefix=document_prefix,
        )

    def load(self) -> None:
        """Do nothing: the endpoint has the model."""

    def embed(self, texts: Sequence[str]) -> list[EmbeddedText]:
        """Return the vectors in the order of the texts; an empty text has the zero vector, unasked.

        Raises:
            PlatformError: MODEL_UNAVAILABLE, OVERLOADED, UNAVAILABLE; FAILED_PRECONDITION, where a text is refused
                however short it is cut.
        """
        nothing = EmbeddedText(np.zeros(self.info.dimensions, dtype=np.float32), 0, truncated=False)
        found = dict.fromkeys(range(len(texts)), nothing)
        said = [place for place, text in enumerate(texts) if text.strip()]
        for start in range(0, len(said), self._at_once):
            places = said[start : start + self._at_once]
            found.update(zip(places, self._embedded([texts[place] for place in places]), strict=True))
        return list(found.values())

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Refuse: the endpoint's tokenizer is not here."""
        raise unavailable(self.info.name, f"counts no tokens for the {len(texts)} texts")

    def close(self) -> None:
        """Break off what is asked, and ask no more."""
        self._closed = True
        self._sever()
        self._client.close()

    def _embedded(self, texts: Sequence[str]) -> list[EmbeddedText]:
        """Embed texts together; where they are refused, find the ones that are to blame, and cut those."""
        try:
            return [EmbeddedText(vector, 0, truncated=False) for vector in self._ask(texts)]
        except TextRefusedError as refused:
            if len(texts) == 1:
                return [self._cut(texts[0], refused)]
        middle = len(texts) // 2
        return [*self._embedded(texts[:middle]), *self._embedded(texts[middle:])]

    def _cut(self, text: str, refused: TextRefusedError) -> EmbeddedText:
        for _ in range(_HALVINGS):
            if len(text) < self._shortest:
                break
            text = text[: len(text) // 2]
            with suppress(TextRefusedError):
                return EmbeddedText(self._ask([text])[0], 0, truncated=True)
        name, status = self.info.name, str(refused)
        raise PlatformError(
            Reason.FAILED_PRECONDITION,
            f"the endpoint of {name} refuses a text with status {status}, also when it is cut short",
            metadata={"resource": name, "state": status},
        ) from refused

    def _ask(self, texts: Sequence[str]) -> list[NDArray[np.float32]]:
        """Return the vectors of texts in one request.

        Raises:
            TextRefusedError: The endpoint does not take them.
            PlatformError: What else it answers, or does not.
        """
        name, dimensions = self.info.name, self.info.dimensions
        body = {"model": self._model, "input": list(texts), "encoding_format": "float"}
        try:
            with (
                self._in_time(),
                self._client.stream("POST", "/embeddings", json=body, extensions={"trace": self._trace}) as response,
            ):
                most = most_bytes(len(texts), dimensions) if response.is_success else _MOST_ERROR_BYTES
                data = _read(response, most)
        except (httpx.HTTPError, RuntimeError, OSError) as err:
            # A client that was closed meanwhile raises RuntimeError.
            raise PlatformError(Reason.UNAVAILABLE, f"the endpoint of {name} does not answer") from err
        if not response.is_success:
            raise failure(name, response, data)
        try:
            return vectors_in(data, count=len(texts), dimensions=dimensions)
        except OtherLengthError as err:
            why = f"has vectors of {err.length} numbers at its endpoint, and of {dimensions} in the settings"
            raise unavailable(name, why) from err
        except (ValueError, KeyError, TypeError, IndexError, RecursionError) as err:
            raise PlatformError(Reason.UNAVAILABLE, f"the endpoint of {name} answers in another way") from err

    @contextmanager
    def _in_time(self) -> Iterator[None]:
        """Break a request off that takes too long in all: an answer may come in drops, none of them late."""
        if self._closed:
            raise RuntimeError("closed")
        timer = threading.Timer(self._timeout_s, self._sever)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _trace(self, event: str, told: dict[str, Any]) -> None:
        if event in {"connection.connect_tcp.complete", "connection.start_tls.complete"}:
            self._socket = told["return_value"].get_extra_info("socket")

    def _sever(self) -> None:
        """End the connection under whoever waits at it."""
        if self._socket is not None:
            with suppress(OSError):
                # Not of its own class: an encrypted one would say goodbye first.
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)


def _read(response: httpx.Response, most: int) -> bytes:
    """Return an answer as far as `most` and a little; of what is longer, the rest is not read."""
    data = bytearray()
    for block in response.iter_raw():
        data += block
        if len(data) > most:
            break
    return bytes(data)
