"""A whole platform, all services in one process, with tenants that have something to hide; one for each file."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from support.platform import present_services, running_platform
from support.tenants import SETTINGS, World, made_world

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    folder = tmp_path_factory.mktemp("tenants")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in SETTINGS.items():
            patch.setenv(name, value)
        logging.getLogger("grpc").setLevel(logging.CRITICAL)
        async with running_platform(present_services(), data_dir=folder, tenant_calls_per_s=0) as platform:
            yield await made_world(platform)
