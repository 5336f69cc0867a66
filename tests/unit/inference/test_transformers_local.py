"""Models in the process: what their thread leaves behind."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

from memporium_services.inference.adapters.generators.tiny_random import load_tiny_random
from memporium_services.inference.adapters.generators.transformers_local import TransformersGenerator
from memporium_services.inference.domain.values import GenerationTask, PromptRead, Sampling


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
