"""Models behind an OpenAI-compatible endpoint (vLLM, llama.cpp, a vendor): text only.

KV and LoRA memory belong to a model's own weights, which are not here: mounting them is refused.
"""

from __future__ import annotations

import json
import time
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import httpx

from memporium_platform.errors import PlatformError, Reason
from memporium_services.inference.adapters.generators import remote_likelihood
from memporium_services.inference.adapters.generators.json_answers import JsonForms
from memporium_services.inference.domain.prompt import frame
from memporium_services.inference.domain.stream_text import StopWatcher
from memporium_services.inference.domain.values import (
    Ended,
    Finish,
    GenerationEvent,
    GenerationTask,
    Kind,
    ModelInfo,
    PromptRead,
    TextPiece,
)

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Collection, Sequence

    from memporium_services.inference.domain.scoring import ScoreTask, TextScore
    from memporium_services.inference.domain.values import BuiltKv, KvForm, Sampling, TextMemory

_DATA = "data:"
_DONE = "[DONE]"
_LEAST_ERROR, _SERVER_FAILS = 400, 500
_TOO_MANY = 429
_REFUSED = frozenset({401, 403, 404})
# Reasons to end that say that the answer was cut off by the server, and not that it is over.
_CUT_OFF = frozenset({"abort", "error"})
# Seconds to wait where a busy endpoint does not say; the most that one is believed.
_WAIT_S, _LONGEST_WAIT_S = 1.0, 60.0
# Bytes of one event of the stream: more is no answer of a model, and would be held in memory.
_MOST_LINE_BYTES = 1 << 20
# Characters of the longest tokens of real vocabularies; an endpoint that ignores `max_tokens` is cut here.
_TOKEN_CHARACTERS = 128


class OpenAiCompatibleGenerator:
    """Streams `/chat/completions`, or `/completions` for a raw prompt."""

    def __init__(
        self,
        name: str,
        *,
        base_url: str,
        model: str,
        api_key: str = "",
        context_tokens: int = 0,
        timeout_s: float = 120.0,
    ) -> None:
        """Ask this endpoint; `model` is its own name of the model."""
        headers = {"authorization": f"Bearer {api_key}"} if api_key else {}
        self._client = httpx.AsyncClient(base_url=base_url, headers=headers, timeout=timeout_s, trust_env=False)
        self._model = model
        self._json = JsonForms()
        self.info = ModelInfo(
            name=name, kind=Kind.GENERATOR, engine="openai-compatible", context_tokens=context_tokens, loaded=True
        )

    async def load(self) -> None:
        """Do nothing: the endpoint has the model."""

    async def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Refuse: the endpoint's tokenizer is not here."""
        raise self._unavailable(f"counts no tokens for the {len(texts)} texts")

    async def token_ids(self, text: str) -> list[int]:
        """Refuse: the tokenizer is not here."""
        raise self._unavailable(f"has no tokenizer here for the {len(text)} characters")

    async def score(self, tasks: Sequence[ScoreTask], *, isolation: str) -> list[TextScore]:  # noqa: ARG002 - no cache
        """Return how likely each text is, where the endpoint gives prompts back with their probabilities."""
        return await self._scored(
            remote_likelihood.echo_request(tasks), lambda told: remote_likelihood.read_echo(told, tasks)
        )

    async def build_kv(
        self, memories: Sequence[TextMemory], *, form: KvForm, progress: Callable[[int, int], None]
    ) -> BuiltKv:
        """Refuse: the model's weights are not here."""
        progress(0, 0)
        raise self._unavailable(f"cannot encode the {len(memories)} memories as {form.value}")

    async def generate(self, task: GenerationTask) -> AsyncGenerator[GenerationEvent]:
        """Yield PromptRead with the first text, TextPieces, and Ended; closing the iterator drops the connection."""
        if task.kvs or task.adapters:
            raise PlatformError(Reason.MODEL_MISMATCH, f"model {self.info.name} takes memory as text only")
        path, body = self._request(task)
        schema, begun = task.sampling.json_schema, False
        for number, form in self._json.of(schema):
            try:
                async with aclosing(self._stream(path, {**body, **form}, task.sampling)) as events:
                    async for event in events:
                        if not begun:
                            self._json.took(number, schema)
                        begun = True
                        yield event
            except PlatformError as err:
                if begun or not self._json.may_try(number, schema, err):
                    raise
            else:
                return

    async def _stream(self, path: str, body: dict[str, Any], sampling: Sampling) -> AsyncGenerator[GenerationEvent]:
        """Ask, and yield PromptRead with the first text, TextPieces, and Ended."""
        stop = StopWatcher(sampling.stop)
        began, state = time.perf_counter(), _Usage()
        try:
            async with self._client.stream("POST", path, json=body) as response:
                await self._check(response)
                async for line in _lines(response):
                    text, tokens = state.take(line)
                    self._held_against(state)
                    if (text or tokens) and not state.begun:
                        state.begun = True
                        yield PromptRead(state.prompt_tokens, state.cached_tokens, time.perf_counter() - began)
                    shown = stop.push(text) if text else ""
                    if shown or tokens:
                        yield TextPiece(shown, tokens)
                    if state.over(stopped=stop.hit, most_tokens=sampling.max_tokens):
                        break
            self._held_against(state, over=True)
        except httpx.HTTPError as err:
            raise PlatformError(Reason.UNAVAILABLE, f"the endpoint of {self.info.name} does not answer") from err
        except (ValueError, KeyError, TypeError, IndexError, AttributeError) as err:
            raise PlatformError(Reason.UNAVAILABLE, f"the endpoint of {self.info.name} answers in another way") from err
        if not state.begun:
            yield PromptRead(state.prompt_tokens, state.cached_tokens, time.perf_counter() - began)
        if rest := stop.flush():
            yield TextPiece(rest)
        yield Ended(state.finish, state.prompt_tokens, state.completion_tokens or state.pieces, state.cached_tokens)

    def drop_adapters(self, _keys: Collection[str]) -> None:
        """Do nothing: there are no adapters."""

    async def _scored(self, body: dict[str, Any], read: Callable[[Any], list[TextScore]]) -> list[TextScore]:
        """Ask for probabilities of a prompt, and read them.

        Raises:
            PlatformError: MODEL_UNAVAILABLE where the endpoint gives none; what `_check` raises.
        """
        try:
            response = await self._client.post("/completions", json={"model": self._model, **body})
            await self._check(response)
            return read(response.json())
        except httpx.HTTPError as err:
            raise PlatformError(Reason.UNAVAILABLE, f"the endpoint of {self.info.name} does not answer") from err
        except (ValueError, KeyError, TypeError, IndexError, AttributeError) as err:
            raise self._unavailable("has an endpoint that gives no log-probabilities of a prompt") from err

    def drop_agreement(self, _agreement: str) -> None:
        """Forget nothing: no adapter is held here."""

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    def _request(self, task: GenerationTask) -> tuple[str, dict[str, Any]]:
        memory, sampling = frame(task.memories), task.sampling
        body: dict[str, Any] = {
            "model": self._model,
            "stream": True,
            "stream_options": {"include_usage": True},
            "max_tokens": sampling.max_tokens,
            "temperature": sampling.temperature,
            "seed": sampling.seed,
        }
        if 0 < sampling.top_p < 1:
            body["top_p"] = sampling.top_p
        if sampling.stop:
            # Four are the protocol's limit; all of them are watched for here as well.
            body["stop"] = list(sampling.stop[:4])
        if not task.turns:
            return "/completions", {**body, "prompt": f"{memory}\n\n{task.prompt}" if memory else task.prompt}
        messages = [{"role": turn.speaker.value, "content": turn.content} for turn in task.turns]
        if memory:
            messages.insert(0, {"role": "system", "content": memory})
        return "/chat/completions", {**body, "messages": messages}

    async def _check(self, response: httpx.Response) -> None:
        """Raise what an error status means."""
        if response.is_success:
            return
        raise self._failure(response.status_code, retry_after_s=_retry_after_s(response))

    def _held_against(self, told: _Usage, *, over: bool = False) -> None:
        """Raise where a stream told of a failure, or ended and never said that the answer has."""
        if told.failed:
            raise self._failure(told.failed)
        if over and not told.ended:
            raise PlatformError(Reason.UNAVAILABLE, f"the endpoint of {self.info.name} broke off its answer")

    def _failure(self, status: int, *, retry_after_s: float = 0.0) -> PlatformError:
        """Return what an error status means, of an answer or told in the middle of a stream."""
        if status == _TOO_MANY:
            return PlatformError(
                Reason.OVERLOADED, f"the endpoint of {self.info.name} is busy", retry_after_s=retry_after_s or _WAIT_S
            )
        if status in _REFUSED:
            return self._unavailable(f"is refused by its endpoint with status {status}")
        if status < _SERVER_FAILS:
            return PlatformError(
                Reason.FAILED_PRECONDITION,
                f"the endpoint of {self.info.name} refuses the request with status {status}",
                metadata={"resource": self.info.name, "state": str(status)},
            )
        return PlatformError(
            Reason.UNAVAILABLE,
            f"the endpoint of {self.info.name} fails",
            metadata={"state": str(status)},
            retry_after_s=retry_after_s or None,
        )

    def _unavailable(self, why: str) -> PlatformError:
        return PlatformError(
            Reason.MODEL_UNAVAILABLE, f"model {self.info.name} {why}", metadata={"model": self.info.name}
        )


class _Usage:
    """What the stream has told so far."""

    def __init__(self) -> None:
        self.begun = False
        self.prompt_tokens = 0
        self.completion_tokens = 0
        self.cached_tokens = 0
        self.pieces = 0
        self.characters = 0
        self.finish = Finish.END
        self.ended = False
        self.failed = 0

    def over(self, *, stopped: bool, most_tokens: int) -> bool:
        """Say whether the stream need not be read further: a stop text came, or more than any such answer has."""
        if stopped:
            self.finish = Finish.STOP
        elif self.characters > _TOKEN_CHARACTERS * most_tokens:
            self.finish = Finish.LENGTH
        else:
            return False
        self.ended = True
        return True

    def take(self, line: str) -> tuple[str, tuple[int, ...]]:
        """Read one line of the stream; return its text, and its tokens where the endpoint tells them."""
        if not line.startswith(_DATA):
            return "", ()
        if line.removeprefix(_DATA).strip() == _DONE:
            self.ended = True
            return "", ()
        event = json.loads(line.removeprefix(_DATA))
        if error := event.get("error"):
            # The status line said 200 before this was known.
            code = error.get("code") if isinstance(error, dict) else None
            self.failed = code if isinstance(code, int) and code >= _LEAST_ERROR else _SERVER_FAILS
            return "", ()
        if usage := event.get("usage"):
            self.prompt_tokens = int(usage.get("prompt_tokens", 0))
            self.completion_tokens = int(usage.get("completion_tokens", 0))
            self.cached_tokens = int((usage.get("prompt_tokens_details") or {}).get("cached_tokens") or 0)
        if not event.get("choices"):
            return "", ()
        choice = event["choices"][0]
        self._end(choice.get("finish_reason"), choice.get("stop_reason"))
        text = choice.get("text") or choice.get("delta", {}).get("content") or ""
        self.pieces += bool(text)
        self.characters += len(text)
        return str(text), tuple(int(token) for token in choice.get("token_ids") or ())

    def _end(self, reason: object, stopped_at: object) -> None:
        self.ended = self.ended or bool(reason)
        if reason in _CUT_OFF:
            self.failed = _SERVER_FAILS
        elif reason == "length":
            self.finish = Finish.LENGTH
        elif reason == "stop" and isinstance(stopped_at, str):
            # vLLM names the text that it stopped at, and sends nothing of it.
            self.finish = Finish.STOP


async def _lines(response: httpx.Response) -> AsyncGenerator[str]:
    """Yield the lines of a stream.

    Raises:
        ValueError: A line is longer than any event.
    """
    rest = b""
    async for block in response.aiter_bytes():
        *whole, rest = (rest + block).split(b"\n")
        for line in whole:
            yield line.decode("utf-8", errors="replace").rstrip("\r")
        if len(rest) > _MOST_LINE_BYTES:
            raise ValueError("a line without end")
    if rest:
        yield rest.decode("utf-8", errors="replace")


def _retry_after_s(response: httpx.Response) -> float:
    """Return how long an endpoint asks to wait; 0: it does not say so in seconds."""
    told = response.headers.get("retry-after", "")
    return min(float(told), _LONGEST_WAIT_S) if told.isascii() and told.isdigit() else 0.0
