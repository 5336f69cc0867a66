"""Verifies a bundle that lies in a folder: the only module here that reads files.

Each object lies under its own name: `manifest`, `snapshot`, `timestamp`, `grant` and `part` if there are such, `root`
with the publisher's chain of roots, and the segments by their digests.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from memporium.transfer.v1.bundle_pb2 import RootChain
from memporium.verify.bundle.check import BundleCheck, Question
from memporium.verify.bundle.documents import CAPS, BundleRefusedError, demand, message

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path

    from memporium.verify.bundle.documents import Trust

_OBJECT_MAX = 19 << 20


def verify(path: Path, trust: Trust, *, now: datetime, key: bytes = b"") -> Iterator[str]:
    """Verify the bundle in a folder, or the one that a manifest lies beside; yield each check that was passed.

    Args:
        path: The folder, or the file of the manifest in it.
        trust: Keys of the publisher's first root; never taken from the folder.
        now: The time to verify for.
        key: The recipient's private key; b"": only the outside is verified.

    Raises:
        BundleRefusedError: At the check that failed.
    """
    folder = path if path.is_dir() else path.parent
    received = {name: _read(folder / name, CAPS[name], "SIZE_CAPS") for name in ("snapshot", "timestamp")}
    received["manifest"] = _read(folder / "manifest" if path.is_dir() else path, CAPS["manifest"], "SIZE_CAPS")
    if key:
        received["grant"] = _read(folder / "grant", CAPS["grant"], "SIZE_CAPS")
        if (folder / "part").exists():
            received["part"] = _read(folder / "part", CAPS["part"], "SIZE_CAPS")
    roots: list[bytes] = []
    if (folder / "root").exists():
        roots = list(message(RootChain, _read(folder / "root", CAPS["root"], "SIZE_CAPS"), "ENVELOPE").roots)
    check = BundleCheck(Question(trust, now, key, roots))
    yield from check.documents(received)
    for name in check.wanted():
        check.segment(_read(folder / name, _OBJECT_MAX, "SEGMENT_DIGEST"))
    yield from check.finish()


def _read(path: Path, limit: int, step: str) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except OSError:
        raise BundleRefusedError(step, f"{path.name} cannot be read") from None
    demand(len(data) <= limit, step, f"{path.name} is above its cap")
    return data
