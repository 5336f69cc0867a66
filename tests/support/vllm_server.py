"""A server that speaks vLLM's protocol over loopback, as its OpenAI-compatible server documents it (v0.10 to v0.12).

It holds a real model: prompts as text, messages or tokens; streams of server-sent events in chunked encoding over kept
connections; usage in every event where asked; LoRA adapters loaded from folders in peft's format while it runs; prefix
caching by blocks of 16 tokens whose hashes are chained and salted by `cache_salt`; errors in its own shape.
"""

from __future__ import annotations

import asyncio
import copy
import hashlib
import json
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from peft import PeftModel

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_BLOCK = 16
_HEAD = "HTTP/1.1 {} X\r\ncontent-type: {}\r\n{}\r\n"


class VllmServer:
    """One model. `asked` keeps (path, body) of each request; `fails` maps a path to a status that it answers."""

    def __init__(self, model: Any, tokenizer: Any, *, name: str = "base", lora: bool = True, api_key: str = "") -> None:
        """Serve this model under a name."""
        self.name, self.lora_enabled, self._key = name, lora, api_key
        self._models = {name: model}
        self._tokenizer = tokenizer
        self._blocks: set[str] = set()
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.fails: dict[str, int] = {}
        self.hangs = asyncio.Event()
        self.hangs.set()
        self.port, self.gone = 0, asyncio.Event()

    @property
    def base_url(self) -> str:
        """With `/v1`."""
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def adapters(self) -> list[str]:
        """Names of the adapters that are loaded."""
        return [name for name in self._models if name != self.name]

    def restart(self) -> None:
        """Forget what a process that starts anew does not know."""
        self._models = {self.name: self._models[self.name]}
        self._blocks.clear()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection."""
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
                lengths = [line.split(":")[1] for line in head.split("\r\n") if line.startswith("content-length")]
                body = json.loads(await reader.readexactly(int(lengths[0])) or b"{}")
                path = head.split(" ")[1]
                self.asked.append((path, body))
                await self._answer(writer, path, body, allowed=not self._key or f"bearer {self._key}" in head)
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            self.gone.set()
        finally:
            writer.close()

    async def _answer(self, writer: asyncio.StreamWriter, path: str, body: dict[str, Any], *, allowed: bool) -> None:
        if not allowed:
            _error(writer, 401, "Unauthorized", "Unauthorized")
        elif path in self.fails:
            _error(writer, self.fails[path], "InternalServerError", "as the test asks")
        elif path == "/v1/load_lora_adapter" and self.lora_enabled:
            self._load(writer, body)
        elif path == "/v1/unload_lora_adapter" and self.lora_enabled:
            if self._models.pop(body["lora_name"], None) is None:
                _error(writer, 404, "NotFoundError", f"The lora adapter '{body['lora_name']}' cannot be found.")
            else:
                _text(writer, f"Success: LoRA adapter '{body['lora_name']}' removed successfully.")
        elif path in {"/v1/completions", "/v1/chat/completions"}:
            await self._complete(writer, body, chat="chat" in path)
        else:
            _error(writer, 404, "NotFoundError", "Not Found")

    def _load(self, writer: asyncio.StreamWriter, body: dict[str, Any]) -> None:
        name, folder = body["lora_name"], Path(body["lora_path"])
        if name in self._models:
            message = f"The lora adapter '{name}' has already been loaded."
            _error(writer, 400, "InvalidUserInput", message)
        elif not (folder / "adapter_config.json").is_file():
            _error(writer, 404, "NotFoundError", f"Loading lora {name} failed: No adapter found for {folder}")
        else:
            base = copy.deepcopy(self._models[self.name])
            self._models[name] = PeftModel.from_pretrained(base, str(folder)).eval()
            _text(writer, f"Success: LoRA adapter '{name}' added successfully.")

    async def _complete(self, writer: asyncio.StreamWriter, body: dict[str, Any], *, chat: bool) -> None:
        if body["model"] not in self._models:
            _error(writer, 404, "NotFoundError", f"The model `{body['model']}` does not exist.")
            return
        if body.get("cache_salt") == "":
            _error(writer, 400, "BadRequestError", "Parameter 'cache_salt' must be a non-empty string if provided.")
            return
        ids = self._ids(body, chat=chat)
        writer.write(_HEAD.format(200, "text/event-stream", "transfer-encoding: chunked\r\n").encode())
        await writer.drain()
        await self.hangs.wait()
        cached = self._cached(ids, body["model"], body.get("cache_salt", ""))
        written = await asyncio.to_thread(self._write, body, ids)
        usage = {"prompt_tokens": len(ids), "prompt_tokens_details": {"cached_tokens": cached}}
        options = body.get("stream_options", {})
        for place, token in enumerate(written):
            text = self._tokenizer.decode([token], skip_special_tokens=True)
            ended = token == self._tokenizer.eos_token_id
            last = place == len(written) - 1
            choice: dict[str, Any] = {"index": 0, "finish_reason": None, "stop_reason": None}
            choice |= {"delta": {"content": text}} if chat else {"text": text, "logprobs": None}
            if last:
                choice["finish_reason"] = "stop" if ended else "length"
            if body.get("return_token_ids"):
                choice["token_ids"] = [token]
            event = {"id": "cmpl-1", "object": "text_completion", "created": 1, "model": body["model"]}
            if options.get("continuous_usage_stats"):
                event["usage"] = {**usage, "completion_tokens": place + 1, "prompt_tokens_details": None}
            await _chunk(writer, {**event, "choices": [choice]})
        if options.get("include_usage"):
            await _chunk(writer, {"choices": [], "usage": {**usage, "completion_tokens": len(written)}})
        await _chunk(writer, "[DONE]")
        writer.write(b"0\r\n\r\n")

    def _ids(self, body: dict[str, Any], *, chat: bool) -> list[int]:
        if chat:
            text = self._tokenizer.apply_chat_template(body["messages"], tokenize=False, add_generation_prompt=True)
            return list(self._tokenizer(text, add_special_tokens=False)["input_ids"])
        prompt = body["prompt"]
        return list(prompt) if isinstance(prompt, list) else list(self._tokenizer(prompt)["input_ids"])

    def _cached(self, ids: list[int], model: str, salt: str) -> int:
        """Return how many tokens of a prompt are cached, and keep all of its full blocks."""
        parent, found, hit = f"{model}\n{salt}", 0, True
        for start in range(0, len(ids) - _BLOCK, _BLOCK):
            parent = hashlib.sha256(f"{parent}{ids[start : start + _BLOCK]}".encode()).hexdigest()
            hit = hit and parent in self._blocks
            found += _BLOCK * hit
            self._blocks.add(parent)
        return found

    def _write(self, body: dict[str, Any], ids: list[int]) -> list[int]:
        model = self._models[body["model"]]
        with torch.inference_mode():
            found = model.generate(
                input_ids=torch.tensor([ids]), max_new_tokens=body["max_tokens"], do_sample=False, pad_token_id=0
            )
        return [int(token) for token in found[0, len(ids) :]]


@asynccontextmanager
async def vllm_server(server: VllmServer) -> AsyncIterator[VllmServer]:
    """Serve for the block."""
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    server.port = listening.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listening.close()


def _error(writer: asyncio.StreamWriter, status: int, kind: str, message: str) -> None:
    error = {"error": {"message": message, "type": kind, "param": None, "code": status}}
    _text(writer, json.dumps(error), status=status, kind="application/json")


def _text(writer: asyncio.StreamWriter, text: str, *, status: int = 200, kind: str = "text/plain") -> None:
    writer.write(_HEAD.format(status, kind, f"content-length: {len(text.encode())}\r\n").encode() + text.encode())


async def _chunk(writer: asyncio.StreamWriter, event: dict[str, Any] | str) -> None:
    data = f"data: {event if isinstance(event, str) else json.dumps(event)}\n\n".encode()
    writer.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
    await writer.drain()
