"""Adapters of many tenants in one batch: each gets the tokens that it gets alone, and what peft itself gives."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import replace

import pytest
import torch
from peft import LoraConfig, get_peft_model, get_peft_model_state_dict
from safetensors.torch import save

from memporium_platform.errors import PlatformError, Reason
from memporium_services.inference.adapters.generators.tiny_random import load_tiny_random
from memporium_services.inference.adapters.generators.torch_adapters import AdapterBank
from memporium_services.inference.adapters.generators.torch_engine import CausalEngine
from memporium_services.inference.adapters.generators.transformers_local import TransformersGenerator
from memporium_services.inference.domain.values import AdapterBlob, BatchLimits, GenerationTask, Sampling, TextPiece

RANKS = (2, 4, 8, 8)
TASK = GenerationTask(Sampling(24), prompt="What colour is the sky over Mars?")


def random_adapter(seed, rank, *, target="all-linear"):
    """Return (the adapter as stored, the peft model that it was saved from)."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        config = LoraConfig(r=rank, lora_alpha=2.0 * rank, target_modules=target, task_type="CAUSAL_LM")
        model = get_peft_model(load_tiny_random().model, config).eval()
        for name, weight in model.named_parameters():
            if "lora_B" in name:
                torch.nn.init.normal_(weight, std=0.05)
    tensors = {name: tensor.contiguous() for name, tensor in get_peft_model_state_dict(model).items()}
    modules = tuple(sorted(model.peft_config["default"].target_modules))
    return AdapterBlob(f"tenant{seed}/x", bytearray(save(tensors)), rank, 2.0 * rank, modules), model


@pytest.fixture(scope="module")
def made():
    return [random_adapter(seed, rank) for seed, rank in enumerate(RANKS)]


async def tokens_of(generator, task):
    async with aclosing(generator.generate(task)) as events:
        return [token async for event in events if isinstance(event, TextPiece) for token in event.token_ids]


def test_a_mounted_adapter_gives_what_peft_gives(made):
    loaded = load_tiny_random()
    bank = AdapterBank(loaded.model, loaded.fingerprint)
    ids = torch.tensor([loaded.tokenizer("The sky over Mars is", add_special_tokens=False)["input_ids"]])
    with torch.inference_mode():
        bare = loaded.model(ids).logits
        for blob, model in made:
            with bank.on([bank.open([blob])]):
                found = loaded.model(ids).logits
            assert torch.allclose(found, model(ids).logits, atol=1e-4)
            assert not torch.allclose(found, bare, atol=1e-2)
        assert torch.equal(loaded.model(ids).logits, bare)


def test_a_row_without_an_adapter_gets_exactly_what_the_bare_model_gives(made):
    loaded = load_tiny_random()
    bank = AdapterBank(loaded.model, loaded.fingerprint)
    ids = torch.tensor([[5, 6, 7]] * 3)
    with torch.inference_mode():
        bare = loaded.model(ids).logits
        with bank.on([bank.open([made[0][0]]), None, bank.open([made[2][0]])]):
            mixed = loaded.model(ids).logits
    assert torch.equal(mixed[1], bare[1])
    assert not torch.equal(mixed[0], bare[0])
    assert not torch.equal(mixed[0], mixed[2])


async def test_many_adapters_decode_together_with_the_tokens_of_each_alone(made):
    generator = TransformersGenerator("tiny-random", load_tiny_random, limits=BatchLimits(8))
    blobs = [blob for blob, _ in made]
    mounts = [(blob,) for blob in blobs] + [(), (blobs[0], blobs[2]), (), (blobs[1],)]
    tasks = [replace(TASK, adapters=adapters, prompt=f"Sky {index}?") for index, adapters in enumerate(mounts)]
    alone = [await tokens_of(generator, task) for task in tasks]
    engine, shared = generator._engine, []
    step = CausalEngine.step

    def noted(tokens, caches, adapters):
        shared.append(len({id(one) for one in adapters}))
        return step(engine, tokens, caches, adapters)

    engine.step = noted
    together = await asyncio.gather(*(tokens_of(generator, task) for task in tasks))
    await generator.close()
    assert together == alone
    assert len({tuple(tokens) for tokens in alone}) == len(tasks)
    # Seven different mounts, the bare model's rows among them, in one step.
    assert max(shared) >= 6


async def test_an_adapter_comes_and_goes_while_others_write(made):
    generator = TransformersGenerator("tiny-random", load_tiny_random, limits=BatchLimits(4))
    quiet = await tokens_of(generator, replace(TASK, sampling=Sampling(400), adapters=(made[0][0],)))
    running = asyncio.create_task(tokens_of(generator, replace(TASK, sampling=Sampling(400), adapters=(made[0][0],))))
    for blob, _ in made[1:]:
        await tokens_of(generator, replace(TASK, sampling=Sampling(4), adapters=(blob,)))
    assert not running.done()
    assert await running == quiet
    await generator.close()


async def test_the_end_of_an_agreement_unloads_its_adapters_at_once(made):
    generator = TransformersGenerator("tiny-random", load_tiny_random)
    licensed = replace(made[0][0], agreements=frozenset({"orgs/p/agreements/x"}))
    await tokens_of(generator, replace(TASK, adapters=(licensed,)))
    await tokens_of(generator, replace(TASK, adapters=(made[1][0],)))
    assert generator._engine.adapters.held == {"tenant0/x", "tenant1/x"}
    generator.drop_agreement("orgs/p/agreements/x")
    await generator.load()
    await generator.count_tokens(["after the step"])
    assert generator._engine.adapters.held == {"tenant1/x"}
    await generator.close()
    generator.drop_agreement("orgs/p/agreements/x")


async def test_an_adapter_that_was_forgotten_is_unloaded_by_its_key(made):
    generator = TransformersGenerator("tiny-random", load_tiny_random)
    generator.drop_adapters({"tenant0/x"})
    both = tuple(one[0] for one in made[:2])
    for adapters in ((both[0],), (both[1],), both):
        await tokens_of(generator, replace(TASK, adapters=adapters))
    generator.drop_adapters({"tenant0/x", "tenant7/x"})
    await generator.count_tokens(["after the step"])
    # Alone and together with another.
    assert generator._engine.adapters.held == {"tenant1/x"}
    assert len(generator._engine.adapters._held) == 1
    await generator.close()


def test_the_same_bytes_under_a_further_agreement_go_with_either(made):
    loaded = load_tiny_random()
    bank = AdapterBank(loaded.model, loaded.fingerprint)
    first = bank.open([replace(made[0][0], agreements=frozenset({"a"}))])
    second = bank.open([replace(made[0][0], agreements=frozenset({"b"}))])
    assert second.factors is first.factors
    bank.drop_agreement("a")
    assert bank.held == frozenset()


def test_the_adapter_of_another_model_is_refused(made):
    loaded = load_tiny_random()
    bank = AdapterBank(loaded.model, loaded.fingerprint)
    tensors = get_peft_model_state_dict(made[0][1])
    foreign = save({name: tensor.contiguous() for name, tensor in tensors.items()}, {"model_fingerprint": "0" * 64})
    with pytest.raises(PlatformError) as caught:
        bank.open([replace(made[0][0], key="t/foreign", data=bytearray(foreign))])
    assert caught.value.reason is Reason.MODEL_MISMATCH
    wide = {name: torch.cat([tensor, tensor], dim=0 if "lora_B" in name else 1) for name, tensor in tensors.items()}
    with pytest.raises(PlatformError) as caught:
        bank.open([replace(made[0][0], key="t/wide", data=bytearray(save(wide)))])
    assert caught.value.reason is Reason.MODEL_MISMATCH
