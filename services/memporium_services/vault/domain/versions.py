"""Versions: immutable, numbered from 1 without gaps, each made from one before it.

Rules:
    1. A change makes version n + 1 with parent n; a rollback to k makes n + 1 with the content of k and parent n.
    2. As of a time: the newest version made at or before it.
    3. A cube is changed only at the version that the change was computed from.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class VersionStamp:
    """What the chain knows of one version."""

    version: int
    parent: int
    create_us: int


def as_of(chain: Sequence[VersionStamp], moment_us: int) -> VersionStamp | None:
    """Return the version in force at `moment_us`, or None before the first; `chain` is in order of version."""
    index = bisect_right([stamp.create_us for stamp in chain], moment_us)
    return chain[index - 1] if index else None


def follow(stamp: VersionStamp, *, now_us: int) -> VersionStamp:
    """Return the next version of a chain that ends in `stamp`; its time is never before its parent's."""
    return VersionStamp(version=stamp.version + 1, parent=stamp.version, create_us=max(now_us, stamp.create_us))


def etag(version: int, revision: int) -> str:
    """Return the etag of a cube at this version and revision."""
    return f'"{version}.{revision}"'
