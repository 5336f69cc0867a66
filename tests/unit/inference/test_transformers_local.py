"""Models in the process: what their thread leaves behind."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

import pytest
import torch

from memporium_platform.errors import PlatformError, Reason
from memporium_services.inference.adapters.generators.tiny_random import load_tiny_random
from memporium_services.inference.adapters.generators.torch_engine import CausalEngine
from memporium_services.inference.adapters.generators.transformers_local import TransformersGenerator
from memporium_services.inference.domain.values import Ended, GenerationTask, PromptRead, Sampling


async def test_a_device_that_is_full_refuses_the_request_and_serves_the_next(monkeypatch):
    generator = TransformersGenerator("tiny", load_tiny_random)
    await generator.load()
    read = CausalEngine.read

    def full(*_given, **_named):
        raise torch.OutOfMemoryError("CUDA out of memory")
        yield

    task = GenerationTask(prompt="a story", sampling=Sampling(max_tokens=2))
    monkeypatch.setattr(CausalEngine, "read", full)
    with pytest.raises(PlatformError, match="no memory left") as refused:
        [event async for event in generator.generate(task)]
    assert refused.value.reason is Reason.OVERLOADED
    monkeypatch.setattr(CausalEngine, "read", read)
    assert isinstance([event async for event in generator.generate(task)][-1], Ended)
    await generator.close()


async def test_a_reader_that_leaves_early_leaves_no_forgotten_error():
    generator = TransformersGenerator("tiny", load_tiny_random)
    forgotten: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: forgotten.append(context))
    events = generator.generate(GenerationTask(prompt="a long story", sampling=Sampling(max_tokens=500)))
    assert isinstance(await anext(events), PromptRead)
    await events.aclose()
    del events
    await asyncio.sleep(0)
    gc.collect()
    await generator.close()
    assert forgotten == []
