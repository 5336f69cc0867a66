"""No time tells one tenant what another has mounted; where something is shared, the same measurement shows it."""

from __future__ import annotations

import pytest

from memporium_services.inference.adapters.generators.tiny_random import load_tiny_random
from memporium_services.inference.adapters.generators.transformers_local import TransformersGenerator
from memporium_services.inference.domain.memory import Form
from support.timing_channel import sooner
from support.timing_world import SharedCache, SharedPrefixes, channel_of


@pytest.fixture
async def generator():
    made = TransformersGenerator("m", load_tiny_random)
    await made.load()
    yield made
    await made.close()


@pytest.mark.parametrize("form", [Form.ACTIVATION, Form.PLAINTEXT])
async def test_a_tenant_cannot_time_what_another_has_mounted(generator, form):
    channel = await channel_of(generator, form)
    assert not channel.leaks, (channel.p_value, channel)


async def test_a_cache_that_tenants_share_is_noticed(generator):
    assert (await channel_of(generator, Form.ACTIVATION, cache=SharedCache)).leaks


async def test_prefixes_that_tenants_share_are_noticed(generator):
    channel = await channel_of(generator, Form.PLAINTEXT, model=SharedPrefixes)
    assert channel.leaks, (channel.p_value, channel)


def test_the_test_is_neither_blind_nor_afraid():
    assert sooner([1.0] * 20, [2.0] * 20) < 1e-6
    assert sooner([2.0] * 20, [1.0] * 20) > 0.999
    assert 0.4 < sooner([1.0, 2.0, 3.0, 4.0] * 5, [1.0, 2.0, 3.0, 4.0] * 5) < 0.6
