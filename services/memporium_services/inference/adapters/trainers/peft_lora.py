"""LoRA training with peft, on a copy of the model of its own: generations on the other one go on meanwhile."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from memporium_platform.errors import PlatformError, Reason

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from memporium_services.inference.adapters.generators.torch_loading import LoadedModel
    from memporium_services.inference.domain.values import Example, TrainedAdapter, TrainingPlan


class _GoneError(Exception):
    """The caller has gone; raised on the worker's thread to end its work."""


class PeftTrainer:
    """Trains adapters for one model; the copy is loaded for each training and let go after it."""

    def __init__(self, name: str, load: Callable[[], LoadedModel]) -> None:
        """Load the model by `load`."""
        self._name = name
        self._load = load
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"train-{name}")

    async def train(
        self, examples: Sequence[Example], plan: TrainingPlan, *, progress: Callable[[int, int, float], None]
    ) -> TrainedAdapter:
        """Train on the examples; cancelling the call ends it at its next step."""
        loop, cancelled = asyncio.get_running_loop(), threading.Event()

        def report(done: int, total: int, loss: float) -> None:
            if cancelled.is_set():
                raise _GoneError
            loop.call_soon_threadsafe(progress, done, total, loss)

        def run() -> TrainedAdapter:
            try:
                from memporium_services.inference.adapters.trainers.torch_lora import train_adapter
            except ImportError as err:
                raise PlatformError(
                    Reason.MODEL_UNAVAILABLE,
                    f"model {self._name} cannot be trained: install memporium[inference]",
                    metadata={"model": self._name},
                ) from err
            return train_adapter(self._load(), examples, plan, report)

        running = loop.run_in_executor(self._worker, run)
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            cancelled.set()
            await asyncio.wait([running])
            raise

    async def close(self) -> None:
        """End the worker."""
        await asyncio.to_thread(self._worker.shutdown, cancel_futures=True)
