"""Embedders and the batching over them."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading

import numpy as np
import pytest

from memporium_platform.errors import PlatformError, Reason
from memporium_services.inference.adapters.embedders.hashing import HashingEmbedder
from memporium_services.inference.adapters.embedders.minilm_onnx import MiniLmEmbedder
from memporium_services.inference.app.embedding import MicroBatcher


@pytest.fixture(scope="module")
def minilm():
    embedder = MiniLmEmbedder()
    embedder.load()
    return embedder


def test_minilm_knows_meaning(minilm):
    cat, feline, stocks = minilm.embed(["A cat sleeps on the sofa", "A feline naps on the couch", "Shares fell today"])
    assert cat.vector @ feline.vector > 0.6
    assert cat.vector @ stocks.vector < 0.3


def test_neither_the_service_nor_its_embedder_imports_torch():
    code = (
        "import sys, memporium_services.inference.module\n"
        "from memporium_services.inference.adapters.embedders.minilm_onnx import MiniLmEmbedder\n"
        "MiniLmEmbedder().embed(['x'])\n"
        "sys.exit('torch' in sys.modules or 'transformers' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_minilm_gives_the_same_vector_in_any_batch(minilm):
    texts = ["short", "a text of some middling length about rivers", "word " * 200]
    alone = [minilm.embed([text])[0].vector for text in texts]
    together = [embedded.vector for embedded in minilm.embed(texts)]
    assert all(float(a @ b) > 0.9999 for a, b in zip(alone, together, strict=True))


def test_minilm_without_files_is_unavailable(tmp_path):
    embedder = MiniLmEmbedder(model=tmp_path / "none.onnx", tokenizer=tmp_path / "none.json")
    with pytest.raises(PlatformError) as caught:
        embedder.load()
    assert caught.value.reason is Reason.MODEL_UNAVAILABLE


def test_hashing_is_deterministic_and_near_for_shared_words():
    embedder = HashingEmbedder()
    one, two, other = embedder.embed(["the garden gate was painted", "who painted the garden gate", "stock prices"])
    again = HashingEmbedder().embed(["the garden gate was painted"])[0]
    assert np.array_equal(one.vector, again.vector)
    assert one.vector @ two.vector > 0.5 > one.vector @ other.vector
    assert embedder.embed(["..."])[0].vector.any() == np.False_


class Recording(HashingEmbedder):
    def __init__(self):
        self.batches = []

    def embed(self, texts):
        self.batches.append(list(texts))
        if "bad" in texts:
            message = "broken"
            raise ValueError(message)
        return super().embed(texts)


async def test_concurrent_calls_share_a_batch_and_get_their_own_vectors():
    engine = Recording()
    batcher = MicroBatcher(engine, window_ms=5, max_waiting_texts=1000)
    answers = await asyncio.gather(*(batcher.embed([f"text {index}", "same"]) for index in range(10)))
    assert len(engine.batches) == 1
    for index, answer in enumerate(answers):
        assert np.array_equal(answer[0].vector, HashingEmbedder().embed([f"text {index}"])[0].vector)
    await batcher.close()


async def test_without_a_window_calls_share_what_they_would_have_waited_for_anyway():
    engine = Recording()
    batcher = MicroBatcher(engine, window_ms=0, max_waiting_texts=1000)
    running, late = threading.Event(), threading.Event()
    plain = engine.embed

    def slow(texts):
        running.set()
        late.wait(60)
        return plain(texts)

    engine.embed = slow
    first = [asyncio.create_task(batcher.embed([f"first {index}"])) for index in range(3)]
    await asyncio.to_thread(running.wait, 60)
    second = [asyncio.create_task(batcher.embed([f"second {index}"])) for index in range(3)]
    await asyncio.sleep(0)
    late.set()
    await asyncio.gather(*first, *second)
    assert engine.batches == [[f"first {index}" for index in range(3)], [f"second {index}" for index in range(3)]]
    await batcher.close()


async def test_a_bulk_call_does_not_make_a_single_one_wait_for_all_of_it():
    engine = Recording()
    batcher = MicroBatcher(engine, window_ms=5, max_waiting_texts=10_000)
    bulk = asyncio.create_task(batcher.embed([f"bulk {index}" for index in range(640)]))
    await asyncio.sleep(0)
    single = asyncio.create_task(batcher.embed(["single"]))
    await asyncio.gather(bulk, single)
    position = next(index for index, batch in enumerate(engine.batches) if "single" in batch)
    assert position <= 1
    assert len(engine.batches) >= 10
    await batcher.close()


async def test_a_failing_batch_fails_its_callers_and_the_next_works():
    batcher = MicroBatcher(Recording(), window_ms=0, max_waiting_texts=10)
    with pytest.raises(ValueError, match="broken"):
        await batcher.embed(["bad"])
    assert len(await batcher.embed(["good"])) == 1
    assert await batcher.embed([]) == []
    await batcher.close()


async def test_too_many_waiting_texts_are_refused():
    batcher = MicroBatcher(Recording(), window_ms=0, max_waiting_texts=2)
    with pytest.raises(PlatformError) as caught:
        await batcher.embed(["a", "b", "c"])
    assert caught.value.reason is Reason.OVERLOADED
    await batcher.close()
