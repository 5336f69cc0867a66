"""A server that speaks vLLM's protocol over loopback, as its OpenAI-compatible server does (0.10 to 0.12; mid 2026).

It holds a real model: prompts as text, messages or tokens; streams of server-sent events in chunked encoding over kept
connections; usage in every event where asked; stop texts; LoRA adapters loaded from folders in peft's format while it
runs; prefix caching by blocks of 16 tokens whose hashes are chained and salted by `cache_salt`; errors in its own
shape, also in the middle of a stream; `/version`, `/health` and `/v1/models`.
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

from support import vllm_stream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_BLOCK = 16


class VllmServer:
    """One model. `asked` keeps (path, body) of each POST; `fails` maps a path to a status that it answers."""

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        *,
        name: str = "base",
        lora: bool = True,
        api_key: str = "",
        version: str | None = "0.26.0",
        max_model_len: int = 1_000_000,
    ) -> None:
        """Serve this model under a name; without `version`, `/version` is hidden as a proxy would."""
        self.name, self.lora_enabled, self._key = name, lora, api_key
        self.version, self._longest = version, max_model_len
        self._models = {name: model}
        self._tokenizer = tokenizer
        # What the model's own `generation_config.json` says, for requests that say nothing.
        self.generation_config: dict[str, Any] = {}
        self._blocks: set[str] = set()
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.fails: dict[str, int] = {}
        self.breaks_after: int | None = None
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
                body = json.loads(await reader.readexactly(int(lengths[0] if lengths else 0)) or b"{}")
                method, path = head.split(" ")[:2]
                allowed = not self._key or not path.startswith("/v1") or f"bearer {self._key}" in head
                if not allowed:
                    vllm_stream.text(writer, '{"error":"Unauthorized"}', status=401, kind="application/json")
                elif method == "get":
                    self._told(writer, path)
                else:
                    self.asked.append((path, body))
                    await self._answer(writer, path, body)
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            self.gone.set()
        finally:
            writer.close()

    def _told(self, writer: asyncio.StreamWriter, path: str) -> None:
        if path == "/health":
            vllm_stream.text(writer, "")
        elif path == "/version" and self.version is not None:
            vllm_stream.text(writer, json.dumps({"version": self.version}), kind="application/json")
        elif path == "/v1/models":
            cards = [{"id": name, "object": "model", "owned_by": "vllm"} for name in self._models]
            cards = [card | ({} if card["id"] == self.name else {"parent": self.name}) for card in cards]
            vllm_stream.text(writer, json.dumps({"object": "list", "data": cards}), kind="application/json")
        else:
            vllm_stream.error(writer, 404, "Not Found", "Not Found")

    async def _answer(self, writer: asyncio.StreamWriter, path: str, body: dict[str, Any]) -> None:
        if path in self.fails:
            vllm_stream.error(writer, self.fails[path], "InternalServerError", "as the test asks")
        elif path == "/v1/load_lora_adapter" and self.lora_enabled:
            self._load(writer, body)
        elif path == "/v1/unload_lora_adapter" and self.lora_enabled:
            name = body["lora_name"]
            if self._models.pop(name, None) is None:
                vllm_stream.error(writer, 404, "NotFoundError", f"The lora adapter '{name}' cannot be found.")
            else:
                vllm_stream.text(writer, f"Success: LoRA adapter '{name}' removed successfully.")
        elif path in {"/v1/completions", "/v1/chat/completions"}:
            await self._complete(writer, body)
        else:
            vllm_stream.error(writer, 404, "Not Found", "Not Found")

    def _load(self, writer: asyncio.StreamWriter, body: dict[str, Any]) -> None:
        name, folder = body["lora_name"], Path(body["lora_path"])
        if name in self._models and not body.get("load_inplace"):
            message = (
                f"The lora adapter '{name}' has already been loaded. If you want to load the adapter in place, set "
                "'load_inplace' to True."
            )
            vllm_stream.error(writer, 400, "InvalidUserInput", message)
        elif not (folder / "adapter_config.json").is_file():
            message = f"Loading lora {name} failed: No adapter found for {folder}"
            vllm_stream.error(writer, 404, "NotFoundError", message)
        else:
            base = copy.deepcopy(self._models[self.name])
            self._models[name] = PeftModel.from_pretrained(base, str(folder)).eval()
            vllm_stream.text(writer, f"Success: LoRA adapter '{name}' added successfully.")

    async def _complete(self, writer: asyncio.StreamWriter, body: dict[str, Any]) -> None:
        if body["model"] not in self._models:
            vllm_stream.error(writer, 404, "NotFoundError", f"The model `{body['model']}` does not exist.")
            return
        if body.get("cache_salt") == "":
            message = "Parameter 'cache_salt' must be a non-empty string if provided."
            vllm_stream.error(writer, 400, "BadRequestError", message)
            return
        ids = self._ids(body)
        if len(ids) + body["max_tokens"] > self._longest:
            message = f"This model's maximum context length is {self._longest} tokens."
            vllm_stream.error(writer, 400, "BadRequestError", message)
            return
        vllm_stream.head(writer, 200, "text/event-stream; charset=utf-8", "transfer-encoding: chunked\r\n")
        await writer.drain()
        await self.hangs.wait()
        cached = self._cached(ids, body["model"], body.get("cache_salt", ""))
        written = await asyncio.to_thread(self._write, body, ids)
        await vllm_stream.write_stream(
            writer,
            body,
            self._tokenizer,
            prompt=ids,
            written=written,
            cached=cached,
            breaks_after=self.breaks_after,
        )
        vllm_stream.end(writer)

    def _ids(self, body: dict[str, Any]) -> list[int]:
        if "messages" in body:
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
        penalty = body.get("repetition_penalty", self.generation_config.get("repetition_penalty", 1.0))
        with torch.inference_mode():
            found = model.generate(
                input_ids=torch.tensor([ids]),
                max_new_tokens=body["max_tokens"],
                do_sample=False,
                pad_token_id=0,
                repetition_penalty=float(penalty),
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
