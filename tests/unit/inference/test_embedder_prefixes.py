"""Questions and memory before an embedder: prefixes, limits of an answer, texts that fail alone, and settings."""

from __future__ import annotations

import asyncio
import json

import numpy as np
import pytest
from pydantic import ValidationError

from memporium.inference.v1 import embed_pb2
from memporium_platform.errors import PlatformError, Reason
from memporium_services.checkup_models import models
from memporium_services.effective_settings import wrong_settings
from memporium_services.inference.adapters.embedders.hashing import HashingEmbedder
from memporium_services.inference.app.embedding import MicroBatcher
from memporium_services.inference.convert import calls, events
from memporium_services.inference.domain.values import Kind, ModelInfo, TextUse
from memporium_services.inference.settings import InferenceSettings

FAR = {"base_url": "http://127.0.0.1:11434/v1", "model": "nomic-embed-text", "dimensions": 768}
VARIABLE = "MEMPORIUM_INFERENCE_REMOTE_EMBEDDERS"


class Prefixed(HashingEmbedder):
    """Hashing behind prefixes; refuses a run with a bad text as an endpoint does."""

    info = ModelInfo(
        name="far", kind=Kind.EMBEDDER, engine="test", dimensions=384, query_prefix="ask: ", document_prefix="keep: "
    )

    def __init__(self):
        self.runs = []

    def embed(self, texts):
        self.runs.append(list(texts))
        if any("bad" in text for text in texts):
            raise PlatformError(Reason.FAILED_PRECONDITION, "refuses a text")
        return super().embed(texts)


async def test_each_use_has_its_prefix_and_what_is_empty_has_none():
    engine = Prefixed()
    batcher = MicroBatcher(engine, window_ms=0, max_waiting_texts=10)
    await asyncio.gather(
        batcher.embed(["where", " "], TextUse.QUERY),
        batcher.embed(["there", ""], TextUse.DOCUMENT),
        batcher.embed(["as"]),
    )
    await batcher.close()
    assert engine.runs == [["ask: where", " ", "keep: there", "", "keep: as"]]


async def test_without_prefixes_nothing_is_put_before_texts():
    batcher = MicroBatcher(HashingEmbedder(), window_ms=0, max_waiting_texts=10)
    found = [(await batcher.embed(["the garden gate"], use))[0].vector for use in TextUse]
    await batcher.close()
    for vector in found:
        assert np.array_equal(vector, HashingEmbedder().embed(["the garden gate"])[0].vector)


async def test_a_text_that_is_refused_fails_its_own_caller_alone():
    engine = Prefixed()
    batcher = MicroBatcher(engine, window_ms=0, max_waiting_texts=10)
    calls_made = (batcher.embed(["good"]), batcher.embed(["fine", "bad"]), batcher.embed(["well"]))
    good, refused, well = await asyncio.gather(*calls_made, return_exceptions=True)
    await batcher.close()
    assert isinstance(refused, PlatformError)
    assert (len(good), len(well), len(engine.runs)) == (1, 1, 4)


async def test_a_run_takes_as_many_texts_as_a_request():
    engine = Prefixed()
    batcher = MicroBatcher(engine, window_ms=0, max_waiting_texts=10, run_texts=2)
    await asyncio.gather(batcher.embed([str(number) for number in range(6)]), batcher.embed(["why"], TextUse.QUERY))
    await batcher.close()
    # The question waits for one request of the six texts.
    assert engine.runs[:2] == [["keep: 0", "keep: 1"], ["ask: why", "keep: 2"]]
    assert max(len(run) for run in engine.runs) == 2


def test_what_a_request_says_decides_on_the_use():
    settings = InferenceSettings()
    for kind, use in (("UNSPECIFIED", "DOCUMENT"), ("QUERY", "QUERY"), ("DOCUMENT", "DOCUMENT")):
        request = embed_pb2.EmbedRequest(texts=["a"], input_type=f"EMBED_INPUT_TYPE_{kind}")
        assert calls.embed_call(request, settings, dimensions=8) == (["a"], TextUse(use))


def test_no_more_texts_than_have_their_vectors_in_one_answer():
    request = embed_pb2.EmbedRequest(texts=["a"] * 1024)
    assert len(calls.embed_call(request, InferenceSettings(), dimensions=768)[0]) == 1024
    with pytest.raises(PlatformError, match="at most 244") as caught:
        calls.embed_call(request, InferenceSettings(), dimensions=4096)
    assert caught.value.reason is Reason.INVALID_FIELD


def test_the_list_of_models_shows_prefixes():
    shown = events.model_of(Prefixed.info, default=False)
    assert (shown.query_prefix, shown.document_prefix, shown.dimensions) == ("ask: ", "keep: ", 384)


def test_embedders_of_the_settings_are_known_to_the_checkup(monkeypatch):
    monkeypatch.setenv(VARIABLE, json.dumps({"nomic": {**FAR, "api_key": " sk-key\n"}}))
    monkeypatch.setenv("MEMPORIUM_VAULT_DEFAULT_EMBEDDING_MODEL", "nomic")
    assert InferenceSettings().remote_embedders["nomic"].api_key.get_secret_value() == "sk-key"
    found = {one.what: one for one in models()}
    assert found["embedder nomic"].found
    assert "nomic-embed-text" in found["embedder nomic"].detail


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("far", {"dimensions": None}),
        ("far", {"dimensions": 0}),
        ("far", {"dimensions": 5000}),
        ("far", {"model": ""}),
        ("far", {"base_url": "127.0.0.1:11434"}),
        ("far", {"base_url": "ftp://host/v1"}),
        ("far", {"base_url": "http://user:secret-7@host/v1"}),
        ("far", {"base_url": "http://host:99999999/v1"}),
        ("far", {"base_url": "http://[/v1"}),
        ("far", {"api_key": "secret-7\r\nx: y"}),
        ("far", {"api_key": "secret-7\u20ac"}),
        ("far", {"query_prefx": "search_query: "}),
        ("far", {"timeout_s": 0}),
        ("", {}),
        ("minilm-l6-v2-int8", {}),
        ("hashing-far", {}),
        ("written", {}),
    ],
)
def test_settings_that_cannot_be_are_refused_and_not_repeated(monkeypatch, name, change):
    given = {key: value for key, value in {**FAR, **change}.items() if value is not None}
    monkeypatch.setenv("MEMPORIUM_INFERENCE_REMOTE_MODELS", json.dumps({"written": {"base_url": "x", "model": "y"}}))
    monkeypatch.setenv(VARIABLE, json.dumps({name: given}))
    with pytest.raises(ValidationError):
        InferenceSettings()
    ((variable, message),) = wrong_settings()
    assert variable == VARIABLE
    assert "secret-7" not in message
