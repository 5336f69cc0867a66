"""Sealed bundles in a folder: written by a download, verified away from any platform."""

from __future__ import annotations

import base64
import shutil
from contextlib import suppress
from datetime import UTC, datetime
from hashlib import file_digest
from typing import TYPE_CHECKING

import typer

from memporium.cli._files import whole
from memporium.cli._output import line, print_json
from memporium.client import MemporiumError
from memporium.transfer.v1 import bundle_pb2
from memporium.verify.bundle import folder as offline
from memporium.verify.bundle.documents import BundleRefusedError, Key, Trust

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from memporium.cli._context import Session

_DOCUMENTS = ("manifest", "snapshot", "timestamp", "grant", "root")
_PRIVATE_KEYS = {32, 96}


def download_bundle(run: Session, bundle: str, *, folder: Path, agreement: str, known: Path | None = None) -> list[str]:
    """Write every object of a bundle into a folder; return their names.

    A download that was cut short goes on: segments that are there are kept, if they are what their name says.

    Args:
        run: The session.
        bundle: Full name of the bundle.
        folder: Where to; new, or with an unfinished download.
        agreement: The agreement, for a bundle of another organisation.
        known: A folder with another version of the bundle: what both hold is copied from there.

    Raises:
        MemporiumError: The platform refuses.
        typer.BadParameter: The folder has something else in it.
    """
    begun = (folder / "manifest").exists()
    if folder.exists() and not begun and (not folder.is_dir() or any(folder.iterdir())):
        raise typer.BadParameter(f"{folder} is not an empty folder, nor one of a download", param_hint="FOLDER")
    made = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    names = list(_DOCUMENTS)
    try:
        for name in _DOCUMENTS:
            _download(run, bundle, folder=folder, agreement=agreement, name=name)
        listed = [bundle_pb2.Manifest.FromString(_payload(folder / "manifest")).segments]
        if _part(run, bundle, folder=folder, agreement=agreement):
            names.append("part")
            listed.append(bundle_pb2.Part.FromString(_payload(folder / "part")).segments)
    except (MemporiumError, OSError):
        if made:
            shutil.rmtree(folder, ignore_errors=True)
        raise
    for name in _segments(listed):
        names.append(name)
        if not (_holds(folder / name, name) or _copied(known, name, to=folder / name)):
            _download(run, bundle, folder=folder, agreement=agreement, name=name)
    return names


def _segments(listed: Iterable[Iterable[bundle_pb2.Segment]]) -> list[str]:
    """Return the names of segments: digests, which `verify` compares once keys have been checked."""
    # Streams that share a segment name it twice.
    return list(dict.fromkeys(segment.sha256.hex() for segments in listed for segment in segments))


def _payload(envelope: Path) -> bytes:
    return bundle_pb2.Envelope.FromString(envelope.read_bytes()).payload


def _part(run: Session, bundle: str, *, folder: Path, agreement: str) -> bool:
    """Download the part that is the caller's own; return whether there is one."""
    try:
        _download(run, bundle, folder=folder, agreement=agreement, name="part")
    except MemporiumError as error:
        (folder / "part").unlink(missing_ok=True)
        if error.reason == "NOT_FOUND":
            return False
        raise
    return True


def _holds(path: Path, sha256: str) -> bool:
    """Return whether a file is what its name says; one that was cut short is not."""
    if not path.exists():
        return False
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest() == sha256


def _copied(known: Path | None, name: str, *, to: Path) -> bool:
    if known is None or not _holds(known / name, name):
        return False
    shutil.copyfile(known / name, to)
    return True


def _download(run: Session, bundle: str, *, folder: Path, agreement: str, name: str) -> None:
    chunks = run.client.transfer.download_bundle_object(parent=run.org, bundle=bundle, agreement=agreement, object=name)
    with whole(folder / name) as file:
        for chunk in chunks:
            file.write(chunk.data)


def verify_folder(run: Session, path: Path, *, trust: list[str], at: str, key: Path | None, threshold: int = 1) -> None:
    """Verify the bundle in a folder with the publisher's public keys; print each check that it passed.

    Args:
        run: The session.
        path: The folder, or the manifest in it.
        trust: The keys, in base64.
        at: The time to verify for; "": now.
        key: File with the recipient's private key; None: only the outside is verified.
        threshold: So many of the keys must have signed.

    Raises:
        MemporiumError: A check failed.
        typer.BadParameter: A key or the time is malformed.
    """
    root, private = _trust(trust, threshold), _private(key)
    passed: list[str] = []
    try:
        for step in offline.verify(path, root, now=_time(at) or datetime.now(UTC), key=private):
            passed.append(step.lower())
            if not run.as_json:
                line(f"[green]ok[/green] {passed[-1].replace('_', ' ')}")
    except BundleRefusedError as error:
        raise MemporiumError(
            code="DATA_LOSS", reason="BUNDLE_REJECTED", message=str(error), metadata={"step": error.step}
        ) from None
    if run.as_json:
        print_json({"passed": passed})


def _trust(keys: list[str], threshold: int) -> Trust:
    try:
        parsed = [Key.parse(base64.b64decode(key, validate=True)) for key in keys]
        for key in parsed:
            key.halves()
    except ValueError:
        parsed = []
    if not parsed:
        message = "needs the publisher's public key, 32 bytes in base64, from `memporium org keys`"
        raise typer.BadParameter(message, param_hint="--trust")
    if threshold > len({key.ed25519 for key in parsed}):
        raise typer.BadParameter("needs so many different keys in --trust", param_hint="--threshold")
    return Trust(parsed, threshold)


def _private(path: Path | None) -> bytes:
    if path is None:
        return b""
    private = b""
    with suppress(OSError, ValueError):
        private = bytes.fromhex(path.read_text())
    if len(private) not in _PRIVATE_KEYS:
        raise typer.BadParameter("must hold a private key of 32 or 96 bytes in hexadecimal", param_hint="--key")
    return private


def _time(given: str) -> datetime | None:
    if not given:
        return None
    try:
        found = datetime.fromisoformat(given)
    except ValueError:
        raise typer.BadParameter("must be a time such as 2026-11-21T15:00:00Z", param_hint="--at") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
