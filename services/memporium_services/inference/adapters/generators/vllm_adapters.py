"""LoRA memory on a vLLM server: written where it reads, loaded over its API, unloaded when its agreement ends.

Every organisation's adapters have names of their own, which nobody else is told. What an adapter came under is kept
beside it, so that a process that starts later unloads what ended meanwhile.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import shutil
from collections import OrderedDict
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx
import structlog

from memporium_platform.errors import PlatformError, Reason

if TYPE_CHECKING:
    import mmap
    from collections.abc import AsyncIterator, Collection, Sequence
    from pathlib import Path

    from memporium_services.inference.domain.values import AdapterBlob

_log = structlog.get_logger("memporium.inference")
_PREFIX = "memporium-"
_RECORD = "memporium.json"
_TRIES, _AGAIN_AFTER_S = 3, 1.0
# The server may run as another user of the same group.
_FOLDER_MODE, _FILE_MODE = 0o750, 0o640


@dataclass(slots=True)
class _Loaded:
    agreements: frozenset[str]
    users: int = 0


class VllmAdapters:
    """The adapters of one server."""

    def __init__(
        self, client: httpx.AsyncClient, *, model: str, folder: Path | None, server_folder: str, most: int
    ) -> None:
        """Load over `client`.

        Args:
            client: The server's API.
            model: Its name of the bare model.
            folder: Where adapters are written; None: they cannot be mounted.
            server_folder: The same folder as the server sees it; "": as here.
            most: Adapters that stay loaded; the server's `--max-cpu-loras` must not be less.
        """
        self._client, self._model = client, model
        self._folder, self._most = folder, most
        self._server_folder = server_folder.rstrip("/") or str(folder.resolve() if folder is not None else "")
        self._loaded: OrderedDict[str, _Loaded] = OrderedDict()
        self._lock = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        if folder is not None and folder.is_dir():
            for record in sorted(folder.glob(f"{_PREFIX}*/{_RECORD}")):
                self._loaded[record.parent.name] = _Loaded(frozenset(json.loads(record.read_text())["agreements"]))

    @asynccontextmanager
    async def mounted(self, adapters: Sequence[AdapterBlob], *, again: bool = False) -> AsyncIterator[str]:
        """Hold an adapter loaded for the block; yield the name of the model to ask for.

        Args:
            adapters: None, or one.
            again: Load it whether it was loaded or not: the server may have started anew.

        Raises:
            PlatformError: MODEL_MISMATCH for more than one adapter, or none possible; MODEL_UNAVAILABLE, UNAVAILABLE.
        """
        if not adapters:
            yield self._model
            return
        if self._folder is None:
            raise PlatformError(
                Reason.MODEL_MISMATCH, f"{self._model} mounts no adapters: its setting names no adapters_folder"
            )
        if len(adapters) > 1:
            raise PlatformError(
                Reason.MODEL_MISMATCH, f"{self._model} mounts one adapter a request, not {len(adapters)}: merge them"
            )
        (adapter,) = adapters
        name = _name(adapter.key)
        async with self._lock:
            if again or name not in self._loaded:
                await self._load(name, adapter, self._folder)
            loaded = self._loaded[name]
            self._loaded.move_to_end(name)
            loaded.users += 1
            await self._make_room()
        try:
            yield name
        finally:
            loaded.users -= 1

    def drop_agreement(self, agreement: str) -> None:
        """Unload every adapter that came under an agreement, and delete its files."""
        for name, loaded in list(self._loaded.items()):
            if agreement in loaded.agreements:
                del self._loaded[name]
                self._begin(self._unload(name))

    def drop(self, keys: Collection[str]) -> None:
        """Unload adapters by their keys, and delete their files."""
        for name in map(_name, keys):
            if self._loaded.pop(name, None) is not None:
                self._begin(self._unload(name))

    async def close(self) -> None:
        """Unload what is loaded."""
        for name in list(self._loaded):
            del self._loaded[name]
            self._begin(self._unload(name))
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _load(self, name: str, adapter: AdapterBlob, folder: Path) -> None:
        await asyncio.to_thread(_write, folder / name, adapter, self._model)
        path = f"{self._server_folder}/{name}"
        body = {"lora_name": name, "lora_path": path}
        response = await self._post("/load_lora_adapter", body)
        if response.is_client_error and "already" in response.text:
            # An earlier process, or another one, loaded it from the same folder.
            pass
        elif not response.is_success:
            shutil.rmtree(folder / name, ignore_errors=True)
            raise PlatformError(
                Reason.MODEL_UNAVAILABLE,
                f"the server of {self._model} does not load adapters (status {response.status_code}): it needs "
                "--enable-lora, a --max-lora-rank that suffices, and VLLM_ALLOW_RUNTIME_LORA_UPDATING=True",
                metadata={"model": self._model},
            )
        self._loaded[name] = _Loaded(adapter.agreements)

    async def _make_room(self) -> None:
        idle = [name for name, loaded in self._loaded.items() if not loaded.users]
        for name in idle[: max(0, len(self._loaded) - self._most)]:
            del self._loaded[name]
            await self._unload(name)

    async def _unload(self, name: str) -> None:
        """Take an adapter off the server; whatever the server says, the files go."""
        if self._folder is not None:
            await asyncio.to_thread(shutil.rmtree, self._folder / name, ignore_errors=True)
        for left in reversed(range(_TRIES)):
            try:
                response = await self._post("/unload_lora_adapter", {"lora_name": name})
                if response.is_success or response.is_client_error:
                    return
            except PlatformError:
                # A server that is gone has it no longer.
                pass
            if left:
                await asyncio.sleep(_AGAIN_AFTER_S)
        _log.warning("inference.adapter_not_unloaded", adapter=name, model=self._model)

    async def _post(self, path: str, body: dict[str, Any]) -> httpx.Response:
        try:
            return await self._client.post(path, json=body)
        except httpx.HTTPError as err:
            raise PlatformError(Reason.UNAVAILABLE, f"the server of {self._model} does not answer") from err

    def _begin(self, work: Any) -> None:
        task: asyncio.Task[None] = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _name(key: str) -> str:
    return _PREFIX + hashlib.sha256(key.encode()).hexdigest()[:40]


def _write(folder: Path, adapter: AdapterBlob, model: str) -> None:
    """Write an adapter in peft's format, the whole folder at once."""
    config = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": model,
        "r": adapter.rank,
        "lora_alpha": adapter.alpha,
        "lora_dropout": 0.0,
        "bias": "none",
        "inference_mode": True,
        "target_modules": sorted(adapter.target_modules),
    }
    writing = folder.with_name(f".{folder.name}.new")
    shutil.rmtree(writing, ignore_errors=True)
    writing.mkdir(parents=True, mode=_FOLDER_MODE)
    contents: dict[str, bytes | bytearray | mmap.mmap | memoryview] = {
        "adapter_config.json": json.dumps(config).encode(),
        "adapter_model.safetensors": adapter.data,
        _RECORD: json.dumps({"agreements": sorted(adapter.agreements)}).encode(),
    }
    for name, data in contents.items():
        (writing / name).write_bytes(data)
        (writing / name).chmod(_FILE_MODE)
    shutil.rmtree(folder, ignore_errors=True)
    writing.rename(folder)
