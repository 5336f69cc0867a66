"""Fixtures of the transfer tests."""

from __future__ import annotations

import pytest

from support.bundles import tensor_file
from support.integration_transfer import SOURCE, running_scene


@pytest.fixture
async def scene(tmp_path):
    async with running_scene(tmp_path) as made:
        made.vaults.add(SOURCE, ["the sky is blue", "water is wet"], blobs={"kv": tensor_file()})
        yield made
