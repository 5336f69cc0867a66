"""Marks in adapters and KV caches, and the detectors that read them after an attack."""

from __future__ import annotations

import numpy as np
import pytest

from memporium_platform.bundle.tensors import TensorFileError
from memporium_platform.tracing import activation, lora, spread
from memporium_platform.tracing.accusing import accused
from memporium_platform.tracing.keys import TracingSecret
from memporium_platform.tracing.tensors import TensorFile, packed
from support import tensor_leaks as attacks

SECRET = TracingSecret(b"t" * 32)
KEYS = {f"recipient {number}": SECRET.recipient(f"recipient {number}") for number in range(30)}
ADAPTER, OTHER, CACHE = attacks.adapter(), attacks.adapter(5), attacks.cache()


def copies(data, mark, *numbers):
    return [mark(data, KEYS[f"recipient {number}"]) for number in numbers]


def named(scores, detectors):
    return {score.recipient for score in scores if accused(score, recipients=1000, detectors=detectors)}


@pytest.mark.parametrize(
    "attack",
    [
        lambda data: data,
        attacks.int8,
        attacks.halved,
        lambda data: attacks.merged(data, OTHER),
        lambda data: attacks.noisy(data, 0.1),
        lambda data: attacks.scaled(data, -0.3),
        lambda data: attacks.int8(attacks.halved(data)),
    ],
    ids=["copy", "int8", "rank halved", "merged", "noise", "scaled", "rank and int8"],
)
def test_a_leaked_adapter_names_its_recipient(attack):
    (copy,) = copies(ADAPTER, lora.mark, 7)
    assert named(lora.detect(ADAPTER, attack(copy), KEYS), lora.DETECTORS) == {"recipient 7"}


def test_an_average_of_adapters_names_those_who_made_it():
    leak = attacks.averaged(copies(ADAPTER, lora.mark, 1, 2, 3, 4, 5))
    found = named(lora.detect(ADAPTER, leak, KEYS), lora.DETECTORS)
    assert found == {f"recipient {number}" for number in (1, 2, 3, 4, 5)}


def test_adapters_that_nobody_got_name_nobody():
    for leak in (ADAPTER, OTHER, attacks.merged(ADAPTER, OTHER), attacks.noisy(ADAPTER, 0.3)):
        assert named(lora.detect(ADAPTER, leak, KEYS), lora.DETECTORS) == set()
    assert lora.detect(ADAPTER, CACHE, KEYS) == []


def test_an_adapter_under_the_names_of_another_library_is_compared():
    (copy,) = copies(ADAPTER, lora.mark, 3)
    renamed = packed(
        {
            name.replace("base_model.model.model.", "transformer.").replace(".weight", ".default.weight"): numbers
            for name, numbers in attacks.opened(copy).items()
        }
    )
    assert named(lora.detect(ADAPTER, renamed, KEYS), lora.DETECTORS) == {"recipient 3"}


@pytest.mark.parametrize(
    "attack",
    [
        lambda data: data,
        attacks.int8,
        lambda data: attacks.noisy(data, 0.1),
        lambda data: attacks.cut(data, np.random.default_rng(1).permutation(80)[:40]),
        lambda data: attacks.cut(data, slice(20, 60)),
    ],
    ids=["copy", "int8", "noise", "half of the tokens, in another order", "a stretch"],
)
def test_a_leaked_cache_names_its_recipient(attack):
    (copy,) = copies(CACHE, activation.mark, 7)
    assert named(activation.detect(CACHE, attack(copy), KEYS), activation.DETECTORS) == {"recipient 7"}


def test_caches_that_nobody_got_name_nobody():
    for leak in (CACHE, attacks.cache(9), attacks.noisy(CACHE, 0.3)):
        assert named(activation.detect(CACHE, leak, KEYS), activation.DETECTORS) == set()
    assert activation.detect(CACHE, ADAPTER, KEYS) == []


def test_marks_are_on_b_and_on_values_alone_and_of_a_hundredth():
    for data, mark, part in ((ADAPTER, lora.mark, "lora_B"), (CACHE, activation.mark, "values")):
        (copy,) = copies(data, mark, 1)
        assert mark(data, KEYS["recipient 1"]) == copy
        before, after = attacks.opened(data), attacks.opened(copy)
        for name, numbers in before.items():
            change = after[name] - numbers
            assert change.any() == (part in name)
            assert np.abs(change).max() <= 0.0151 * numbers.std()


def test_innocents_score_like_chance():
    (copy,) = copies(ADAPTER, lora.mark, 1)
    evidence = {"x": np.random.default_rng(3).normal(0, 1, 2000).astype("f4")}
    innocents = {str(number): SECRET.recipient(f"innocent {number}") for number in range(2000)}
    scores = spread.scored(innocents, evidence, detector="x")
    size = np.sqrt(float(evidence["x"] @ evidence["x"]))
    raw = np.array([float(evidence["x"] @ spread.signs(key, "x", (2000,))) / size for key in innocents.values()])
    assert abs(raw.mean()) < 0.07
    assert abs(raw.std() - 1) < 0.05
    # The bound grants at least what chance takes.
    for level in (0.1, 0.01):
        assert np.mean([score.log_p <= np.log(level) for score in scores]) <= level
    assert named(lora.detect(ADAPTER, attacks.noisy(copy, 0.2), innocents), lora.DETECTORS) == set()


@pytest.mark.parametrize("dtype", ["F16", "BF16", "F32"])
def test_numbers_of_every_kind_are_read_and_written(dtype):
    numbers = np.random.default_rng(1).normal(0, 1, (8, 16)).astype("f4")
    width = 4 if dtype == "F32" else 2
    head = f'{{"x":{{"dtype":"{dtype}","shape":[8,16],"data_offsets":[0,{128 * width}]}}}}'.encode()
    file = TensorFile(len(head).to_bytes(8, "little") + head + bytes(128 * width))
    again = TensorFile(file.replaced({"x": numbers}))
    assert np.abs(again.read("x") - numbers).max() < 0.02
    assert again.replaced({"x": again.read("x")}) == again.replaced({})


def test_whole_numbers_with_a_scale_carry_the_mark_too():
    heads, tokens, size = 2, 200, 64
    rng = np.random.default_rng(1)
    values = np.clip(np.rint(rng.normal(0, 40, (heads, tokens, size))), -127, 127).astype("i1")
    scale = np.full((heads, tokens, 1), 0.01, "<f2")
    head = (
        b'{"layers.0.values":{"dtype":"I8","shape":[2,200,64],"data_offsets":[0,25600]},'
        b'"layers.0.values_scale":{"dtype":"F16","shape":[2,200,1],"data_offsets":[25600,26400]}}'
    )
    data = len(head).to_bytes(8, "little") + head + values.tobytes() + scale.tobytes()
    (copy,) = copies(data, activation.mark, 4)
    assert len(copy) == len(data)
    assert named(activation.detect(data, copy, KEYS), activation.DETECTORS) == {"recipient 4"}


@pytest.mark.parametrize("data", [b"", b"x" * 40, b"\x80\x04pickle", (8).to_bytes(8, "little") + b'{"a":1} '])
def test_what_is_no_tensor_file_is_refused(data):
    with pytest.raises(TensorFileError):
        TensorFile(data)
