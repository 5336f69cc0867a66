"""Models behind vLLM against a server that speaks its protocol and holds the same model: the same tokens as here."""

from __future__ import annotations

import asyncio
import json
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace

import pytest

from memporium_platform.errors import PlatformError, Reason
from memporium_services.inference.adapters.generators.tiny_random import load_tiny_random
from memporium_services.inference.adapters.generators.torch_loading import load_folder
from memporium_services.inference.adapters.generators.transformers_local import TransformersGenerator
from memporium_services.inference.adapters.generators.vllm import VllmGenerator
from memporium_services.inference.domain.values import (
    ComposePlan,
    Composition,
    Finish,
    GenerationTask,
    KvBlob,
    KvForm,
    PromptRead,
    Sampling,
    Speaker,
    TextMemory,
    TextPiece,
    Turn,
)
from support.tiny_adapters import random_adapter
from support.vllm_server import VllmServer, vllm_server

TURNS = (Turn(Speaker.USER, "What colour is the sky over Mars?"),)
MEMORY = TextMemory("The sky over Mars is pink, and at dusk it is blue. " * 3, "Mars", "book")
TASK = GenerationTask(Sampling(12), TURNS, isolation="orgs/a")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    found, loaded = tmp_path_factory.mktemp("model"), load_tiny_random()
    loaded.model.save_pretrained(found)
    loaded.tokenizer.save_pretrained(found)
    return found


@pytest.fixture(scope="module")
def loaded(folder):
    return load_folder("tiny", folder, dtype="float32", device="cpu")


@pytest.fixture
async def local(loaded):
    made = TransformersGenerator("tiny", lambda: loaded)
    await made.load()
    yield made
    await made.close()


@asynccontextmanager
async def serving(loaded, *, lora=True, api_key="", **options):
    server = VllmServer(loaded.model, loaded.tokenizer, lora=lora, api_key=api_key)
    async with vllm_server(server):
        generator = VllmGenerator(
            "served", base_url=server.base_url, model="base", secret=lambda label: label.encode(), **options
        )
        try:
            yield server, generator
        finally:
            await generator.close()


async def run(generator, task):
    async with aclosing(generator.generate(task)) as events:
        found = [event async for event in events]
    pieces = [event for event in found if isinstance(event, TextPiece)]
    return "".join(piece.text for piece in pieces), [token for piece in pieces for token in piece.token_ids], found


async def kv_of(local, *memories):
    built = await local.build_kv(memories, form=KvForm.FLOAT16, progress=lambda *_: None)
    return KvBlob(bytearray(built.data), built.token_ids_sha256, built.token_count)


@pytest.mark.parametrize("memory", ["text", "kv", "two kvs", "none"])
async def test_the_tokens_are_those_of_the_model_in_the_process(local, loaded, folder, memory):
    kv, second = await kv_of(local, MEMORY), await kv_of(local, TextMemory("Dust is red."))
    task = {
        "text": replace(TASK, memories=(MEMORY,)),
        "kv": replace(TASK, kvs=(kv,)),
        "two kvs": replace(TASK, kvs=(kv, second)),
        "none": TASK,
    }[memory]
    async with serving(loaded, folder=folder) as (server, generator):
        _, tokens, found = await run(generator, task)
        assert generator.info.fingerprint == local.info.fingerprint
    _, expected, here = await run(local, task)
    assert tokens == expected
    assert found[0].prompt_tokens == here[0].prompt_tokens == found[-1].prompt_tokens
    assert server.asked[0][0] == "/v1/completions"


async def test_a_memory_that_stands_first_is_computed_once_for_an_organisation_alone(local, loaded, folder):
    kv = await kv_of(local, MEMORY)
    async with serving(loaded, folder=folder) as (server, generator):

        async def cached(**changes):
            _, _, found = await run(generator, replace(TASK, **changes))
            return found[-1].cached_tokens

        assert await cached(memories=(MEMORY,)) == 0
        # The same memory as text or as a KV cube, before another question.
        assert await cached(kvs=(kv,), turns=(Turn(Speaker.USER, "And at dusk?"),)) >= kv.token_count - 16
        assert await cached(memories=(MEMORY,), isolation="orgs/b") == 0
        assert await cached(memories=(MEMORY,), isolation="orgs/a\norgs/p/agreements/x") == 0
        salts = {body["cache_salt"] for _, body in server.asked}
        assert len(salts) == 3
        assert not any("orgs" in salt for salt in salts)


async def test_without_the_models_files_memory_is_text_and_kv_memory_is_refused(local, loaded):
    kv = await kv_of(local, MEMORY)
    async with serving(loaded) as (server, generator):
        text, tokens, _ = await run(generator, replace(TASK, memories=(MEMORY,)))
        assert text
        assert len(tokens) == 12
        assert server.asked[0][0] == "/v1/chat/completions"
        assert "cache_salt" in server.asked[0][1]
        with pytest.raises(PlatformError) as caught:
            await run(generator, replace(TASK, kvs=(kv,)))
        assert caught.value.reason is Reason.MODEL_MISMATCH
        assert "folder" in caught.value.message
        assert not generator.info.supports_memory


@pytest.mark.parametrize("change", ["model", "tokens", "garbage", "composition"])
async def test_kv_memory_that_does_not_fit_is_refused(local, loaded, folder, change):
    kv, task = await kv_of(local, MEMORY), TASK
    reason = Reason.INTEGRITY_FAILURE
    if change == "model":
        other = bytes(kv.data).replace(local.info.fingerprint.encode(), b"0" * 64)
        kv, reason = replace(kv, data=bytearray(other)), Reason.MODEL_MISMATCH
    elif change == "tokens":
        kv = replace(kv, token_ids_sha256="0" * 64)
    elif change == "garbage":
        kv = replace(kv, data=bytearray(b"\xff" * 64))
    else:
        task, reason = replace(TASK, compose=ComposePlan(Composition.RE_ROTATED)), Reason.MODEL_MISMATCH
    async with serving(loaded, folder=folder) as (server, generator):
        with pytest.raises(PlatformError) as caught:
            await run(generator, replace(task, kvs=(kv, kv)))
    assert caught.value.reason is reason
    assert not server.asked


async def test_an_adapter_is_loaded_used_kept_and_unloaded_with_its_agreement(local, loaded, folder, tmp_path):
    adapter = random_adapter(loaded, "orgs/a/1", agreements=frozenset({"orgs/p/agreements/x"}))
    task = replace(TASK, adapters=(adapter,))
    expected = (await run(local, task))[1]
    async with serving(loaded, folder=folder, adapters_folder=tmp_path) as (server, generator):
        assert (await run(generator, task))[1] == expected != (await run(generator, TASK))[1]
        await run(generator, task)
        (name,) = server.adapters
        assert [path for path, _ in server.asked].count("/v1/load_lora_adapter") == 1
        assert "orgs" not in name
        assert json.loads((tmp_path / name / "adapter_config.json").read_text())["r"] == adapter.rank
        assert (tmp_path / name / "adapter_model.safetensors").stat().st_mode & 0o777 == 0o640
        generator.drop_agreement("orgs/p/agreements/other")
        assert server.adapters
        generator.drop_agreement("orgs/p/agreements/x")
        async with asyncio.timeout(30):
            while server.adapters or (tmp_path / name).exists():
                await asyncio.sleep(0.01)


async def test_organisations_load_equal_adapters_apart_and_the_least_used_leaves(loaded, folder, tmp_path):
    ones = [random_adapter(loaded, f"orgs/{org}/same") for org in "abc"]
    async with serving(loaded, folder=folder, adapters_folder=tmp_path, most_adapters=2) as (server, generator):
        for one in ones:
            await run(generator, replace(TASK, adapters=(one,)))
        assert len(server.adapters) == 2
        assert len(list(tmp_path.iterdir())) == 2
    assert not server.adapters
    assert not list(tmp_path.iterdir())


async def test_a_server_that_was_started_anew_is_given_the_adapter_again(loaded, folder, tmp_path):
    task = replace(TASK, adapters=(random_adapter(loaded, "orgs/a/1"),))
    async with serving(loaded, folder=folder, adapters_folder=tmp_path) as (server, generator):
        first = await run(generator, task)
        server.restart()
        assert (await run(generator, task))[1] == first[1]
        assert len(server.adapters) == 1


async def test_an_adapter_that_was_forgotten_is_unloaded_and_its_files_go(loaded, folder, tmp_path):
    ones = [random_adapter(loaded, f"orgs/{org}/same") for org in "ab"]
    async with serving(loaded, folder=folder, adapters_folder=tmp_path) as (server, generator):
        for one in ones:
            await run(generator, replace(TASK, adapters=(one,)))
        generator.drop_adapters({ones[0].key, "orgs/c/same"})
        async with asyncio.timeout(60):
            while len(server.adapters) > 1 or len(list(tmp_path.iterdir())) > 1:
                await asyncio.sleep(0.01)
        await run(generator, replace(TASK, adapters=(ones[1],)))
        assert [path for path, _ in server.asked].count("/v1/load_lora_adapter") == 2


async def test_what_ended_while_nobody_ran_is_unloaded_at_the_next_start(loaded, folder, tmp_path):
    adapter = random_adapter(loaded, "orgs/a/1", agreements=frozenset({"x"}))
    async with serving(loaded, folder=folder, adapters_folder=tmp_path) as (server, generator):
        await run(generator, replace(TASK, adapters=(adapter,)))
        later = VllmGenerator(
            "served", base_url=server.base_url, model="base", adapters_folder=tmp_path, secret=str.encode
        )
        later.drop_agreement("x")
        await later.close()
        assert not server.adapters
        assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("options", "adapters", "reason"),
    [
        ({"lora": False}, 1, Reason.MODEL_UNAVAILABLE),
        ({}, 2, Reason.MODEL_MISMATCH),
        ({"adapters_folder": None}, 1, Reason.MODEL_MISMATCH),
        # A rank that is too great: 400 up to 0.11, 500 later.
        ({"fails": 400}, 1, Reason.MODEL_UNAVAILABLE),
        ({"fails": 500}, 1, Reason.MODEL_UNAVAILABLE),
    ],
)
async def test_adapters_that_cannot_be_mounted_are_refused(loaded, folder, tmp_path, options, adapters, reason):
    ones = tuple(random_adapter(loaded, f"orgs/a/{index}") for index in range(adapters))
    fails = options.pop("fails", None) if "fails" in (options := dict(options)) else None
    async with serving(loaded, **{"folder": folder, "adapters_folder": tmp_path} | options) as (server, generator):
        server.fails = {"/v1/load_lora_adapter": fails} if fails else {}
        with pytest.raises(PlatformError) as caught:
            await run(generator, replace(TASK, adapters=ones))
        assert caught.value.reason is reason
        assert not list(tmp_path.iterdir())
        assert (await run(generator, TASK))[2][-1].finish in Finish


@pytest.mark.parametrize(
    ("options", "fails", "reason"),
    [
        ({"api_key": "sesame"}, {}, Reason.MODEL_UNAVAILABLE),
        ({}, {"/v1/completions": 429}, Reason.OVERLOADED),
        ({}, {"/v1/completions": 400}, Reason.FAILED_PRECONDITION),
        ({}, {"/v1/completions": 500}, Reason.UNAVAILABLE),
        ({}, {"/v1/completions": 503}, Reason.UNAVAILABLE),
        ({"max_model_len": 40}, {}, Reason.FAILED_PRECONDITION),
        ({"version": "0.10.1.1"}, {}, Reason.MODEL_UNAVAILABLE),
    ],
)
async def test_errors_are_told_apart(loaded, folder, options, fails, reason):
    server = VllmServer(loaded.model, loaded.tokenizer, **options)
    server.fails = fails
    async with vllm_server(server):
        generator = VllmGenerator("served", base_url=server.base_url, model="base", folder=folder, secret=str.encode)
        with pytest.raises(PlatformError) as caught:
            await run(generator, TASK)
        await generator.close()
    assert caught.value.reason is reason


async def test_a_server_that_ignores_salts_is_given_no_memory(loaded, folder):
    server = VllmServer(loaded.model, loaded.tokenizer, version="0.9.2")
    async with vllm_server(server):
        generator = VllmGenerator("served", base_url=server.base_url, model="base", folder=folder, secret=str.encode)
        with pytest.raises(PlatformError, match=r"vLLM 0\.9\.2, .*0\.10\.2 or later") as caught:
            await run(generator, TASK)
        with pytest.raises(PlatformError, match="or later"):
            await generator.score([], isolation="orgs/a")
        await generator.close()
    assert caught.value.reason is Reason.MODEL_UNAVAILABLE
    assert not server.asked


@pytest.mark.parametrize("version", [None, "0.10.2", "0.1.dev12+g0123abc", "0.11.1rc2.dev3", "", "next"])
async def test_a_server_whose_version_is_hidden_or_late_enough_is_asked(loaded, folder, version):
    server = VllmServer(loaded.model, loaded.tokenizer, version=version)
    async with vllm_server(server):
        generator = VllmGenerator("served", base_url=server.base_url, model="base", folder=folder, secret=str.encode)
        assert (await run(generator, TASK))[1]
        await generator.close()


async def test_what_the_models_files_prefer_is_not_mixed_in(local, loaded, folder):
    async with serving(loaded, folder=folder) as (server, generator):
        server.generation_config = {"repetition_penalty": 5.0}
        _, tokens, _ = await run(generator, TASK)
    assert tokens == (await run(local, TASK))[1]
    body = server.asked[0][1]
    assert (body["repetition_penalty"], body["top_k"], body["top_p"], body["min_p"]) == (1.0, 0, 1.0, 0.0)


async def test_a_stop_text_ends_the_answer_as_it_does_here(local, loaded, folder):
    whole, _, _ = await run(local, TASK)
    task = replace(TASK, sampling=Sampling(12, stop=(whole[3:5],)))
    async with serving(loaded, folder=folder) as (_, generator):
        text, _, found = await run(generator, task)
    here, _, expected = await run(local, task)
    assert (text, found[-1].finish) == (here, expected[-1].finish) == (whole[: whole.find(whole[3:5])], Finish.STOP)


@pytest.mark.parametrize("after", [0, 3])
async def test_a_failure_in_the_middle_of_a_stream_is_no_answer(loaded, folder, after):
    async with serving(loaded, folder=folder) as (server, generator):
        server.breaks_after = after
        with pytest.raises(PlatformError) as caught:
            await run(generator, TASK)
        assert caught.value.reason is Reason.UNAVAILABLE
        server.breaks_after = None
        assert (await run(generator, TASK))[1]


async def test_a_silent_server_is_given_up(loaded, folder):
    async with serving(loaded, folder=folder, timeout_s=0.3) as (server, generator):
        server.hangs.clear()
        with pytest.raises(PlatformError) as caught:
            await run(generator, TASK)
        server.hangs.set()
    assert caught.value.reason is Reason.UNAVAILABLE


async def test_a_caller_that_goes_hangs_up(loaded, folder):
    async with serving(loaded, folder=folder) as (server, generator):
        async with aclosing(generator.generate(replace(TASK, sampling=Sampling(40)))) as events:
            assert isinstance(await anext(events), PromptRead)
        await asyncio.wait_for(server.gone.wait(), 30)


async def test_prompts_beyond_the_window_are_refused_here(loaded, folder):
    async with serving(loaded, folder=folder, context_tokens=32) as (server, generator):
        with pytest.raises(PlatformError) as caught:
            await run(generator, replace(TASK, memories=(MEMORY,)))
    assert caught.value.reason is Reason.INVALID_FIELD
    assert not server.asked


async def test_tokens_are_counted_with_the_models_own_tokenizer_and_no_cache_is_built(local, loaded, folder):
    async with serving(loaded, folder=folder) as (_, generator):
        assert await generator.count_tokens(["Mars"]) == await local.count_tokens(["Mars"])
        with pytest.raises(PlatformError) as caught:
            await generator.build_kv([MEMORY], form=KvForm.FLOAT16, progress=lambda *_: None)
    assert caught.value.reason is Reason.MODEL_UNAVAILABLE
