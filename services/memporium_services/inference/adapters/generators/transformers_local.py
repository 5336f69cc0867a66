"""Models in the process, by transformers: packaged, from a local folder, or built in code.

All work on a model runs on one thread of its own, the requests of all callers together. torch is imported there, when
the model is first used.
"""

from __future__ import annotations

import asyncio
import os
import time
from contextlib import aclosing, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from memporium_platform.errors import PlatformError, Reason, invalid
from memporium_services.inference.adapters.generators.batch_loop import Admit, BatchLoop, Decode
from memporium_services.inference.adapters.generators.outlet import Outlet
from memporium_services.inference.domain.stream_text import StopWatcher, TokenText
from memporium_services.inference.domain.values import (
    BatchLimits,
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
    from collections.abc import AsyncGenerator, Callable, Collection, Generator, Sequence

    from memporium_services.inference.adapters.generators.choosing import Chooser
    from memporium_services.inference.adapters.generators.torch_adapters import MountedAdapters
    from memporium_services.inference.adapters.generators.torch_engine import CausalEngine, Prefilled
    from memporium_services.inference.adapters.generators.torch_loading import LoadedModel
    from memporium_services.inference.domain.scoring import ScoreTask, TextScore
    from memporium_services.inference.domain.values import Sampling, TextMemory

T = TypeVar("T")
# Tokens of a prompt that are read at once while others work on the model, and while none does.
_CROWDED_PIECE_TOKENS, _LONE_PIECE_TOKENS = 128, 512
# torch's error where a GPU is full; torch itself is not imported here.
_OUT_OF_MEMORY = "OutOfMemoryError"


class TransformersGenerator:
    """A causal language model on a thread of its own."""

    def __init__(
        self,
        name: str,
        load: Callable[[], LoadedModel],
        *,
        threads: int = 1,
        limits: BatchLimits = BatchLimits(),  # noqa: B008 - frozen
        quick_products: bool = True,
    ) -> None:
        """Load by `load` at first use.

        Args:
            name: The model's name.
            load: Loads it.
            threads: torch's number of threads (of the whole process).
            limits: How much it works on at once.
            quick_products: Multiply by the library that is fastest on this processor.
        """
        self._quick_products = quick_products
        self._load = load
        self._threads = threads
        self._engine: CausalEngine | None = None
        self._batch = BatchLoop(name, self._ready, max_rows=limits.requests, max_tokens=limits.tokens)
        self.info = ModelInfo(name=name, kind=Kind.GENERATOR, engine="transformers", supports_memory=True)

    async def load(self) -> None:
        """Bring the model into memory; later calls do nothing."""
        if self._engine is None:
            await self._on_thread(self._ready)

    async def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Return the number of tokens of each text."""
        return await self._on_thread(lambda: [self._ready().chat.count(text) for text in texts])

    async def token_ids(self, text: str) -> list[int]:
        """Return the tokens of a text."""
        return await self._on_thread(lambda: self._ready().chat.text_ids(text))

    async def generate(self, task: GenerationTask) -> AsyncGenerator[GenerationEvent]:
        """Yield PromptRead, any number of TextPiece, and Ended; closing the iterator ends the computation."""
        outlet = Outlet[GenerationEvent](asyncio.get_running_loop())
        async with aclosing(self._stream(self._generate(task, outlet), outlet)) as events:
            async for event in events:
                yield event

    async def score(self, tasks: Sequence[ScoreTask], *, isolation: str) -> list[TextScore]:  # noqa: ARG002 - no cache
        """Return how likely each text is; cancelling ends the computation after a pass of the model."""
        found: list[TextScore] = []
        outlet: Outlet[list[TextScore]] = Outlet(asyncio.get_running_loop())
        async with aclosing(self._stream(self._score(tasks, outlet), outlet)) as events:
            async for scores in events:
                found = scores
        return found

    async def build_kv(
        self,
        memories: Sequence[TextMemory],
        *,
        form: KvForm = KvForm.FLOAT16,
        progress: Callable[[int, int], None],
    ) -> BuiltKv:
        """Encode memories as the beginning of a prompt."""
        result: BuiltKv | None = None
        outlet = Outlet[tuple[int, int] | BuiltKv](asyncio.get_running_loop())
        async with aclosing(self._stream(self._build(memories, form, outlet), outlet)) as events:
            async for event in events:
                if isinstance(event, BuiltKv):
                    result = event
                else:
                    progress(*event)
        assert result is not None  # noqa: S101 - the stream ends with it or raises
        return result

    def drop_agreement(self, agreement: str) -> None:
        """Forget every adapter that came under an agreement, after the step that is going on."""
        engine = self._engine
        if engine is not None:
            with suppress(PlatformError):
                self._batch.call(lambda: engine.adapters.drop_agreement(agreement))

    def drop_adapters(self, keys: Collection[str]) -> None:
        """Forget adapters by their keys, after the step that is going on."""
        engine = self._engine
        if engine is not None:
            with suppress(PlatformError):
                self._batch.call(lambda: engine.adapters.drop(keys))

    async def close(self) -> None:
        """Release the model, without adapters."""
        if self._engine is not None:
            await self._on_thread(self._engine.adapters.clear)
        await asyncio.to_thread(self._batch.close)
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
            engine = CausalEngine(self._load(), quick_products=self._quick_products)
            self.info = replace(
                self.info,
                fingerprint=engine.loaded.fingerprint,
                tokenizer_fingerprint=engine.loaded.tokenizer_fingerprint,
                context_tokens=engine.context_tokens,
                supports_memory=engine.supports_kv,
                vocabulary_size=engine.vocabulary_size,
                loaded=True,
            )
            self._engine = engine
        return self._engine

    def _generate(
        self, task: GenerationTask, outlet: Outlet[GenerationEvent]
    ) -> Generator[Admit | Decode | None, Any, None]:
        engine = self._ready()
        # After the engine, which says what to do where torch is missing.
        from memporium_services.inference.adapters.generators.choosing import Chooser

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
        waits = time.perf_counter()
        yield Admit(total + room)
        began = time.perf_counter()
        # Read in between the steps of others: they go on, and their rows know nothing of it.
        adapters = engine.adapters.open(task.adapters)
        read = yield from engine.read(
            ids, capacity=total + room, kvs=kvs, plan=task.compose, adapters=adapters, piece_tokens=self._piece_tokens
        )
        engine.settle()
        now = time.perf_counter()
        outlet.put(PromptRead(total, read.cached_tokens, now - began, waited_s=began - waits))
        chooser = Chooser(task.sampling, watermark_keys=task.watermark_keys, before=ids[-1])
        sampling = replace(task.sampling, max_tokens=room)
        written, finish = yield from _write(engine, read, sampling, chooser, outlet, adapters)
        outlet.put(Ended(finish, total, written, kv_texts=tuple(engine.chat.decode(kv.ids) for kv in kvs)))

    def _score(
        self, tasks: Sequence[ScoreTask], outlet: Outlet[list[TextScore]]
    ) -> Generator[Admit | Decode | None, Any, None]:
        engine = self._ready()
        # After the engine, as above.
        from memporium_services.inference.adapters.generators.likelihood import most_tokens, scored_ids

        texts = scored_ids(engine.chat, tasks, most=engine.context_tokens)
        yield Admit(most_tokens(texts))
        outlet.put((yield from engine.score(texts)))

    def _build(
        self, memories: Sequence[TextMemory], form: KvForm, outlet: Outlet[tuple[int, int] | BuiltKv]
    ) -> Generator[Admit | Decode | None, Any, None]:
        engine = self._ready()
        ids = engine.chat.memory_ids(memories)
        limit = engine.context_tokens or len(ids)
        if not ids or len(ids) >= limit:
            raise invalid("cubes", f"have {len(ids)} tokens together; 1 to {limit - 1} can be encoded")
        yield Admit(len(ids))
        steps = engine.build_kv(ids, form)
        while True:
            try:
                done = next(steps)
            except StopIteration as end:
                outlet.put(end.value)
                return
            outlet.put((done, len(ids)))
            yield None

    def _piece_tokens(self) -> int:
        return _CROWDED_PIECE_TOKENS if self._batch.crowded else _LONE_PIECE_TOKENS

    async def _on_thread(self, function: Callable[[], T]) -> T:
        loop = asyncio.get_running_loop()
        done: asyncio.Future[T] = loop.create_future()

        def run() -> None:
            try:
                result = function()
            except Exception as err:  # noqa: BLE001 - who asked gets it
                loop.call_soon_threadsafe(_settle, done, None, err)
            else:
                loop.call_soon_threadsafe(_settle, done, result, None)

        self._batch.call(run)
        return await done

    async def _stream(self, work: Generator[Admit | Decode | None, Any, None], outlet: Outlet[T]) -> AsyncGenerator[T]:
        """Run `work` on the model's thread and yield what it puts out; closing this ends it."""
        self._batch.submit(work, outlet)
        try:
            while (item := await outlet.get()) is not None:
                yield item
        except RuntimeError as err:
            if type(err).__name__ != _OUT_OF_MEMORY:
                raise
            message = f"the device of model {self.info.name} has no memory left for this request beside the others"
            raise PlatformError(Reason.OVERLOADED, message, metadata={"model": self.info.name}) from err
        finally:
            await outlet.cancel()


def _write(
    engine: CausalEngine,
    read: Prefilled,
    sampling: Sampling,
    chooser: Chooser,
    outlet: Outlet[GenerationEvent],
    adapters: MountedAdapters | None,
) -> Generator[Decode, Any, tuple[int, Finish]]:
    """Write an answer; return the number of its tokens and why it ended."""
    text, stop = TokenText(engine.chat.decode), StopWatcher(sampling.stop)
    logits, finish = read.logits, Finish.LENGTH
    for written in range(1, sampling.max_tokens + 1):
        token = chooser.choose(logits)
        ends = token in engine.ends
        last = ends or written == sampling.max_tokens
        outlet.put(TextPiece(stop.push(text.push(token, last=last)), (token,)))
        if ends or stop.hit:
            finish = Finish.STOP if stop.hit else Finish.END
            break
        if not last:
            logits = yield Decode(token, read.cache, adapters)
    if rest := stop.flush():
        outlet.put(TextPiece(rest))
    return written, finish


def _settle(done: asyncio.Future[Any], result: Any, error: BaseException | None) -> None:
    if done.done():
        return
    if error is not None:
        done.set_exception(error)
    else:
        done.set_result(result)
