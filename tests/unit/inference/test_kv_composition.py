"""Several KV caches in one prompt, their number formats, and what models of other families do with them."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from transformers import (
    GemmaConfig,
    GemmaForCausalLM,
    GPT2Config,
    GPT2LMHeadModel,
    GPTNeoXConfig,
    GPTNeoXForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    Qwen2Config,
    Qwen2ForCausalLM,
)

from memporium_platform.errors import PlatformError, Reason
from memporium_services.inference.adapters.generators.tiny_random import load_tiny_random
from memporium_services.inference.adapters.generators.torch_engine import CausalEngine
from memporium_services.inference.domain.values import ComposePlan, Composition, KvBlob, KvForm

SMALL = {"vocab_size": 300, "hidden_size": 64, "initializer_range": 0.25, "max_position_embeddings": 512}
LAYERS = {"num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 96}
FAMILIES = {
    "llama": None,
    "qwen2": (Qwen2ForCausalLM, Qwen2Config, {**SMALL, **LAYERS, "num_key_value_heads": 2}),
    "multi-query gemma": (GemmaForCausalLM, GemmaConfig, {**SMALL, **LAYERS, "num_key_value_heads": 1, "head_dim": 16}),
    "partly rotated neox": (GPTNeoXForCausalLM, GPTNeoXConfig, {**SMALL, **LAYERS, "rotary_pct": 0.25}),
    "gpt2 without rotary": (
        GPT2LMHeadModel,
        GPT2Config,
        {"vocab_size": 300, "n_embd": 64, "n_layer": 3, "n_head": 4, "n_positions": 512, "initializer_range": 0.25},
    ),
    "mistral with a window": (
        MistralForCausalLM,
        MistralConfig,
        {**SMALL, **LAYERS, "num_key_value_heads": 2, "sliding_window": 16},
    ),
}
FIRST = [7 + (index * 31) % 250 for index in range(60)]
SECOND = [9 + (index * 17) % 250 for index in range(45)]
THIRD = [5 + (index * 13) % 250 for index in range(30)]
QUERY = [11, 45, 99, 140, 2, 7]
EXACT = ComposePlan()
RE_ROTATED = ComposePlan(Composition.RE_ROTATED)


def engine_of(family):
    loaded = load_tiny_random()
    if FAMILIES[family] is None:
        return CausalEngine(loaded)
    kind, config, options = FAMILIES[family]
    torch.manual_seed(5)
    model = kind(config(bos_token_id=None, eos_token_id=None, pad_token_id=None, **options)).eval()
    return CausalEngine(replace(loaded, model=model, fingerprint=family))


@pytest.fixture(scope="module")
def engine():
    return engine_of("llama")


def driven(steps):
    """Return what a generator returns."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


def kv_of(engine, ids, form=KvForm.FLOAT16):
    built = driven(engine.build_kv(ids, form))
    return engine.open_kv(KvBlob(bytearray(built.data), built.token_ids_sha256, built.token_count)), built


def logits_of(engine, kvs, plan, query=QUERY):
    capacity = sum(len(kv.ids) for kv in kvs) + len(query) + 32
    return driven(engine.read(query, capacity=capacity, kvs=kvs, plan=plan))


def answer(engine, read, count=12):
    tokens, logits = [], read.logits
    while len(tokens) < count:
        tokens.append(int(logits.argmax()))
        (logits,) = engine.step(tokens[-1:], [read.cache])
    return tokens


def divergence(of, from_):
    log_from, log_of = torch.log_softmax(from_.float(), -1), torch.log_softmax(of.float(), -1)
    return float((log_from.exp() * (log_from - log_of)).sum())


@pytest.mark.parametrize("family", FAMILIES)
def test_a_mounted_cache_answers_as_the_text_in_every_family(family):
    engine = engine_of(family)
    as_text = answer(engine, logits_of(engine, [], EXACT, [*FIRST, *QUERY]))
    kv, _ = kv_of(engine, FIRST)
    read = logits_of(engine, [kv], EXACT)
    assert answer(engine, read) == as_text
    assert read.cached_tokens == len(FIRST)


@pytest.mark.parametrize("family", FAMILIES)
def test_exact_composition_answers_as_the_text_in_every_family(family):
    engine = engine_of(family)
    as_text = answer(engine, logits_of(engine, [], EXACT, [*FIRST, *SECOND, *THIRD, *QUERY]))
    kvs = [kv_of(engine, ids)[0] for ids in (FIRST, SECOND, THIRD)]
    read = logits_of(engine, kvs, EXACT)
    assert answer(engine, read) == as_text
    assert read.cached_tokens == len(FIRST)


@pytest.mark.parametrize("family", ["llama", "qwen2", "multi-query gemma", "partly rotated neox"])
def test_moved_keys_are_those_of_the_place_they_are_moved_to(family):
    engine = engine_of(family)
    # One token alone sees nothing before itself: moving is then all there is to composing.
    kv, _ = kv_of(engine, SECOND[:1])
    with torch.inference_mode():
        cache = engine._cache(64)
        driven(engine._composer.mount(cache, [kv_of(engine, FIRST[:1])[0], kv], RE_ROTATED, None))
        model, there = engine.loaded.model, torch.tensor([[1]])
        alone = model(input_ids=torch.tensor([SECOND[:1]]), position_ids=there, use_cache=True).past_key_values
    for layer, expected in zip(cache.layers, alone.layers, strict=True):
        torch.testing.assert_close(layer.keys[:, :, 1:], expected.keys, atol=2e-2, rtol=1e-2)


def test_models_whose_positions_cannot_be_moved_say_so():
    engine = engine_of("gpt2 without rotary")
    kvs = [kv_of(engine, ids)[0] for ids in (FIRST, SECOND)]
    with pytest.raises(PlatformError) as caught:
        logits_of(engine, kvs, RE_ROTATED)
    assert caught.value.reason is Reason.MODEL_MISMATCH
    assert "EXACT" in caught.value.message


def test_more_recomputed_tokens_come_closer_to_the_text(engine):
    exact = logits_of(engine, [], EXACT, [*FIRST, *SECOND, *QUERY]).logits
    kvs = [kv_of(engine, ids)[0] for ids in (FIRST, SECOND)]
    moved = logits_of(engine, kvs, RE_ROTATED)
    half = logits_of(engine, kvs, ComposePlan(Composition.SELECTIVE, 0.5))
    every = logits_of(engine, kvs, ComposePlan(Composition.SELECTIVE, 1.0))
    assert divergence(every.logits, exact) < 1e-4
    assert divergence(half.logits, exact) < divergence(moved.logits, exact)
    assert (moved.cached_tokens, half.cached_tokens, every.cached_tokens) == (105, 105 - 23, 60)


def test_selected_tokens_alone_are_written(engine):
    kvs = [kv_of(engine, ids)[0] for ids in (FIRST, SECOND)]
    with torch.inference_mode():
        before, after = engine._cache(128), engine._cache(128)
        driven(engine._composer.mount(before, kvs, RE_ROTATED, None))
        driven(engine._composer.mount(after, kvs, ComposePlan(Composition.SELECTIVE, 0.4), None))
    same = (before.layers[-1].keys == after.layers[-1].keys).all(dim=-1).all(dim=1)[0]
    assert int((~same).sum()) == 18
    assert same[: len(FIRST)].all()


@pytest.mark.parametrize(
    ("form", "greatest_error", "share"),
    [
        (KvForm.FLOAT16, 5e-4, 1.0),
        (KvForm.BFLOAT16, 4e-3, 1.0),
        (KvForm.INT8, 2e-2, 0.6),
        (KvForm.FLOAT8_E4M3, 5e-2, 0.6),
    ],
)
def test_number_formats_keep_their_error_and_size(engine, form, greatest_error, share):
    kv, built = kv_of(engine, FIRST * 4, form)
    assert built.dtype == form.value
    assert 0 < built.relative_error < greatest_error
    exact = logits_of(engine, [], EXACT, [*FIRST * 4, *QUERY]).logits
    assert divergence(logits_of(engine, [kv], EXACT).logits, exact) < 0.5
    plain = kv_of(engine, FIRST * 4)[1]
    # The token ids, eight bytes each, weigh more in a tiny model than they do in a real one.
    ids = 8 * built.token_count
    assert (len(built.data) - ids) / (len(plain.data) - ids) <= share * 1.25


@pytest.mark.parametrize("change", ["no scale", "scale of another shape", "scale without need"])
def test_scales_that_do_not_fit_are_refused(engine, change):
    from safetensors.torch import load, save

    form = KvForm.FLOAT16 if change == "scale without need" else KvForm.INT8
    _, built = kv_of(engine, FIRST, form)
    tensors = load(built.data)
    if change == "no scale":
        del tensors["layers.0.keys_scale"]
    elif change == "scale of another shape":
        tensors["layers.0.keys_scale"] = tensors["layers.0.keys_scale"][:, :, :1].contiguous()
    else:
        tensors["layers.0.keys_scale"] = torch.ones(2, 1, 16, dtype=torch.float16)
    data = bytearray(save(tensors, {"model_fingerprint": engine.loaded.fingerprint}))
    with pytest.raises(PlatformError) as caught:
        engine.open_kv(KvBlob(data, built.token_ids_sha256, built.token_count))
    assert caught.value.reason is Reason.INTEGRITY_FAILURE


@pytest.mark.parametrize("family", FAMILIES)
def test_rows_of_different_lengths_decode_together_in_every_family(family):
    engine = engine_of(family)
    assert engine.batches
    prompts = [FIRST, SECOND[:20], THIRD]
    alone = [answer(engine, logits_of(engine, [], EXACT, ids)) for ids in prompts]
    reads = [logits_of(engine, [], EXACT, ids) for ids in prompts]
    together, logits = [[] for _ in prompts], [read.logits for read in reads]
    for _ in range(12):
        for tokens, row in zip(together, logits, strict=True):
            tokens.append(int(row.argmax()))
        logits = engine.step([tokens[-1] for tokens in together], [read.cache for read in reads])
    assert together == alone
