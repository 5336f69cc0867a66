"""LoRA training with peft, on a copy of the model of its own: generations on the other one go on meanwhile."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

from memporium_platform.errors import PlatformError, Reason

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping, Sequence

    from memporium_services.inference.adapters.generators.torch_loading import LoadedModel
    from memporium_services.inference.domain.lessons import Lesson
    from memporium_services.inference.domain.trainings import (
        Example,
        MergedAdapter,
        MergePlan,
        Told,
        TrainedAdapter,
        TrainingPlan,
    )
    from memporium_services.inference.domain.values import AdapterBlob
    from memporium_services.inference.ports import CheckpointStore

R = TypeVar("R")


class _GoneError(Exception):
    """The caller has gone; raised on the worker's thread to end its work."""


class _Bridge:
    """From the worker's thread to the event loop that the caller runs on."""

    def __init__(self, store: CheckpointStore | None, key: str) -> None:
        self._loop, self._store, self._key = asyncio.get_running_loop(), store, key
        self.cancelled = threading.Event()

    @property
    def keeps(self) -> bool:
        """Whether states are kept."""
        return self._store is not None

    def telling(self, progress: Callable[..., None]) -> Callable[..., None]:
        """Return what the thread calls to tell how far it is; raises once the caller has gone."""

        def tell(*args: float) -> None:
            if self.cancelled.is_set():
                raise _GoneError
            self._loop.call_soon_threadsafe(progress, *args)

        return tell

    def load(self) -> bytes | None:
        """Return the state that was kept last."""
        return self._wait(self._store.load(self._key)) if self._store is not None else None

    def keep(self, data: bytes) -> None:
        """Keep a state."""
        if self._store is not None:
            self._wait(self._store.save(self._key, data))

    def _wait(self, work: Coroutine[Any, Any, R]) -> R:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()


class PeftTrainer:
    """Trains adapters for one model; the copy is loaded for each training and let go after it."""

    def __init__(
        self,
        name: str,
        load: Callable[[], LoadedModel],
        *,
        checkpoints: CheckpointStore | None = None,
        keep_every_s: float = 30.0,
    ) -> None:
        """Load the model by `load`; keep the state of trainings that have a key so often, where there is a store."""
        self._name = name
        self._load = load
        self._checkpoints = checkpoints
        self._keep_every_s = keep_every_s
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"train-{name}")

    async def train(
        self,
        examples: Sequence[Example],
        plan: TrainingPlan,
        *,
        progress: Callable[[int, int, float], None],
        lessons: Sequence[Lesson] | None = None,
        evaluating: Callable[[int, int], None] = lambda _done, _total: None,
        key: str = "",
    ) -> TrainedAdapter:
        """Train on the examples; cancelling the call ends it at its next step.

        Args:
            examples: What to learn.
            plan: How.
            progress: Gets steps done, steps in all and the loss.
            lessons: What to ask afterwards; None: nothing is measured.
            evaluating: Gets questions asked and in all.
            key: By what a repeated call finds the state of one that was cut off; "": none is kept.
        """
        bridge = _Bridge(self._checkpoints if key else None, key)

        def run() -> TrainedAdapter:
            from memporium_services.inference.adapters.trainers.torch_lora import Hooks, train_adapter

            hooks = Hooks(
                stepped=bridge.telling(progress),
                evaluating=bridge.telling(evaluating),
                load=bridge.load,
                keep=bridge.keep if bridge.keeps else None,
                keep_every_s=self._keep_every_s,
            )
            return train_adapter(self._load(), examples, plan, hooks, lessons)

        return await self._run(run, bridge)

    async def merge(
        self,
        adapters: Sequence[AdapterBlob],
        plan: MergePlan,
        *,
        lessons: Mapping[str, Sequence[Lesson]],
        evaluating: Callable[[int, int], None],
    ) -> MergedAdapter:
        """Merge adapters and ask the result for what each of them was taught; cancelling the call ends it.

        Args:
            adapters: What to merge.
            plan: How.
            lessons: By cube of each adapter, what it was taught.
            evaluating: Gets questions asked and in all.
        """
        bridge = _Bridge(None, "")
        tell = bridge.telling(evaluating)

        def run() -> MergedAdapter:
            from memporium_services.inference.adapters.trainers.torch_asking import merged

            return merged(self._load(), adapters, plan, lessons, tell)

        return await self._run(run, bridge)

    async def probe(
        self, adapter: AdapterBlob, topics: Sequence[Lesson], *, evaluating: Callable[[int, int], None]
    ) -> list[Told]:
        """Return what an adapter says on each topic; cancelling the call ends it."""
        bridge = _Bridge(None, "")
        tell = bridge.telling(evaluating)

        def run() -> list[Told]:
            from memporium_services.inference.adapters.trainers.torch_asking import probe

            return probe(self._load(), adapter, topics, tell)

        return await self._run(run, bridge)

    async def _run(self, work: Callable[[], R], bridge: _Bridge) -> R:
        """Run work on the thread; cancelling ends it where it next tells how far it is."""

        def run() -> R:
            try:
                return work()
            except ImportError as err:
                raise PlatformError(
                    Reason.MODEL_UNAVAILABLE,
                    f"model {self._name} cannot be trained: install memporium[inference]",
                    metadata={"model": self._name},
                ) from err

        running = asyncio.get_running_loop().run_in_executor(self._worker, run)
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            bridge.cancelled.set()
            await asyncio.wait([running])
            # What it ended with is of no interest to anybody any more.
            running.exception()
            raise

    async def close(self) -> None:
        """End the worker."""
        await asyncio.to_thread(self._worker.shutdown, cancel_futures=True)
