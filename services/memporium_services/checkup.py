"""What `memporium doctor` looks for: settings, engines, models, a running platform. Nothing is started or changed."""

from __future__ import annotations

import os
import shutil
import socket
import sqlite3
from typing import TYPE_CHECKING

from memporium_platform.settings import PlatformSettings
from memporium_services import checkup_engines, checkup_forms, checkup_models
from memporium_services.checkup_finding import Finding
from memporium_services.effective_settings import wrong_settings

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Finding", "findings", "wrong"]

_CONNECT_S = 2.0
_LITTLE_BYTES = 1 << 30


def wrong() -> list[Finding]:
    """Return what is wrong with the settings by themselves, without reaching for anything."""
    invalid = [
        Finding(name, found=False, detail=message, advice=f"change or unset {name}", required=True)
        for name, message in wrong_settings()
    ]
    if any(one.what in checkup_forms.OF_PLATFORM for one in invalid):
        return invalid
    return [*invalid, *checkup_forms.wrong_forms(PlatformSettings())]


def findings() -> list[Finding]:
    """Return everything that was looked for; where settings are wrong, those alone."""
    problems = wrong()
    if problems:
        return problems
    settings = PlatformSettings()
    return [
        *_here(settings),
        *checkup_engines.engines(settings),
        *checkup_models.models(),
        *_running(settings),
    ]


def _here(settings: PlatformSettings) -> Iterator[Finding]:
    yield Finding("embedded engines", found=True, detail=f"SQLite {sqlite3.sqlite_version}", required=True)
    folder = settings.data_dir.resolve()
    place = next(parent for parent in (folder, *folder.parents) if parent.exists())
    if not place.is_dir() or not os.access(place, os.W_OK | os.X_OK):
        yield Finding(
            "data folder",
            found=False,
            detail=f"{folder} cannot be written to",
            advice="give this user the right to, or set MEMPORIUM_DATA_DIR to another folder",
            required=True,
        )
        return
    free = shutil.disk_usage(place).free
    yield Finding("data folder", found=True, detail=f"{folder}, {free / (1 << 30):.0f} GiB free", required=True)
    if free < _LITTLE_BYTES:
        yield Finding("room on the disk", found=False, detail="less than 1 GiB is free", advice="make room")


def _running(settings: PlatformSettings) -> Iterator[Finding]:
    host, _, port = settings.listen.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_CONNECT_S).close()
    except OSError:
        detail = f"nothing listens on {settings.listen}"
        yield Finding("running platform", found=False, detail=detail, advice="memporium serve")
    else:
        yield Finding("running platform", found=True, detail=f"something listens on {settings.listen}")
