"""Embedding in batches shared by concurrent calls: one worker thread a model, which takes all that waits at once."""

from __future__ import annotations

import asyncio
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from memporium_platform.errors import PlatformError, Reason
from memporium_services.inference.domain.values import TextUse

if TYPE_CHECKING:
    from collections.abc import Sequence

    from memporium_services.inference.domain.values import EmbeddedText, ModelInfo
    from memporium_services.inference.ports import Embedder

# Texts of one run of the engine: large enough for full batches, small enough that a single query that arrives
# meanwhile waits some tens of milliseconds and not for the whole of another caller's bulk load.
RUN_TEXTS = 64
_RETRY_AFTER_S = 1.0
# What a text of one caller may be to blame for: the others who share its batch are not to suffer from it.
_OF_A_TEXT = frozenset({Reason.FAILED_PRECONDITION})


class MicroBatcher:
    """Gathers the texts of concurrent calls for a moment and embeds them together, callers in turn."""

    def __init__(
        self, embedder: Embedder, *, window_ms: float, max_waiting_texts: int, run_texts: int = RUN_TEXTS
    ) -> None:
        """Wait `window_ms` for others while nothing runs; refuse texts beyond `max_waiting_texts`."""
        self._run_texts = run_texts
        self._embedder = embedder
        self._window_s = window_ms / 1000
        self._max_waiting = max_waiting_texts
        self._jobs: deque[_Job] = deque()
        self._waiting = 0
        self._runner: asyncio.Task[None] | None = None
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"embed-{embedder.info.name}")

    @property
    def info(self) -> ModelInfo:
        """The model."""
        return self._embedder.info

    async def embed(self, texts: Sequence[str], use: TextUse = TextUse.DOCUMENT) -> list[EmbeddedText]:
        """Return the vectors in the order of the texts, each read with what the model wants before such texts.

        Raises:
            PlatformError: OVERLOADED, where too many texts wait; MODEL_UNAVAILABLE; of endpoints UNAVAILABLE and
                FAILED_PRECONDITION.
        """
        if self._waiting + len(texts) > self._max_waiting:
            raise PlatformError(Reason.OVERLOADED, "too many texts wait for the embedder", retry_after_s=_RETRY_AFTER_S)
        job = _Job([self.info.prefixed(text, use) for text in texts])
        self._jobs.append(job)
        self._waiting += len(texts)
        if self._runner is None or self._runner.done():
            self._runner = asyncio.create_task(self._run())
        try:
            return await job.result
        finally:
            self._waiting -= len(texts)
            job.dropped = True

    async def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Return the number of tokens of each text, uncut."""
        return await asyncio.get_running_loop().run_in_executor(self._worker, self._embedder.count_tokens, texts)

    async def load(self) -> None:
        """Bring the model into memory."""
        await asyncio.get_running_loop().run_in_executor(self._worker, self._embedder.load)

    async def close(self) -> None:
        """End the worker; what it is at in another process is broken off."""
        await asyncio.to_thread(self._embedder.close)
        if self._runner is not None:
            self._runner.cancel()
            await asyncio.gather(self._runner, return_exceptions=True)
        await asyncio.to_thread(self._worker.shutdown, cancel_futures=True)

    async def _run(self) -> None:
        # Calls that came in the same turn of the loop share a batch; what comes while it runs makes the next one.
        await asyncio.sleep(self._window_s)
        loop = asyncio.get_running_loop()
        runs: deque[list[tuple[_Job, int]]] = deque()
        while batch := runs.popleft() if runs else self._take():
            texts = [job.texts[index] for job, index in batch]
            jobs = list({id(job): job for job, _ in batch}.values())
            try:
                vectors = await loop.run_in_executor(self._worker, self._embedder.embed, texts)
            except Exception as err:  # noqa: BLE001 - every caller of the batch gets it
                if len(jobs) > 1 and isinstance(err, PlatformError) and err.reason in _OF_A_TEXT:
                    runs.extend([part for part in batch if part[0] is job] for job in jobs)
                    continue
                for job in jobs:
                    job.fail(err)
                continue
            for (job, index), vector in zip(batch, vectors, strict=True):
                job.put(index, vector)

    def _take(self) -> list[tuple[_Job, int]]:
        """Return the next texts: one caller's after the other, a large call giving way after its share."""
        batch: list[tuple[_Job, int]] = []
        for _ in range(len(self._jobs)):
            if len(batch) >= self._run_texts:
                break
            job = self._jobs.popleft()
            if job.dropped or job.result.done():
                continue
            share = self._run_texts - len(batch)
            batch.extend((job, index) for index in job.take(share))
            if job.has_more:
                self._jobs.append(job)
        return batch


class _Job:
    def __init__(self, texts: Sequence[str]) -> None:
        self.texts = texts
        self.result: asyncio.Future[list[EmbeddedText]] = asyncio.get_running_loop().create_future()
        self.dropped = False
        self._next = 0
        self._vectors: list[EmbeddedText | None] = [None] * len(texts)
        self._left = len(texts)
        if not texts:
            self.result.set_result([])

    @property
    def has_more(self) -> bool:
        return self._next < len(self.texts)

    def take(self, count: int) -> range:
        first, self._next = self._next, min(self._next + count, len(self.texts))
        return range(first, self._next)

    def put(self, index: int, vector: EmbeddedText) -> None:
        self._vectors[index] = vector
        self._left -= 1
        if self._left == 0 and not self.result.done():
            self.result.set_result([vector for vector in self._vectors if vector is not None])

    def fail(self, err: Exception) -> None:
        if not self.result.done():
            self.result.set_exception(err)
