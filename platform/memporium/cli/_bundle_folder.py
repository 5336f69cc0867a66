"""Sealed bundles in a folder: written by a download, verified away from any platform."""

from __future__ import annotations

import base64
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import typer

from memporium.cli._output import line, print_json
from memporium.client import MemporiumError
from memporium.transfer.v1 import bundle_pb2

if TYPE_CHECKING:
    from pathlib import Path

    from memporium.cli._context import Session

_DOCUMENTS = ("manifest", "snapshot", "timestamp", "grant")


def download_bundle(run: Session, bundle: str, *, folder: Path, agreement: str) -> list[str]:
    """Write every object of a bundle into a new folder; return their names.

    Raises:
        MemporiumError: The platform refuses; the folder is then not left behind half full.
        typer.BadParameter: The folder has something in it.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise typer.BadParameter(f"{folder} is not an empty folder", param_hint="FOLDER")
    folder.mkdir(parents=True, exist_ok=True)
    names: list[str] = []
    try:
        for name in _DOCUMENTS:
            names.append(name)
            _download(run, bundle, folder=folder, agreement=agreement, name=name)
        for name in _segments(folder / _DOCUMENTS[0]):
            names.append(name)
            _download(run, bundle, folder=folder, agreement=agreement, name=name)
    except (MemporiumError, OSError):
        for name in names:
            (folder / name).unlink(missing_ok=True)
        with suppress(OSError):
            folder.rmdir()
        raise
    return names


def _segments(manifest: Path) -> list[str]:
    """Return the names of the segments in a manifest: digests, which `verify` compares once keys have been checked."""
    envelope = bundle_pb2.Envelope.FromString(manifest.read_bytes())
    segments = bundle_pb2.Manifest.FromString(envelope.payload).segments
    # Streams that share a segment name it twice.
    return list(dict.fromkeys(segment.sha256.hex() for segment in segments))


def _download(run: Session, bundle: str, *, folder: Path, agreement: str, name: str) -> None:
    chunks = run.client.transfer.download_bundle_object(parent=run.org, bundle=bundle, agreement=agreement, object=name)
    with (folder / name).open("xb") as file:
        for chunk in chunks:
            file.write(chunk.data)


def verify_folder(run: Session, folder: Path, *, trust: list[str], at: str) -> None:
    """Verify the bundle in a folder with the publisher's public keys; print each check that it passed.

    Raises:
        MemporiumError: A check failed.
        typer.BadParameter: A key or the time is malformed.
    """
    from memporium_platform.bundle import offline
    from memporium_platform.errors import PlatformError

    root = _trust(trust)
    passed: list[str] = []
    try:
        for step in offline.verify_folder(folder, root, now=_time(at)):
            passed.append(step.name.lower())
            if not run.as_json:
                line(f"[green]ok[/green] {passed[-1].replace('_', ' ')}")
    except PlatformError as error:
        raise MemporiumError(
            code="DATA_LOSS", reason=error.reason, message=error.message, metadata=error.metadata
        ) from None
    if run.as_json:
        print_json({"passed": passed})


def _trust(keys: list[str]) -> Any:
    from memporium_platform.bundle.offline import trust_root
    from memporium_platform.errors import PlatformError

    try:
        return trust_root([base64.b64decode(key, validate=True).hex() for key in keys])
    except (ValueError, PlatformError):
        message = "needs the publisher's public key, 32 bytes in base64, from `memporium org keys`"
        raise typer.BadParameter(message, param_hint="--trust") from None


def _time(given: str) -> datetime | None:
    if not given:
        return None
    try:
        found = datetime.fromisoformat(given)
    except ValueError:
        raise typer.BadParameter("must be a time such as 2026-11-21T15:00:00Z", param_hint="--at") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
