from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.servers import postgres_server, postgres_url  # noqa: F401 - fixtures
from support.vaults import MODEL, VaultPlace, vault_place

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@pytest.fixture(autouse=True)
def _settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEMPORIUM_VAULT_DEFAULT_EMBEDDING_MODEL", MODEL)
    monkeypatch.setenv("MEMPORIUM_VAULT_USE_FLUSH_S", "0.05")


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[VaultPlace]:
    async with vault_place(tmp_path / "data") as found:
        yield found
