"""Adapters merged: what the methods keep, checked against the deltas themselves and against peft."""

from __future__ import annotations

import pytest
import torch
from peft import LoraConfig, get_peft_model, get_peft_model_state_dict, set_peft_model_state_dict
from safetensors.torch import load, save

from memporium_platform.errors import PlatformError, Reason
from memporium_services.inference.adapters.generators.tiny_random import load_tiny_random
from memporium_services.inference.adapters.trainers.peft_lora import PeftTrainer
from memporium_services.inference.adapters.trainers.torch_merging import merge
from memporium_services.inference.domain.lessons import stated
from memporium_services.inference.domain.trainings import MergeMethod, MergePlan
from memporium_services.inference.domain.values import AdapterBlob

FINGERPRINT = "f" * 64


def adapter(seed, rank, *, out=12, width=10, fingerprint=FINGERPRINT):
    generator = torch.Generator().manual_seed(seed)
    tensors = {
        f"base_model.model.layer{index}{part}": torch.randn(*shape, generator=generator).half()
        for index in range(2)
        for part, shape in ((".lora_A.weight", (rank, width)), (".lora_B.weight", (out, rank)))
    }
    data = bytearray(save(tensors, {"model_fingerprint": fingerprint}))
    return AdapterBlob(f"a{seed}", data, rank, 2.0 * rank, ("layer0", "layer1"))


def delta(data, alpha, rank, layer="base_model.model.layer0"):
    tensors = load(bytes(data))
    up, down = tensors[f"{layer}.lora_B.weight"].float(), tensors[f"{layer}.lora_A.weight"].float()
    return up @ down * alpha / rank


def test_singular_values_of_full_rank_keep_the_very_sum():
    one, two = adapter(1, 2), adapter(2, 3)
    data, rank = merge([one, two], MergePlan((1.0, 0.5)), fingerprint=FINGERPRINT)
    assert rank == 5
    wanted = delta(one.data, one.alpha, one.rank) + 0.5 * delta(two.data, two.alpha, two.rank)
    found = delta(data, rank, rank)
    assert float((found - wanted).norm() / wanted.norm()) < 2e-3


def test_a_lower_rank_is_the_nearest_that_there_is():
    one, two = adapter(1, 2), adapter(2, 3)
    data, _ = merge([one, two], MergePlan((1.0, 1.0), rank=3), fingerprint=FINGERPRINT)
    wanted = delta(one.data, one.alpha, one.rank) + delta(two.data, two.alpha, two.rank)
    values = torch.linalg.svdvals(wanted)
    missed = float((delta(data, 3, 3) - wanted).norm())
    assert missed == pytest.approx(float(values[3:].norm()), rel=0.01)


@pytest.mark.parametrize(
    "method", [MergeMethod.LINEAR, MergeMethod.TIES, MergeMethod.DARE_LINEAR, MergeMethod.DARE_TIES]
)
def test_the_factors_are_merged_as_peft_merges_them(method):
    loaded = load_tiny_random()
    config = LoraConfig(r=4, lora_alpha=8.0, target_modules=["q_proj"], task_type="CAUSAL_LM")
    model = get_peft_model(loaded.model, config, adapter_name="one")
    model.add_adapter("two", config)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "lora_" in name:
                weight.copy_(torch.randn(weight.shape, generator=torch.Generator().manual_seed(len(name))).half())
    blobs = []
    for name in ("one", "two"):
        tensors = {
            key: value.contiguous() for key, value in get_peft_model_state_dict(model, adapter_name=name).items()
        }
        blobs.append(AdapterBlob(name, bytearray(save(tensors)), 4, 8.0, ("q_proj",)))
    plan = MergePlan((1.0, 0.5), method, density=0.6, seed=3)
    data, rank = merge(blobs, plan, fingerprint=FINGERPRINT)
    ours = load(data)
    if method in {MergeMethod.LINEAR, MergeMethod.TIES}:
        density = {} if method is MergeMethod.LINEAR else {"density": 0.6}
        model.add_weighted_adapter(["one", "two"], [1.0, 0.5], "both", combination_type=method.value, **density)
        theirs = get_peft_model_state_dict(model, adapter_name="both")
        assert all(torch.allclose(ours[name].float(), theirs[name], atol=1e-2) for name in ours)
    assert rank == 4
    # Dropping at random repeats itself with its seed.
    assert merge(blobs, plan, fingerprint=FINGERPRINT)[0] == data
    set_peft_model_state_dict(model, {name: value.float() for name, value in ours.items()}, adapter_name="one")


def test_a_lower_rank_is_filled_up_and_changes_no_delta():
    one, two = adapter(1, 2), adapter(2, 3)
    data, rank = merge([one, two], MergePlan((1.0, 0.0), MergeMethod.LINEAR), fingerprint=FINGERPRINT)
    assert rank == 3
    wanted = delta(one.data, one.alpha, one.rank)
    assert float((delta(data, 3, 3) - wanted).norm() / wanted.norm()) < 2e-3


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        (adapter(2, 2, fingerprint="0" * 64), Reason.MODEL_MISMATCH),
        (adapter(2, 2, width=7), Reason.MODEL_MISMATCH),
        (AdapterBlob("x", adapter(2, 2).data, 3, 6.0, ("layer0",)), Reason.INTEGRITY_FAILURE),
    ],
)
def test_adapters_of_different_models_are_not_merged(other, reason):
    with pytest.raises(PlatformError) as caught:
        merge([adapter(1, 2), other], MergePlan((1.0, 1.0)), fingerprint=FINGERPRINT)
    assert caught.value.reason is reason


async def test_the_result_is_asked_for_what_each_parent_was_taught():
    loaded = load_tiny_random()
    blobs = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        config = LoraConfig(r=2, lora_alpha=4.0, target_modules=["q_proj"], task_type="CAUSAL_LM")
        model = get_peft_model(load_tiny_random().model, config)
        tensors = {name: value.contiguous() for name, value in get_peft_model_state_dict(model).items()}
        data = bytearray(save(tensors, {"model_fingerprint": loaded.fingerprint}))
        blobs.append(AdapterBlob(f"cube{seed}", data, 2, 4.0, ("q_proj",)))
    lessons = {"cube1": [stated("Ada", "home", "Oslo")], "cube2": [stated("Ada", "dog", "Rex")], "cube3": []}
    asked = []
    trainer = PeftTrainer("tiny-random", lambda: loaded)
    found = await trainer.merge(
        blobs, MergePlan((1.0, 1.0)), lessons=lessons, evaluating=lambda *step: asked.append(step)
    )
    await trainer.close()
    assert found.rank == 4
    assert found.evaluation.questions == 4
    assert [(one.cube, one.questions) for one in found.evaluation.parents] == [("cube1", 2), ("cube2", 2), ("cube3", 0)]
    # Adapters that were not trained change nothing.
    assert found.evaluation.perplexity_after == pytest.approx(found.evaluation.perplexity_before, rel=1e-3)
    assert asked[-1][0] == asked[-1][1]
