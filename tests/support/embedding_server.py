"""A server that speaks the protocol of OpenAI's embeddings over loopback: words are features, failures as the test says."""

from __future__ import annotations

import json
import re
import threading
import zlib
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

AWAY, HANG, DRIP, ENDLESS = "away", "hang", "drip", "endless"


@dataclass
class EmbeddingServer:
    """What was asked, and how to answer."""

    dimensions: int = 32
    key: str = ""
    # Characters beyond which a text is refused, and how.
    window: int = 0
    too_long: tuple[int, bytes] = (400, b'{"error": {"message": "input is too long"}}')
    # A way to fail, an error status, or what is sent as the answer.
    instead: str | int | bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)
    port: int = 0
    asked: list[dict[str, Any]] = field(default_factory=list)
    arrived: threading.Event = field(default_factory=threading.Event)
    ended: threading.Event = field(default_factory=threading.Event)

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def texts(self) -> list[str]:
        """All texts that were sent, in order."""
        return [text for body in self.asked for text in body["input"]]

    def remote(self, name: str, **more: Any) -> dict[str, Any]:
        """Return the setting `MEMPORIUM_INFERENCE_REMOTE_EMBEDDERS` that names this server."""
        known = {"base_url": self.base_url, "model": "scripted", "dimensions": self.dimensions, "timeout_s": 250}
        return {name: {**known, **more}}

    def vector(self, text: str) -> list[float]:
        """Return twice the length that it should have."""
        found = [0.0] * self.dimensions
        for word in re.findall(r"\w+", text.lower()):
            found[zlib.crc32(word.encode()) % self.dimensions] += 2.0
        return found

    def answer(self, texts: list[str]) -> bytes:
        """Return the vectors, last text first: their places are told by `index` alone."""
        items = [
            {"object": "embedding", "index": place, "embedding": self.vector(text)} for place, text in enumerate(texts)
        ]
        usage = {"prompt_tokens": 7, "total_tokens": 7}
        return json.dumps({"object": "list", "model": "scripted", "data": items[::-1], "usage": usage}).encode()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Any

    def do_POST(self) -> None:
        told: EmbeddingServer = self.server.told
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        told.asked.append(body)
        told.arrived.set()
        try:
            self._answer(told, body)
        except ConnectionError:
            self.close_connection = True

    def _answer(self, told: EmbeddingServer, body: dict[str, Any]) -> None:
        if self.path != "/v1/embeddings" or body["encoding_format"] != "float":
            self._send(404, b"{}")
        elif told.key and self.headers.get("authorization") != f"Bearer {told.key}":
            self._send(401, f'{{"error": "wrong key {told.key}"}}'.encode())
        elif told.instead in {AWAY, HANG}:
            if told.instead == HANG:
                told.ended.wait()
            self.close_connection = True
        elif told.instead in {DRIP, ENDLESS}:
            self._stream(told, b" " if told.instead == DRIP else b" " * 65_536)
        elif isinstance(told.instead, int):
            self._send(told.instead, b'{"error": {"message": "no"}}', **told.headers)
        elif isinstance(told.instead, bytes):
            self._send(200, told.instead)
        elif told.window and any(len(text) > told.window for text in body["input"]):
            self._send(*told.too_long)
        else:
            self._send(200, told.answer(body["input"]))

    def _send(self, status: int, data: bytes, **headers: str) -> None:
        self.send_response(status)
        self.send_header("content-length", str(len(data)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(data)

    def _stream(self, told: EmbeddingServer, piece: bytes) -> None:
        self.close_connection = True
        self.send_response(200)
        self.end_headers()
        while not told.ended.wait(0.02 if len(piece) == 1 else 0):
            self.wfile.write(piece)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@contextmanager
def embedding_server(**options: Any) -> Iterator[EmbeddingServer]:
    """Serve for the block."""
    told = EmbeddingServer(**options)
    server: Any = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads, server.block_on_close, server.told = True, False, told
    told.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield told
    finally:
        told.ended.set()
        server.shutdown()
        server.server_close()
        thread.join()
