"""Models that answer and judge: of the platform, or behind an OpenAI-compatible endpoint.

What a model thinks aloud before its answer (`<think>`) is no part of it. Endpoints differ in what they take: one that
wants `max_completion_tokens`, or no `temperature`, gets that from then on.
"""

from __future__ import annotations

import json
import re
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
# This request is refused, for what is in it or for its length; another may not be.
_REFUSED = frozenset({400, 413, 422})
_REFUSED_CODES = frozenset({"INVALID_ARGUMENT", "FAILED_PRECONDITION", "OUT_OF_RANGE"})
_MOST_ANSWER_BYTES = 1 << 22
_THOUGHT = re.compile(r"^\s*<think>.*?(?:</think>|\Z)", re.DOTALL)


class ModelError(Exception):
    """A model that gives no answer; the run stops and can be continued."""


class RefusedError(ModelError):
    """A model that refuses one request; the others can be asked."""


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
                if error.code in _REFUSED_CODES:
                    raise RefusedError(f"model {self.name or 'of the platform'}: {error}") from error
                if error.code not in _TRANSIENT_CODES or attempt == _ATTEMPTS - 1:
                    raise ModelError(f"model {self.name or 'of the platform'}: {error}") from error
                time.sleep(error.retry_after_s or _BACKOFF_S * 2**attempt)
            else:
                return Reply(_answer(text), usage.prompt_tokens, usage.completion_tokens, time.perf_counter() - began)
        raise AssertionError


class EndpointModel:
    """A model behind an OpenAI-compatible endpoint."""

    def __init__(self, base_url: str, name: str, *, api_key: str = "", timeout_s: float = 120.0) -> None:
        """Ask `name` at a URL up to and without `/chat/completions`.

        Raises:
            ValueError: It is no URL.
        """
        headers = {"authorization": f"Bearer {api_key}"} if api_key else {}
        try:
            url = httpx.URL(base_url)
        except httpx.InvalidURL as error:
            raise ValueError(str(error)) from error
        if url.scheme not in {"http", "https"} or not url.host:
            raise ValueError("must begin with http:// or https:// and name a host")
        self._client = httpx.Client(base_url=url, headers=headers, timeout=timeout_s, trust_env=False)
        self.name = name
        self._limit_name, self._extra = "max_tokens", {"temperature": 0}

    def ask(self, instructions: str, material: str, *, max_tokens: int) -> Reply:
        """Return its answer."""
        messages = [{"role": "system", "content": instructions}, {"role": "user", "content": material}]
        why = ""
        for attempt in range(_ATTEMPTS):
            began = time.perf_counter()
            body = {"model": self.name, "messages": messages, self._limit_name: max_tokens, **self._extra}
            try:
                response = self._client.post("/chat/completions", json=body)
            except httpx.HTTPError as error:
                why = type(error).__name__
            else:
                if response.is_success:
                    return _reply(self.name, response.content, time.perf_counter() - began)
                why = f"status {response.status_code}"
                if response.status_code in _REFUSED:
                    if self._learnt(body, response.text):
                        continue
                    raise RefusedError(f"model {self.name}: the endpoint refuses: {why}")
                if response.status_code not in _TRANSIENT:
                    break
            if attempt < _ATTEMPTS - 1:
                time.sleep(_BACKOFF_S * 2**attempt)
        raise ModelError(f"model {self.name}: the endpoint does not answer: {why}")

    def _learnt(self, body: dict[str, Any], told: str) -> bool:
        """Say whether what an endpoint told of a body's fields lets it be asked in another way."""
        if "max_tokens" in body and "max_completion_tokens" in told:
            self._limit_name = "max_completion_tokens"
        elif "temperature" in body and "temperature" in told:
            self._extra = {}
        else:
            return False
        return True


def _reply(name: str, content: bytes, seconds: float) -> Reply:
    if len(content) > _MOST_ANSWER_BYTES:
        raise ModelError(f"model {name}: the endpoint's answer is too long")
    try:
        found: dict[str, Any] = json.loads(content)
        usage = found.get("usage") or {}
        text = found["choices"][0]["message"]["content"] or ""
        if isinstance(text, list):
            text = "".join(str(part.get("text") or "") for part in text)
        read, written = (int(usage.get(name) or 0) for name in ("prompt_tokens", "completion_tokens"))
        return Reply(_answer(str(text)), read, written, seconds)
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError) as error:
        raise ModelError(f"model {name}: the endpoint answers in another way: {error}") from error


def _answer(text: str) -> str:
    """Return an answer without what was thought aloud before it."""
    return _THOUGHT.sub("", text, count=1)
