"""Families whose positions or attention differ: each mounts KV memory right, or says that it cannot.

ALiBi adds to the scores, NoPE tells no positions, learned positions cannot be moved; sinks take attention that has
nowhere to go; windows forget; recurrent models keep no keys at all.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from transformers import (
    BloomConfig,
    BloomForCausalLM,
    Gemma3ForCausalLM,
    Gemma3TextConfig,
    GptOssConfig,
    GptOssForCausalLM,
    MambaConfig,
    MambaForCausalLM,
    MptConfig,
    MptForCausalLM,
    OPTConfig,
    OPTForCausalLM,
    SmolLM3Config,
    SmolLM3ForCausalLM,
)

from memporium_platform.errors import PlatformError, Reason
from memporium_services.inference.adapters.generators.tiny_random import load_tiny_random
from memporium_services.inference.adapters.generators.torch_engine import CausalEngine
from memporium_services.inference.domain.values import ComposePlan, Composition, KvBlob, KvForm

SIZES = {"vocab_size": 300, "hidden_size": 64, "max_position_embeddings": 512}
LAYERS = {"num_hidden_layers": 4, "num_attention_heads": 4, "intermediate_size": 96}
WIDE = {"initializer_range": 0.25}
GROUPED = {**SIZES, **LAYERS, **WIDE, "num_key_value_heads": 2}
EXPERTS = {**GROUPED, "head_dim": 16, "num_local_experts": 2, "num_experts_per_tok": 1, "rope_parameters": None}
MPT = {"vocab_size": 300, "d_model": 64, "n_layers": 3, "n_heads": 4, "max_seq_len": 512}
FAMILIES = {
    "alibi bloom": (
        BloomForCausalLM,
        BloomConfig,
        {"vocab_size": 300, "hidden_size": 64, "n_layer": 3, "n_head": 4, **WIDE},
    ),
    "alibi mpt": (MptForCausalLM, MptConfig, {**MPT, **WIDE}),
    "every other layer nope": (SmolLM3ForCausalLM, SmolLM3Config, {**GROUPED, "no_rope_layers": [1, 0, 1, 0]}),
    "nope alone": (SmolLM3ForCausalLM, SmolLM3Config, {**GROUPED, "no_rope_layers": [0, 0, 0, 0]}),
    "learned positions": (
        OPTForCausalLM,
        OPTConfig,
        {**SIZES, "num_hidden_layers": 3, "num_attention_heads": 4, "ffn_dim": 96, "word_embed_proj_dim": 64}
        | {"init_std": 0.25},
    ),
    "sinks": (GptOssForCausalLM, GptOssConfig, {**EXPERTS, "layer_types": ["full_attention"] * 4}),
    "sinks and windows": (GptOssForCausalLM, GptOssConfig, {**EXPERTS, "sliding_window": 16}),
    "windows in some layers": (Gemma3ForCausalLM, Gemma3TextConfig, {**GROUPED, "head_dim": 16, "sliding_window": 16}),
}
MOUNT = ["alibi bloom", "alibi mpt", "every other layer nope", "nope alone", "learned positions", "sinks"]
MOVE = ["alibi bloom", "alibi mpt", "every other layer nope", "nope alone"]
SELECT = ["every other layer nope", "nope alone"]
FIRST = [7 + (index * 31) % 250 for index in range(60)]
SECOND = [9 + (index * 17) % 250 for index in range(45)]
QUERY = [11, 45, 99, 140, 2, 7]
RE_ROTATED = ComposePlan(Composition.RE_ROTATED)


def engine_of(family):
    kind, config, options = FAMILIES[family]
    options = {name: value for name, value in options.items() if value is not None}
    torch.manual_seed(5)
    model = kind(config(bos_token_id=None, eos_token_id=None, pad_token_id=None, **options)).eval()
    return CausalEngine(replace(load_tiny_random(), model=model, fingerprint=family))


def driven(steps):
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


def kv_of(engine, ids):
    built = driven(engine.build_kv(ids, KvForm.FLOAT16))
    return engine.open_kv(KvBlob(bytearray(built.data), built.token_ids_sha256, built.token_count))


def read(engine, ids, kvs=(), plan=ComposePlan()):  # noqa: B008 - frozen
    return driven(engine.read(ids, capacity=160, kvs=kvs, plan=plan))


def answer(engine, found, count=10):
    tokens, logits = [], found.logits
    while len(tokens) < count:
        tokens.append(int(logits.argmax()))
        (logits,) = engine.step(tokens[-1:], [found.cache])
    return tokens


def divergence(of, from_):
    log_from, log_of = torch.log_softmax(from_.float(), -1), torch.log_softmax(of.float(), -1)
    return float((log_from.exp() * (log_from - log_of)).sum())


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_writes_as_transformers_has_it_write(family):
    engine = engine_of(family)
    plain = engine.loaded.model.generate(
        input_ids=torch.tensor([FIRST + QUERY]), max_new_tokens=10, do_sample=False, pad_token_id=0
    )
    assert answer(engine, read(engine, FIRST + QUERY)) == plain[0, len(FIRST + QUERY) :].tolist()


@pytest.mark.parametrize("family", MOUNT)
def test_a_mounted_cache_and_exact_composition_answer_as_the_text(family):
    engine = engine_of(family)
    kvs = [kv_of(engine, ids) for ids in (FIRST, SECOND)]
    assert answer(engine, read(engine, QUERY, kvs[:1])) == answer(engine, read(engine, FIRST + QUERY))
    assert answer(engine, read(engine, QUERY, kvs)) == answer(engine, read(engine, FIRST + SECOND + QUERY))


@pytest.mark.parametrize("family", ["sinks and windows", "windows in some layers"])
def test_windows_are_refused_clearly(family):
    engine = engine_of(family)
    assert not engine.supports_kv
    with pytest.raises(PlatformError) as caught:
        driven(engine.build_kv(FIRST, KvForm.FLOAT16))
    assert caught.value.reason is Reason.MODEL_MISMATCH


@pytest.mark.parametrize("family", MOVE)
def test_keys_that_know_no_position_are_moved_by_leaving_them(family):
    engine = engine_of(family)
    # One token alone has seen nothing before itself: behind another, only its place is another.
    kvs = [kv_of(engine, ids) for ids in (FIRST[:1], SECOND[:1])]
    with torch.inference_mode():
        cache = engine._cache(8)
        driven(engine._composer.mount(cache, kvs, RE_ROTATED, None))
        there = torch.tensor([[1]])
        options = {} if "bloom" in family or "mpt" in family else {"position_ids": there}
        model = engine.loaded.model
        alone = model(input_ids=torch.tensor([SECOND[:1]]), use_cache=True, **options).past_key_values
    for layer, expected in zip(cache.layers, alone.layers, strict=True):
        torch.testing.assert_close(layer.keys[:, :, 1:], expected.keys, atol=2e-2, rtol=1e-2)


@pytest.mark.parametrize("family", SELECT)
def test_more_recomputed_tokens_come_closer_to_the_text(family):
    engine = engine_of(family)
    kvs = [kv_of(engine, ids) for ids in (FIRST, SECOND)]
    exact = read(engine, FIRST + SECOND + QUERY).logits
    every = read(engine, QUERY, kvs, ComposePlan(Composition.SELECTIVE, 1.0)).logits
    assert divergence(every, exact) < 1e-3 < divergence(read(engine, QUERY, kvs, RE_ROTATED).logits, exact)


@pytest.mark.parametrize("family", [family for family in MOUNT if family not in MOVE])
@pytest.mark.parametrize("composition", [Composition.RE_ROTATED, Composition.SELECTIVE])
def test_positions_that_cannot_be_moved_are_refused_clearly(family, composition):
    engine = engine_of(family)
    kvs = [kv_of(engine, ids) for ids in (FIRST, SECOND)]
    with pytest.raises(PlatformError) as caught:
        read(engine, QUERY, kvs, ComposePlan(composition))
    assert caught.value.reason is Reason.MODEL_MISMATCH
    assert "EXACT" in caught.value.message


@pytest.mark.parametrize("family", [family for family in MOVE if family not in SELECT])
def test_families_that_make_their_own_mask_compute_no_chosen_tokens_again(family):
    engine = engine_of(family)
    kvs = [kv_of(engine, ids) for ids in (FIRST, SECOND)]
    with pytest.raises(PlatformError) as caught:
        read(engine, QUERY, kvs, ComposePlan(Composition.SELECTIVE, 0.5))
    assert caught.value.reason is Reason.MODEL_MISMATCH
    assert "RE_ROTATED" in caught.value.message


def test_a_model_without_attention_is_refused_when_it_is_loaded():
    model = MambaForCausalLM(MambaConfig(vocab_size=300, hidden_size=64, num_hidden_layers=2))
    with pytest.raises(PlatformError) as caught:
        CausalEngine(replace(load_tiny_random(), model=model))
    assert caught.value.reason is Reason.MODEL_UNAVAILABLE
    assert "mamba" in caught.value.message
