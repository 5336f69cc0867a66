"""A platform with the echo service alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from support.echo import EchoModule, EchoStub
from support.platform import running_platform

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from support.platform import Platform


class Echo:
    """The running echo service as tests use it."""

    def __init__(self, platform: Platform, module: EchoModule, key: str) -> None:
        self.platform = platform
        self.module = module
        self.key = key
        self.stub = self.as_caller(key)

    def as_caller(self, key: str = "", **metadata: str) -> Any:
        return EchoStub(self.platform.channel(key, **metadata))

    @property
    def static(self) -> Any:
        return self.platform.static

    def records(self) -> list[Any]:
        return self.platform.kernel.audit.take(1000)


@pytest.fixture
async def echo(tmp_path: Path) -> AsyncIterator[Echo]:
    module = EchoModule()
    async with running_platform(data_dir=tmp_path, modules=[module]) as platform:
        module.kernel = platform.kernel
        org = await platform.organisation("acme")
        yield Echo(platform, module, org.owner_key)
