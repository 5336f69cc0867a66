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

    def __init__(self, *, status=200, garbage=False, key="", retry_after="", instead=None, reason=""):
        self.status, self.garbage, self.key = status, garbage, key
        # What is sent after two words, in place of the rest; and why the answer ended.
        self.retry_after, self.instead, self.reason = retry_after, instead, reason
        self.requests, self.gone = [], asyncio.Event()
        # Forms of JSON that are not known, and the status that says so.
        self.refuses, self.refusal = frozenset(), 0

    async def answer(self, reader, writer):
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = next(
            int(line.split(":")[1]) for line in head.lower().split("\r\n") if line.startswith("content-length")
        )
        body = json.loads(await reader.readexactly(length))
        self.requests.append((head.split(" ")[1], body))
        status = 401 if self.key and f"bearer {self.key}" not in head.lower() else self.status
        if body.get("response_format", {}).get("type") in self.refuses:
            status = self.refusal
        later = f"retry-after: {self.retry_after}\r\n" if self.retry_after else ""
        head = f"HTTP/1.1 {status} X\r\ncontent-type: text/event-stream\r\n{later}connection: close\r\n\r\n"
        writer.write(head.encode())
        if status == 200:
            await self._stream(writer, chat="messages" in body, words=WORDS[: body["max_tokens"]])
        writer.close()

    async def _stream(self, writer, *, chat, words):
        for place, word in enumerate(words):
            if place == 2 and self.instead is not None:
                writer.write(self.instead)
                return
            choice = {"index": 0, "finish_reason": None}
            choice |= {"delta": {"content": word}} if chat else {"text": word}
            await self._send(writer, {"choices": [choice]})
        reason = self.reason or "stop" if len(words) == len(WORDS) else "length"
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


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        # As vLLM tells a failure after its status line said 200; then without a status, and as a bare text.
        (
            {"instead": b'data: {"error": {"message": "x", "type": "y", "code": 500}}\n\ndata: [DONE]\n\n'},
            "UNAVAILABLE",
        ),
        ({"instead": b'data: {"error": {"message": "x", "code": 400}}\n\ndata: [DONE]\n\n'}, "FAILED_PRECONDITION"),
        ({"instead": b'data: {"error": {"message": "x", "code": 429}}\n\n'}, "OVERLOADED"),
        ({"instead": b'data: {"error": {"message": "x", "code": "oops"}}\n\n'}, "UNAVAILABLE"),
        ({"instead": b'data: {"error": "x"}\n\ndata: [DONE]\n\n'}, "UNAVAILABLE"),
        # The connection ends and nothing said that the answer has.
        ({"instead": b""}, "UNAVAILABLE"),
        ({"reason": "abort"}, "UNAVAILABLE"),
        ({"reason": "error"}, "UNAVAILABLE"),
    ],
)
async def test_half_an_answer_is_not_taken_for_a_whole_one(options, reason):
    async with serving(**options) as (_, generator):
        with pytest.raises(PlatformError) as caught:
            await run(generator, prompt="x")
    assert caught.value.reason is Reason[reason]


async def test_an_answer_may_end_without_a_last_word():
    async with serving(instead=b"data: [DONE]\n\n") as (_, generator):
        assert (await run(generator, prompt="x"))[0] == "The sky "


@pytest.mark.parametrize(
    ("status", "told", "expected"),
    [
        (429, "7", 7.0),
        (429, "99999", 60.0),
        (429, "", 1.0),
        (429, "Fri, 01 Jan", 1.0),
        (503, "3", 3.0),
        (503, "", None),
    ],
)
async def test_a_busy_endpoint_says_when_to_come_again(status, told, expected):
    async with serving(status=status, retry_after=told) as (_, generator):
        with pytest.raises(PlatformError) as caught:
            await run(generator, prompt="x")
    assert caught.value.retry_after_s == expected


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


SCHEMA = json.dumps({"type": "object", "properties": {"sky": {"type": "string"}}})


async def told(endpoint, generator, schema=SCHEMA):
    text, _ = await run(generator, turns=(Turn(Speaker.USER, "colour?"),), sampling=Sampling(50, json_schema=schema))
    return text, [body.get("response_format", {}).get("type") for _path, body in endpoint.requests]


async def test_an_endpoint_is_asked_for_json_by_its_schema():
    async with serving() as (endpoint, generator):
        assert await told(endpoint, generator) == ("The sky is blue.", ["json_schema"])
        form = endpoint.requests[0][1]["response_format"]
        assert form["json_schema"]["schema"] == json.loads(SCHEMA)
        assert (await told(endpoint, generator, ""))[1] == ["json_schema", None]


@pytest.mark.parametrize(
    ("status", "refuses", "asked"),
    [
        (500, {"json_schema"}, ["json_schema", "json_object"]),
        (400, {"json_schema", "json_object"}, ["json_schema", "json_object", None]),
        (422, {"json_schema", "json_object"}, ["json_schema", "json_object", None]),
    ],
)
async def test_a_form_that_an_endpoint_refuses_is_not_tried_again(status, refuses, asked):
    async with serving() as (endpoint, generator):
        endpoint.refuses, endpoint.refusal = refuses, status
        assert await told(endpoint, generator) == ("The sky is blue.", asked)
        assert (await told(endpoint, generator))[1] == [*asked, asked[-1]]


@pytest.mark.parametrize(
    ("status", "reason", "times"),
    [(401, Reason.MODEL_UNAVAILABLE, 1), (503, Reason.UNAVAILABLE, 1), (500, Reason.UNAVAILABLE, 3)],
)
async def test_what_is_no_matter_of_form_is_told_as_it_is(status, reason, times):
    async with serving(status=status) as (endpoint, generator):
        with pytest.raises(PlatformError) as failed:
            await told(endpoint, generator)
        assert (failed.value.reason, len(endpoint.requests)) == (reason, times)
