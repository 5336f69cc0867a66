"""The engine with its model on another device than the caches come from: nothing of the way to logits is left behind.

torch's `meta` device has shapes and no numbers, and refuses to work with tensors of another device as a GPU does. What
asks for numbers, such as trying a model out, is told the answer here.
"""

from __future__ import annotations

import pytest
import torch

from memporium_services.inference.adapters.generators import ragged
from memporium_services.inference.adapters.generators.kv_files import OpenKv, Stored
from memporium_services.inference.adapters.generators.torch_adapters import MountedAdapters
from memporium_services.inference.adapters.generators.torch_engine import CausalEngine
from memporium_services.inference.domain.values import ComposePlan, Composition
from support.kv_shapes import random_model

TYPES = {"float16": torch.float16, "int8": torch.int8, "float8": torch.float8_e4m3fn}
TOKENS = 5


@pytest.fixture
def engine(monkeypatch):
    monkeypatch.setattr(ragged, "works", lambda *_given: True)
    loaded = random_model("tiny", device="meta", dtype="bfloat16")
    made = CausalEngine(loaded)
    mover = made._composer._mover
    mover._works, mover._turned = True, [True] * made.shape[0]
    return made


def kv(engine, form):
    """Return a cache as it is opened from a file: on the CPU."""
    layers, heads, size = engine.shape
    scaled = form != "float16"

    def stored(scale_shape):
        numbers = torch.zeros((heads, TOKENS, size)).to(TYPES[form])
        return Stored(numbers, torch.ones(scale_shape, dtype=torch.float16) if scaled else None)

    return OpenKv(
        tuple(range(1, TOKENS + 1)),
        tuple((stored((heads, 1, size)), stored((heads, TOKENS, 1))) for _ in range(layers)),
    )


def driven(steps):
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


@pytest.mark.parametrize("form", sorted(TYPES))
def test_a_mounted_cache_is_brought_to_the_model(engine, form):
    assert not engine.shares
    read = driven(engine.read([7, 8, 9], capacity=TOKENS + 4, kvs=(kv(engine, form),)))
    assert (read.logits.device.type, read.cached_tokens, read.cache.length) == ("meta", TOKENS, TOKENS + 3)


def test_caches_are_moved_to_their_positions_there(engine):
    read = driven(
        engine.read(
            [7],
            capacity=2 * TOKENS + 1,
            kvs=(kv(engine, "float16"), kv(engine, "int8")),
            plan=ComposePlan(Composition.RE_ROTATED),
        )
    )
    assert (read.cached_tokens, read.cache.length) == (2 * TOKENS, 2 * TOKENS + 1)


def test_all_of_a_memory_is_computed_again_there(engine):
    plan = ComposePlan(Composition.SELECTIVE, 1.0)
    engine._composer._selects = True
    kvs = (kv(engine, "float16"), kv(engine, "float16"))
    read = driven(engine.read([7], capacity=2 * TOKENS + 1, kvs=kvs, plan=plan))
    assert read.cached_tokens == TOKENS


def test_rows_of_several_lengths_and_adapters_decode_there(engine):
    weight = dict(engine.loaded.model.named_modules())["model.layers.0.self_attn.q_proj"].weight
    down, up = weight.new_empty((weight.shape[1], 2)), weight.new_empty((2, weight.shape[0]))
    mounted = MountedAdapters(("one",), frozenset(), {"model.layers.0.self_attn.q_proj": (down, up)})
    caches = [driven(engine.read([1] * length, capacity=length + 1)).cache for length in (2, 4)]
    logits = engine.step([5, 6], caches, [None, mounted])
    assert [one.device.type for one in logits] == ["meta", "meta"]
    assert [cache.length for cache in caches] == [3, 5]


def test_a_gpu_reads_longer_pieces(engine):
    pieces = []
    steps = engine.read([1] * 40, capacity=40, piece_tokens=lambda: 5)
    while True:
        try:
            pieces.append(next(steps))
        except StopIteration:
            break
    assert len(pieces) == 2


def test_where_numbers_lie_elsewhere_their_type_changes_behind_the_copy(monkeypatch):
    moved = []
    original = torch.Tensor.to

    def to(tensor, *given, **named):
        moved.append((tensor.dtype, given, named))
        return original(tensor, *given, **named)

    monkeypatch.setattr(torch.Tensor, "to", to)
    room = torch.empty((1, 2, 3), dtype=torch.bfloat16, device="meta")
    Stored(torch.zeros((1, 2, 3), dtype=torch.float16)).write_into(room)
    assert moved == [(torch.float16, (room.device,), {"non_blocking": True})]
    moved.clear()
    Stored(torch.zeros((1, 2, 3), dtype=torch.float16)).write_into(torch.empty((1, 2, 3), dtype=torch.bfloat16))
    assert not moved
