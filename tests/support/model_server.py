"""A server that speaks the protocol of OpenAI's chat completions over loopback, and answers as the test says.

An answer is text, which is streamed in pieces as real servers do, or one of the ways to fail below.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

HANG, DRIP, GARBAGE, CUT, ENDLESS_LINE, ENDLESS_TEXT = "\0hang", "\0drip", "\0garbage", "\0cut", "\0line", "\0text"
_PIECE = 24
_HEAD = "HTTP/1.1 {} X\r\ncontent-type: {}\r\nconnection: close\r\n\r\n"


@dataclass
class ModelServer:
    """What was asked, and how to answer: `answer` gets the request's body; an int is an error status."""

    answer: Callable[[dict[str, Any]], str | int]
    port: int = 0
    asked: list[dict[str, Any]] = field(default_factory=list)
    sent_bytes: int = 0

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def remote(self, name: str, **more: Any) -> dict[str, Any]:
        """Return the setting `MEMPORIUM_INFERENCE_REMOTE_MODELS` that names this server."""
        return {name: {"base_url": self.base_url, "model": "scripted", "timeout_s": 30, **more}}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._serve(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        lengths = [line.split(":")[1] for line in head.lower().split("\r\n") if line.startswith("content-length")]
        body = json.loads(await reader.readexactly(int(lengths[0])))
        self.asked.append(body)
        answer = self.answer(body)
        if isinstance(answer, int):
            writer.write(_HEAD.format(answer, "application/json").encode() + b'{"error": {"message": "no"}}')
            await writer.drain()
            return
        if answer == HANG and not body.get("stream"):
            await asyncio.sleep(600)
        if not body.get("stream"):
            whole = {
                "choices": [{"index": 0, "message": {"role": "assistant", "content": answer}, "finish_reason": "stop"}]
            }
            whole["usage"] = {"prompt_tokens": 11, "completion_tokens": max(1, len(answer) // 4)}
            writer.write(_HEAD.format(200, "application/json").encode() + json.dumps(whole).encode())
            await writer.drain()
            return
        writer.write(_HEAD.format(200, "text/event-stream").encode())
        await self._stream(writer, answer)

    async def _stream(self, writer: asyncio.StreamWriter, answer: str) -> None:
        if answer == HANG:
            await writer.drain()
            await asyncio.sleep(600)
        elif answer == DRIP:
            while True:
                await self._delta(writer, " ")
                await asyncio.sleep(0.02)
        elif answer == GARBAGE:
            writer.write(b"data: {not json\n\ndata: \xff\xfe\n\n")
            await writer.drain()
        elif answer == CUT:
            await self._delta(writer, '{"episode": "half')
        elif answer == ENDLESS_LINE:
            writer.write(b"data: ")
            while self.sent_bytes < 64 << 20:
                await self._send(writer, b"x" * 65_536)
        elif answer == ENDLESS_TEXT:
            while self.sent_bytes < 64 << 20:
                await self._delta(writer, "blah " * 2_000)
        else:
            for start in range(0, len(answer), _PIECE):
                await self._delta(writer, answer[start : start + _PIECE])
            last = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
            usage = {"choices": [], "usage": {"prompt_tokens": 11, "completion_tokens": max(1, len(answer) // 4)}}
            for event in (last, usage):
                await self._send(writer, f"data: {json.dumps(event)}\n\n".encode())
            await self._send(writer, b"data: [DONE]\n\n")

    async def _delta(self, writer: asyncio.StreamWriter, text: str) -> None:
        event = {"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": None}]}
        await self._send(writer, f"data: {json.dumps(event)}\n\n".encode())

    async def _send(self, writer: asyncio.StreamWriter, data: bytes) -> None:
        writer.write(data)
        self.sent_bytes += len(data)
        await writer.drain()


@asynccontextmanager
async def model_server(answer: Callable[[dict[str, Any]], str | int]) -> AsyncIterator[ModelServer]:
    """Serve for the block."""
    found = ModelServer(answer)
    server = await asyncio.start_server(found.serve, "127.0.0.1", 0)
    found.port = server.sockets[0].getsockname()[1]
    try:
        yield found
    finally:
        server.close()
