"""Models that answer and judge: of the platform, or behind an OpenAI-compatible endpoint."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import httpx

from memporium.client import MemporiumError
from memporium.inference.v1 import generate_pb2

if TYPE_CHECKING:
    from memporium.client import Client

_ATTEMPTS = 5
_BACKOFF_S = 0.5
_TRANSIENT = frozenset({408, 409, 425, 429, 500, 502, 503, 504})
_TRANSIENT_CODES = frozenset({"UNAVAILABLE", "RESOURCE_EXHAUSTED", "ABORTED"})
_MOST_ANSWER_BYTES = 1 << 22


class ModelError(Exception):
    """A model that gives no answer; the run stops and can be continued."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer with what it cost."""

    text: str
    tokens_in: int
    tokens_out: int
    seconds: float


class Model(Protocol):
    """A language model."""

    @property
    def name(self) -> str:
        """Its name."""
        ...

    def ask(self, instructions: str, material: str, *, max_tokens: int) -> Reply:
        """Return its answer.

        Raises:
            ModelError: It gives none, asked several times.
        """
        ...


class PlatformModel:
    """A generator of the platform."""

    def __init__(self, client: Client, name: str) -> None:
        """Ask `name`; "": the platform's default one."""
        self._client, self.name = client, name

    def ask(self, instructions: str, material: str, *, max_tokens: int) -> Reply:
        """Return its answer."""
        messages = [
            generate_pb2.Message(role=generate_pb2.ROLE_SYSTEM, content=instructions),
            generate_pb2.Message(role=generate_pb2.ROLE_USER, content=material),
        ]
        for attempt in range(_ATTEMPTS):
            began, text, usage = time.perf_counter(), "", generate_pb2.Usage()
            try:
                responses = self._client.inference.generate(
                    model=self.name, messages=messages, max_tokens=max_tokens, timeout_s=600
                )
                for response in responses:
                    text += response.delta.text
                    if response.HasField("finished"):
                        usage = response.finished.usage
            except MemporiumError as error:
                if error.code not in _TRANSIENT_CODES or attempt == _ATTEMPTS - 1:
                    raise ModelError(f"model {self.name or 'of the platform'}: {error}") from error
                time.sleep(error.retry_after_s or _BACKOFF_S * 2**attempt)
            else:
                return Reply(text, usage.prompt_tokens, usage.completion_tokens, time.perf_counter() - began)
        raise AssertionError


class EndpointModel:
    """A model behind an OpenAI-compatible endpoint."""

    def __init__(self, base_url: str, name: str, *, api_key: str = "", timeout_s: float = 120.0) -> None:
        """Ask `name` at a URL up to and without `/chat/completions`."""
        headers = {"authorization": f"Bearer {api_key}"} if api_key else {}
        self._client = httpx.Client(base_url=base_url, headers=headers, timeout=timeout_s, trust_env=False)
        self.name = name

    def ask(self, instructions: str, material: str, *, max_tokens: int) -> Reply:
        """Return its answer."""
        messages = [{"role": "system", "content": instructions}, {"role": "user", "content": material}]
        body = {"model": self.name, "messages": messages, "max_tokens": max_tokens, "temperature": 0}
        why = ""
        for attempt in range(_ATTEMPTS):
            began = time.perf_counter()
            try:
                response = self._client.post("/chat/completions", json=body)
            except httpx.HTTPError as error:
                why = type(error).__name__
            else:
                if response.is_success:
                    return _reply(self.name, response.content, time.perf_counter() - began)
                why = f"status {response.status_code}"
                if response.status_code not in _TRANSIENT:
                    break
            if attempt < _ATTEMPTS - 1:
                time.sleep(_BACKOFF_S * 2**attempt)
        raise ModelError(f"model {self.name}: the endpoint does not answer: {why}")


def _reply(name: str, content: bytes, seconds: float) -> Reply:
    if len(content) > _MOST_ANSWER_BYTES:
        raise ModelError(f"model {name}: the endpoint's answer is too long")
    try:
        found: dict[str, Any] = json.loads(content)
        usage = found.get("usage") or {}
        text = found["choices"][0]["message"]["content"] or ""
        return Reply(str(text), int(usage.get("prompt_tokens", 0)), int(usage.get("completion_tokens", 0)), seconds)
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError) as error:
        raise ModelError(f"model {name}: the endpoint answers in another way: {error}") from error
