"""The adapter of OpenAI-compatible endpoints against a small server that speaks their protocol."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager

import pytest

from memporium_platform.errors import PlatformError, Reason
from memporium_services.inference.adapters.generators.openai_compatible import OpenAiCompatibleGenerator
from memporium_services.inference.domain.values import (
    AdapterBlob,
    Ended,
    Finish,
    GenerationTask,
    KvBlob,
    Sampling,
    Speaker,
    TextMemory,
    TextPiece,
    Turn,
)

WORDS = ["The ", "sky ", "is ", "blue", "."]


class Endpoint:
    """Server-sent events as vLLM sends them: deltas, a finish reason, usage in a last event, `[DONE]`."""

    def __init__(self, *, status=200, garbage=False, key=""):
        self.status, self.garbage, self.key = status, garbage, key
        self.requests, self.gone = [], asyncio.Event()

    async def answer(self, reader, writer):
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = next(
            int(line.split(":")[1]) for line in head.lower().split("\r\n") if line.startswith("content-length")
        )
        body = json.loads(await reader.readexactly(length))
        self.requests.append((head.split(" ")[1], body))
        status = 401 if self.key and f"bearer {self.key}" not in head.lower() else self.status
        writer.write(f"HTTP/1.1 {status} X\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n".encode())
        if status == 200:
            await self._stream(writer, chat="messages" in body, words=WORDS[: body["max_tokens"]])
        writer.close()

    async def _stream(self, writer, *, chat, words):
        for word in words:
            choice = {"index": 0, "finish_reason": None}
            choice |= {"delta": {"content": word}} if chat else {"text": word}
            await self._send(writer, {"choices": [choice]})
        reason = "stop" if len(words) == len(WORDS) else "length"
        last = {"index": 0, "finish_reason": reason} | ({"delta": {}} if chat else {"text": ""})
        await self._send(writer, {"choices": [last]})
        await self._send(writer, {"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": len(words)}})
        writer.write(b"data: [DONE]\n\n")

    async def _send(self, writer, event):
        writer.write(b"data: {broken\n\n" if self.garbage else f"data: {json.dumps(event)}\n\n".encode())
        await writer.drain()


@asynccontextmanager
async def serving(**options):
    key = options.pop("api_key", "")
    endpoint = Endpoint(**options)
    server = await asyncio.start_server(endpoint.answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    generator = OpenAiCompatibleGenerator("remote", base_url=f"http://127.0.0.1:{port}/v1", model="m", api_key=key)
    try:
        yield endpoint, generator
    finally:
        await generator.close()
        server.close()


async def run(generator, **fields):
    task = GenerationTask(fields.pop("sampling", Sampling(50)), **fields)
    events = [event async for event in generator.generate(task)]
    return "".join(event.text for event in events if isinstance(event, TextPiece)), events[-1]


async def test_a_dialogue_is_streamed_with_memory_as_a_system_message():
    async with serving(key="sesame", api_key="sesame") as (endpoint, generator):
        turns = (Turn(Speaker.USER, "colour?"),)
        text, ended = await run(generator, turns=turns, memories=(TextMemory("blue", "Sky"),))
    assert text == "The sky is blue."
    assert ended == Ended(Finish.END, 7, 5)
    path, body = endpoint.requests[0]
    assert path == "/v1/chat/completions"
    assert [message["role"] for message in body["messages"]] == ["system", "user"]
    assert '<memory source="Sky">\nblue' in body["messages"][0]["content"]


async def test_a_raw_prompt_goes_to_completions_and_ends_at_its_length():
    async with serving() as (endpoint, generator):
        text, ended = await run(generator, prompt="say", sampling=Sampling(2))
    assert (text, ended.finish) == ("The sky ", Finish.LENGTH)
    assert endpoint.requests[0][0] == "/v1/completions"
    assert endpoint.requests[0][1]["prompt"] == "say"


async def test_stop_texts_are_kept_even_where_the_endpoint_ignores_them():
    async with serving() as (_, generator):
        text, ended = await run(generator, prompt="x", sampling=Sampling(50, stop=("is b",)))
    assert (text, ended.finish) == ("The sky ", Finish.STOP)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"status": 429}, Reason.OVERLOADED),
        ({"status": 404}, Reason.MODEL_UNAVAILABLE),
        ({"key": "sesame"}, Reason.MODEL_UNAVAILABLE),
        ({"status": 400}, Reason.FAILED_PRECONDITION),
        ({"status": 503}, Reason.UNAVAILABLE),
        ({"garbage": True}, Reason.UNAVAILABLE),
    ],
)
async def test_errors_of_the_endpoint_are_told_apart(options, reason):
    async with serving(**options) as (_, generator):
        with pytest.raises(PlatformError) as caught:
            await run(generator, prompt="x")
    assert caught.value.reason is reason


async def test_an_endpoint_that_is_not_there_is_unavailable():
    async with serving() as (_, generator):
        pass
    generator = OpenAiCompatibleGenerator("remote", base_url="http://127.0.0.1:9", model="m")
    with pytest.raises(PlatformError) as caught:
        await run(generator, prompt="x")
    assert caught.value.reason is Reason.UNAVAILABLE
    await generator.close()


@pytest.mark.parametrize("mount", [{"kvs": (KvBlob(bytearray()),)}, {"adapters": (AdapterBlob("k", bytearray()),)}])
async def test_only_text_memory_mounts_on_a_remote_model(mount):
    async with serving() as (endpoint, generator):
        with pytest.raises(PlatformError) as caught:
            await run(generator, prompt="x", **mount)
    assert caught.value.reason is Reason.MODEL_MISMATCH
    assert not endpoint.requests
