"""Models in the process, by transformers: packaged, from a local folder, or built in code.

All work on a model runs on one thread of its own. torch is imported there, when the model is first used.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING, Generic, TypeVar

from memporium_platform.errors import PlatformError, Reason, invalid
from memporium_services.inference.domain.stream_text import StopWatcher, TokenText
from memporium_services.inference.domain.values import (
    BuiltKv,
    Ended,
    Finish,
    GenerationEvent,
    GenerationTask,
    Kind,
    KvForm,
    ModelInfo,
    PromptRead,
    TextPiece,
)

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Sequence

    from memporium_services.inference.adapters.generators.torch_engine import CausalEngine
    from memporium_services.inference.adapters.generators.torch_loading import LoadedModel
    from memporium_services.inference.domain.values import TextMemory

T = TypeVar("T")
# Events that wait for a slow reader; the model then waits too.
_QUEUE_EVENTS = 64
# How often a cancelled worker is looked after; it ends with its next token.
_CANCEL_POLL_S = 0.01


class CancelledWorkError(Exception):
    """The caller has gone; raised on the model's thread to end its work."""


class TransformersGenerator:
    """A causal language model on a thread of its own."""

    def __init__(self, name: str, load: Callable[[], LoadedModel], *, threads: int = 1) -> None:
        """Load by `load` at first use; `threads` is torch's number of threads (of the whole process)."""
        self._load = load
        self._threads = threads
        self._engine: CausalEngine | None = None
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"model-{name}")
        self.info = ModelInfo(name=name, kind=Kind.GENERATOR, engine="transformers", supports_memory=True)

    async def load(self) -> None:
        """Bring the model into memory; later calls do nothing."""
        if self._engine is None:
            await self._on_worker(self._ready)

    async def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Return the number of tokens of each text."""
        return await self._on_worker(lambda: [self._ready().chat.count(text) for text in texts])

    async def generate(self, task: GenerationTask) -> AsyncGenerator[GenerationEvent]:
        """Yield PromptRead, any number of TextPiece, and Ended; closing the iterator ends the computation."""

        def work(outlet: Outlet[GenerationEvent]) -> None:
            self._generate(task, outlet)

        async with aclosing(self._stream(work)) as events:
            async for event in events:
                yield event

    async def build_kv(
        self,
        memories: Sequence[TextMemory],
        *,
        form: KvForm = KvForm.FLOAT16,
        progress: Callable[[int, int], None],
    ) -> BuiltKv:
        """Encode memories as the beginning of a prompt."""
        result: BuiltKv | None = None

        def work(outlet: Outlet[tuple[int, int] | BuiltKv]) -> None:
            self._build(memories, form, outlet)

        async with aclosing(self._stream(work)) as events:
            async for event in events:
                if isinstance(event, BuiltKv):
                    result = event
                else:
                    progress(*event)
        assert result is not None  # noqa: S101 - the stream ends with it or raises
        return result

    async def close(self) -> None:
        """Release the model, without adapters."""
        if self._engine is not None:
            await self._on_worker(lambda: self._ready().mount_adapters(()))
        await asyncio.to_thread(self._worker.shutdown, cancel_futures=True)
        self._engine = None

    def _ready(self) -> CausalEngine:
        if self._engine is None:
            # Read when the libraries are imported: no progress bars in a server's output, and no threads of the
            # tokenizer that would compete with the other services.
            os.environ.setdefault("TQDM_DISABLE", "1")
            os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
            try:
                import torch

                from memporium_services.inference.adapters.generators.torch_engine import CausalEngine
            except ImportError as err:
                raise PlatformError(
                    Reason.MODEL_UNAVAILABLE,
                    f"model {self.info.name} is unavailable: install memporium[inference]",
                    metadata={"model": self.info.name},
                ) from err
            torch.set_num_threads(self._threads)
            engine = CausalEngine(self._load())
            self.info = replace(
                self.info,
                fingerprint=engine.loaded.fingerprint,
                tokenizer_fingerprint=engine.loaded.tokenizer_fingerprint,
                context_tokens=engine.context_tokens,
                supports_memory=engine.supports_kv,
                loaded=True,
            )
            self._engine = engine
        return self._engine

    def _generate(self, task: GenerationTask, outlet: Outlet[GenerationEvent]) -> None:
        engine = self._ready()
        kvs = [engine.open_kv(kv) for kv in task.kvs]
        mounted = sum(len(kv.ids) for kv in kvs)
        memory = engine.chat.memory_ids(task.memories)
        ids = memory + engine.chat.rest_ids(task.turns, task.prompt, after_memory=bool(mounted or memory))
        total = mounted + len(ids)
        limit = min(task.max_prompt_tokens or total, engine.context_tokens or total)
        if not ids:
            raise invalid("prompt", "must not be empty")
        if total > limit:
            raise invalid("prompt", f"has {total} tokens with its memory; at most {limit} are read, and none is cut")
        room = max(1, min(task.sampling.max_tokens, (engine.context_tokens or total * 2 + 1_000_000) - total))
        sampling = replace(task.sampling, max_tokens=room)
        engine.mount_adapters(task.adapters)
        began = time.perf_counter()
        read = engine.prefill(ids, capacity=total + room, kvs=kvs, plan=task.compose, progress=outlet.check)
        outlet.put(PromptRead(total, read.cached_tokens, time.perf_counter() - began))
        text, stop = TokenText(engine.chat.decode), StopWatcher(sampling.stop)
        written, finish = 0, Finish.LENGTH
        for token, ends in engine.decode(read.cache, read.logits, sampling):
            written += 1
            last = ends or written == room
            outlet.put(TextPiece(stop.push(text.push(token, last=last)), (token,)))
            if ends or stop.hit:
                finish = Finish.STOP if stop.hit else Finish.END
                break
        if rest := stop.flush():
            outlet.put(TextPiece(rest))
        outlet.put(Ended(finish, total, written))

    def _build(self, memories: Sequence[TextMemory], form: KvForm, outlet: Outlet[tuple[int, int] | BuiltKv]) -> None:
        engine = self._ready()
        ids = engine.chat.memory_ids(memories)
        limit = engine.context_tokens or len(ids)
        if not ids or len(ids) >= limit:
            raise invalid("cubes", f"have {len(ids)} tokens together; 1 to {limit - 1} can be encoded")
        outlet.put(engine.build_kv(ids, form, lambda done: outlet.put((done, len(ids)))))

    async def _on_worker(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._worker, work)

    async def _stream(self, work: Callable[[Outlet[T]], None]) -> AsyncGenerator[T]:
        """Run `work` on the model's thread and yield what it puts out; closing this ends it."""
        outlet = Outlet[T](asyncio.get_running_loop())
        running = asyncio.get_running_loop().run_in_executor(self._worker, work, outlet)
        closing = asyncio.ensure_future(outlet.end_after(running))
        try:
            while (item := await outlet.get()) is not None:
                yield item
            await running
        finally:
            await outlet.cancel(closing)
            if not running.cancelled():
                # Where the reader has gone nobody awaits the worker's error; asyncio would log it as forgotten.
                running.exception()


class Outlet(Generic[T]):
    """Hands items from a worker thread to the event loop; the worker waits while the reader is slow."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Hand over to this loop."""
        self._loop = loop
        self._queue: asyncio.Queue[T | None] = asyncio.Queue(_QUEUE_EVENTS)
        self._cancelled = threading.Event()

    def put(self, item: T) -> None:
        """Hand an item over; called on the worker's thread."""
        self.check()
        asyncio.run_coroutine_threadsafe(self._queue.put(item), self._loop).result()

    def check(self, _done: int = 0) -> None:
        """Raise CancelledWorkError where the reader has gone; called on the worker's thread."""
        if self._cancelled.is_set():
            raise CancelledWorkError

    async def get(self) -> T | None:
        """Return the next item, or None after the last."""
        return await self._queue.get()

    async def end_after(self, running: asyncio.Future[None]) -> None:
        """Mark the end once the worker is done; the loop does it, so no full queue can lose the mark."""
        await asyncio.wait([running])
        await self._queue.put(None)

    async def cancel(self, closing: asyncio.Future[None]) -> None:
        """Tell the worker to end and wait until it has."""
        self._cancelled.set()
        while not closing.done():
            # A worker that waits to put into a full queue must come free to see the flag.
            while not self._queue.empty():
                self._queue.get_nowait()
            await asyncio.wait([closing], timeout=_CANCEL_POLL_S)
