"""The inference service over gRPC, without memory: embeddings, plain generation, limits."""

from __future__ import annotations

from contextlib import aclosing

import grpc
import numpy as np
import pytest

from memporium.inference.v1 import embed_pb2, generate_pb2, inference_service_pb2, model_pb2, score_pb2
from memporium.inference.v1.inference_service_pb2_grpc import InferenceServiceStub
from memporium_platform.errors import Reason
from memporium_platform.rpc.errors_client import reason_of
from support.patience import eventually
from support.platform import running_platform


@pytest.fixture
async def stub(tmp_path):
    async with running_platform(("inference",), data_dir=tmp_path) as platform:
        org = await platform.organisation("acme")
        made = InferenceServiceStub(platform.channel(org.owner_key))
        made.platform = platform
        yield made


async def refusal(call) -> Reason:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return reason_of(caught.value).reason


async def collect(stream):
    return [event async for event in stream]


@pytest.mark.parametrize("model", ["hashing-384", "minilm-l6-v2-int8"])
async def test_embed_gives_unit_vectors_in_order(stub, model):
    texts = ["the cat sat on the mat", "a cat sat upon a mat", "quarterly revenue fell", ""]
    answer = await stub.Embed(embed_pb2.EmbedRequest(model=model, texts=texts))
    vectors = np.array([embedding.values for embedding in answer.embeddings])
    assert vectors.shape == (4, answer.dimensions)
    assert np.allclose(np.linalg.norm(vectors[:3], axis=1), 1, atol=1e-5)
    assert not vectors[3].any()
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2] + 0.2
    assert len(answer.model_fingerprint) == 64


async def test_a_long_text_is_cut_and_flagged(stub):
    answer = await stub.Embed(embed_pb2.EmbedRequest(model="minilm-l6-v2-int8", texts=["word " * 400, "word"]))
    assert [embedding.truncated for embedding in answer.embeddings] == [True, False]


async def test_generate_streams_text_usage_and_times(stub):
    request = generate_pb2.GenerateRequest(model="tiny-random", prompt="hello", max_tokens=6)
    events = await collect(stub.Generate(request))
    assert events[0].started.prompt_tokens == 5
    finished = events[-1].finished
    tokens = [token for event in events for token in event.delta.token_ids]
    assert finished.usage.completion_tokens == len(tokens) == 6
    assert finished.reason == generate_pb2.FINISH_REASON_LENGTH
    assert finished.timings.time_to_first_token.ToNanoseconds() > 0


async def test_a_client_that_goes_frees_the_model(stub, monkeypatch):
    running = stub.platform.running.modules["inference"]._registry.generator("tiny-random")
    generate, free, written, left = running.generator.generate, running.queue._free, [], []

    async def noted(task):
        try:
            async with aclosing(generate(task)) as events:
                async for event in events:
                    written.append(event)
                    yield event
        finally:
            left.append(task)

    monkeypatch.setattr(running.generator, "generate", noted)
    endless = stub.Generate(generate_pb2.GenerateRequest(model="tiny-random", prompt="x", max_tokens=1024))
    assert (await endless.read()).HasField("started")
    assert (await endless.read()).HasField("delta")
    endless.cancel()
    await eventually(lambda: left and running.queue._free == free)
    # Far from the end: nobody waits for what nobody reads.
    assert len(written) < 1000
    request = generate_pb2.GenerateRequest(model="tiny-random", prompt="x", max_tokens=2)
    assert (await collect(stub.Generate(request)))[-1].HasField("finished")


async def test_the_same_seed_gives_the_same_text(stub):
    def ask(seed):
        return stub.Generate(
            generate_pb2.GenerateRequest(model="tiny-random", prompt="x", max_tokens=12, temperature=1.0, seed=seed)
        )

    texts = ["".join(event.delta.text for event in await collect(ask(seed))) for seed in (1, 1, 2)]
    assert texts[0] == texts[1] != texts[2]


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"prompt": "x", "messages": [generate_pb2.Message(role=generate_pb2.ROLE_USER, content="y")]},
        {"prompt": "x", "max_tokens": 1_000_000},
        {"prompt": "x", "temperature": 3},
        {"prompt": "x", "stop": [""]},
        {"messages": [generate_pb2.Message(content="who speaks?")]},
        {"prompt": "x" * 9000},
        {"prompt": "x", "kv_composition": 9},
        {"prompt": "x", "recompute_share": 0.5},
        {"prompt": "x", "kv_composition": generate_pb2.KV_COMPOSITION_SELECTIVE, "recompute_share": 1.5},
        {"prompt": "x", "mounts": [generate_pb2.MemoryMount(cube="nothing/like/a/name")]},
    ],
)
async def test_wrong_requests_are_refused(stub, fields):
    request = generate_pb2.GenerateRequest(model="tiny-random", **fields)
    assert await refusal(collect(stub.Generate(request))) is Reason.INVALID_FIELD


async def test_unknown_models_are_named(stub):
    assert await refusal(stub.Embed(embed_pb2.EmbedRequest(model="gpt-9", texts=["x"]))) is Reason.MODEL_UNAVAILABLE
    request = generate_pb2.GenerateRequest(model="gpt-9", prompt="x")
    assert await refusal(collect(stub.Generate(request))) is Reason.MODEL_UNAVAILABLE


async def test_too_many_texts_are_refused(stub):
    limits = (await stub.GetCapabilities(inference_service_pb2.GetCapabilitiesRequest())).capabilities
    request = embed_pb2.EmbedRequest(model="hashing-384", texts=["x"] * (limits.max_embed_texts + 1))
    assert await refusal(stub.Embed(request)) is Reason.INVALID_FIELD


async def test_models_are_listed_in_pages(stub):
    found, token = [], ""
    while True:
        page = await stub.ListModels(inference_service_pb2.ListModelsRequest(page_size=1, page_token=token))
        found += page.models
        token = page.next_page_token
        if not token:
            break
    names = [model.name for model in found]
    assert names == sorted(names)
    assert {"hashing-384", "tiny-random"} <= set(names)
    kinds = {model.name: model.kind for model in found}
    assert kinds["hashing-384"] == model_pb2.MODEL_KIND_EMBEDDER


async def test_tokens_are_counted(stub):
    request = inference_service_pb2.CountTokensRequest(model="tiny-random", texts=["four", "äö"])
    assert list((await stub.CountTokens(request)).token_counts) == [4, 4]


async def test_texts_are_scored_and_the_likelier_one_is_what_the_model_writes(stub):
    written = await collect(stub.Generate(generate_pb2.GenerateRequest(model="tiny-random", prompt="x", max_tokens=4)))
    answer = "".join(response.delta.text for response in written)
    texts = [score_pb2.TextToScore(prompt="x", continuation=one) for one in (answer, "zzzz")]
    found = await stub.ScoreTexts(score_pb2.ScoreTextsRequest(model="tiny-random", texts=texts))
    first, second = (one.log_probability / one.token_count for one in found.scores)
    assert second < first < 0
    assert [one.prompt_token_count for one in found.scores] == [1, 1]
    assert found.model_fingerprint


async def test_texts_to_score_are_within_the_limits(stub):
    limits = (await stub.GetCapabilities(inference_service_pb2.GetCapabilitiesRequest())).capabilities
    one = score_pb2.TextToScore(prompt="x", continuation="y")
    message = generate_pb2.Message(role=generate_pb2.ROLE_USER, content="x")
    for texts in (
        [one] * (limits.max_score_texts + 1),
        [score_pb2.TextToScore(continuation="y")],
        [score_pb2.TextToScore(prompt="x", messages=[message], continuation="y")],
        [score_pb2.TextToScore(messages=[generate_pb2.Message(content="x")], continuation="y")],
        [score_pb2.TextToScore(prompt="x")],
        [score_pb2.TextToScore(prompt="x", continuation="y" * (1 << 21))],
    ):
        request = score_pb2.ScoreTextsRequest(model="tiny-random", texts=texts)
        assert await refusal(stub.ScoreTexts(request)) is Reason.INVALID_FIELD
