from __future__ import annotations

from pathlib import Path

import pytest

from memporium_platform.names import new_id

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize("folder", ["platform", "services", "policies"])
def test_no_init_directly_in(folder: str) -> None:
    """`platform/__init__.py` would shadow the standard library's `platform`."""
    assert not (ROOT / folder / "__init__.py").exists()


def test_ids_are_ulids() -> None:
    from ulid import ULID

    for _ in range(100):
        made = new_id()
        assert str(ULID.from_str(made.upper())).lower() == made
    assert len({new_id() for _ in range(1000)}) == 1000
