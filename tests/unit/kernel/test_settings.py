from __future__ import annotations

import io
import json
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import structlog
from pydantic import ValidationError

from memporium_platform import logs
from memporium_platform.settings import SERVICES, PlatformSettings, effective

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def _structlog_as_before() -> Iterator[None]:
    before = structlog.get_config()
    yield
    structlog.configure(**before)


def fail_with(local: str) -> None:
    """Fail with a local variable in the frame."""
    raise ValueError(len(local))


def test_values_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEMPORIUM_LISTEN", "127.0.0.1:1")
    monkeypatch.setenv("MEMPORIUM_VAULT_ADDRESS", "vault:7600")
    settings = PlatformSettings()
    assert settings.listen == "127.0.0.1:1"
    assert settings.address_of("vault") == "vault:7600"
    assert all(isinstance(settings.address_of(service), str) for service in SERVICES)


def test_settings_are_frozen_and_checked() -> None:
    settings = PlatformSettings()
    with pytest.raises(ValidationError):
        settings.listen = "x"  # type: ignore[misc]
    with pytest.raises(ValidationError):
        PlatformSettings(log_level="LOUD")
    assert PlatformSettings(log_level="debug").log_level == "DEBUG"


def test_effective_values_mask_secrets() -> None:
    shown = effective(PlatformSettings(master_key="ab" * 32, database_url="postgresql://u:hidden@h/d"))
    assert shown["MEMPORIUM_MASTER_KEY"] == shown["MEMPORIUM_DATABASE_URL"] == "********"
    assert shown["MEMPORIUM_OBJECTS_URL"] == ""
    assert shown["MEMPORIUM_LISTEN"] == "127.0.0.1:7600"
    assert "hidden" not in json.dumps(shown)


def test_every_setting_is_described() -> None:
    for name, field in PlatformSettings.model_fields.items():
        assert field.description, name


def test_insecure_settings_are_off_by_default() -> None:
    for name, field in PlatformSettings.model_fields.items():
        if name.startswith("insecure"):
            assert field.default is False


@pytest.mark.parametrize("as_json", [True, False])
def test_a_full_disk_under_the_log_stops_nobody(*, as_json: bool) -> None:
    out = Path("/dev/full").open("w", encoding="utf-8", buffering=1)  # noqa: SIM115 - closing it fails, too
    try:
        logs.configure(PlatformSettings(log_json=as_json), stream=out)
        structlog.get_logger().info("thing.done", text="x" * 100_000)
        with pytest.raises(OSError, match="No space left"):
            out.flush()
    finally:
        with suppress(OSError):
            out.close()


@pytest.mark.parametrize("as_json", [True, False])
def test_logs_hold_no_secrets_and_no_locals(*, as_json: bool) -> None:
    out = io.StringIO()
    logs.configure(PlatformSettings(log_json=as_json), stream=out)
    log = structlog.get_logger()
    log.info("thing.done", token="hidden-1", payload=b"hidden-2", cube="c1")
    try:
        fail_with("hidden-" + "3")
    except ValueError:
        log.exception("thing.failed")
    text = out.getvalue()
    assert "hidden-1" not in text
    assert "hidden-2" not in text
    assert "hidden-3" not in text
    assert "c1" in text
    assert "ValueError" in text
    if as_json:
        assert [json.loads(line)["event"] for line in text.splitlines()] == ["thing.done", "thing.failed"]
