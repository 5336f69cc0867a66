"""Attention over a mounted cache where it lies, and the products beneath it: equal to the plain way, and no copies."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from memporium_services.inference.adapters.generators import cpu_kernels, shared_prefix
from memporium_services.inference.adapters.generators.cpu_kernels import QuickLinear, hasten, onednn_is_faster, product
from memporium_services.inference.adapters.generators.kv_files import Stored, as_float16, pack
from memporium_services.inference.adapters.generators.shared_prefix import Behind, attend
from memporium_services.inference.adapters.generators.tiny_random import load_tiny_random
from memporium_services.inference.adapters.generators.torch_engine import CausalEngine
from memporium_services.inference.domain.values import ComposePlan, KvBlob, KvForm

HEADS, SIZE, PREFIX = 2, 16, 40


@pytest.fixture
def vendors():
    """Let a test say what /proc/cpuinfo holds; what was found out of this machine is found out again after it."""
    onednn_is_faster.cache_clear()
    yield
    onednn_is_faster.cache_clear()


def numbers(*shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)))


def behind(tail):
    return Behind(as_float16(numbers(HEADS, PREFIX, SIZE)), numbers(1, HEADS, tail, SIZE))


def driven(steps):
    """Return what a generator returns."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


def plainly(query, keys, values, mask):
    whole = [
        torch.cat((torch.stack([one.head(head) for head in range(HEADS)])[None, :, :PREFIX], one.tail), dim=2)
        for one in (keys, values)
    ]
    found = functional.scaled_dot_product_attention(query, *whole, attn_mask=mask, scale=0.3, enable_gqa=True)
    return found.transpose(1, 2)


@pytest.mark.parametrize("most_scores", [1 << 20, 200])
@pytest.mark.parametrize(("query_heads", "count"), [(2, 1), (6, 7), (4, 30)])
def test_what_is_seen_is_what_plain_attention_sees(monkeypatch, query_heads, count, most_scores):
    monkeypatch.setattr(shared_prefix, "_MOST_SCORES", most_scores)
    query, keys, values = numbers(1, query_heads, count, SIZE), behind(count), behind(count)
    mask = torch.ones((count, PREFIX + count), dtype=torch.bool).tril(PREFIX)[None, None]
    expected = plainly(query, keys, values, mask)
    for given in (mask, None, torch.zeros(mask.shape).masked_fill(~mask, float("-inf"))):
        torch.testing.assert_close(attend(query, keys, values, given, 0.3), expected, atol=1e-5, rtol=1e-4)


def test_a_mask_over_chosen_tokens_is_kept():
    query, keys, values = numbers(1, 4, 3, SIZE), behind(9), behind(9)
    seen = torch.arange(PREFIX + 9)[None] <= torch.tensor([PREFIX + 2, PREFIX + 5, PREFIX + 8])[:, None]
    expected = plainly(query, keys, values, seen[None, None])
    torch.testing.assert_close(attend(query, keys, values, seen[None, None], 0.3), expected, atol=1e-5, rtol=1e-4)


def test_scaled_numbers_are_multiplied_by_their_scale():
    scale = torch.full((HEADS, 1, SIZE), 0.5, dtype=torch.float16)
    whole = torch.arange(HEADS * PREFIX * SIZE).remainder(100).to(torch.int8).view(HEADS, PREFIX, SIZE)
    one = Behind(Stored(whole, scale), numbers(1, HEADS, 1, SIZE))
    torch.testing.assert_close(one.head(1)[:PREFIX], whole[1].float() * 0.5)


def test_requests_that_mount_a_memory_share_its_numbers():
    engine = CausalEngine(load_tiny_random())
    assert engine.shares
    ids, layers = list(range(50)), engine.shape[0]
    steps = engine.build_kv(ids, KvForm.FLOAT16)
    built = driven(steps)
    blob = KvBlob(bytearray(built.data), built.token_ids_sha256, built.token_count)
    begin = torch.frombuffer(blob.data, dtype=torch.uint8).data_ptr()
    for _ in range(2):
        reading = engine.read([7, 8], capacity=60, kvs=[engine.open_kv(blob)], plan=ComposePlan())
        cache = driven(reading).cache
        assert cache.length == 52
        for layer in cache.layers[:layers]:
            keys, _ = layer._all()
            assert begin <= keys.prefix.numbers.data_ptr() < begin + len(blob.data)
            assert layer._keys.shape[2] == 10


def test_the_stored_form_is_that_of_files():
    exact = numbers(HEADS, PREFIX, SIZE)
    packed, _ = pack([(exact, exact)], list(range(PREFIX)), form=KvForm.FLOAT16, fingerprint="x")
    assert as_float16(exact).numbers.numpy().tobytes() in packed


def test_products_are_those_of_torch():
    rows, others = numbers(7, SIZE), numbers(9, SIZE)
    torch.testing.assert_close(product(rows, others), rows @ others.T, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(product(rows.T, others[:7].T), rows.T @ others[:7], atol=1e-5, rtol=1e-5)


@pytest.mark.skipif(not onednn_is_faster(), reason="this processor multiplies by MKL")
def test_a_quick_layer_gives_what_it_gave_and_still_learns():
    torch.manual_seed(1)
    layer = torch.nn.Linear(SIZE, 5)
    given = numbers(2, 3, SIZE)
    expected = layer(given)
    layer.__class__ = QuickLinear
    with torch.inference_mode():
        torch.testing.assert_close(layer(given), expected.detach(), atol=1e-5, rtol=1e-5)
        assert layer(given[:, :0]).shape == (2, 0, 5)
    layer(given).sum().backward()
    assert layer.weight.grad is not None


@pytest.mark.parametrize("vendor", ["GenuineIntel", ""])
def test_other_processors_and_unknown_ones_multiply_as_before(monkeypatch, vendors, vendor):
    monkeypatch.setattr(cpu_kernels, "_lines", lambda: [f"vendor_id\t: {vendor}"] if vendor else [])
    model = load_tiny_random().model
    assert not onednn_is_faster()
    assert hasten(model) == 0
    rows = numbers(3, SIZE)
    assert torch.equal(product(rows, rows), rows @ rows.T)
