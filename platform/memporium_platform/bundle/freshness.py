"""Freshness, after TUF: a signed time of an hour at most, over a snapshot of everything that may be loaded.

What was seen before is remembered under the publisher's trust root, so nobody can serve yesterday's state (rollback) or
keep today's from arriving for longer than an hour (freeze).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from memporium_platform.bundle.documents import check_format, digest_of, moment
from memporium_platform.bundle.limits import CLOCK_SKEW_S, NUMBER_MAX, SIGNED_TIME_LIFE_MAX_S
from memporium_platform.bundle.steps import VerificationStep, require

if TYPE_CHECKING:
    from datetime import datetime

    from memporium.transfer.v1.bundle_pb2 import Manifest, SignedTime, Snapshot

_FRESH = VerificationStep.FRESHNESS
_SNAPSHOT = VerificationStep.SNAPSHOT


@dataclass(frozen=True, slots=True)
class Seen:
    """The highest numbers met so far of one publisher, under one trust root; 0: none.

    Attributes:
        signed_time: Number of the signed time.
        snapshot: Number of the snapshot.
        revocation_epoch: The publisher's revocation epoch.
        line: Number of the newest bundle of the line in question.
    """

    signed_time: int = 0
    snapshot: int = 0
    revocation_epoch: int = 0
    line: int = 0


def check_signed_time(signed: SignedTime, snapshot_bytes: bytes, *, publisher: str, seen: Seen, now: datetime) -> None:
    """Demand a living signed time over exactly these bytes of a snapshot.

    Raises:
        PlatformError: BUNDLE_REJECTED at FRESHNESS.
    """
    check_format(signed.format)
    require(signed.publisher == publisher, _FRESH, "the signed time is of another publisher")
    created, expires = moment(signed.create_time), moment(signed.expire_time)
    require(0 < (expires - created).total_seconds() <= SIGNED_TIME_LIFE_MAX_S, _FRESH, "it lives too long")
    require((created - now).total_seconds() <= CLOCK_SKEW_S, _FRESH, "the signed time lies in the future")
    require(now < expires, _FRESH, "the signed time is over")
    require(0 < signed.number <= NUMBER_MAX, _FRESH, "its number is out of range")
    require(signed.number >= seen.signed_time, _FRESH, "an older signed time than the last one seen")
    require(signed.snapshot_sha256 == digest_of(snapshot_bytes), _FRESH, "the snapshot is another one")


def check_snapshot(
    snapshot: Snapshot,
    signed: SignedTime,
    manifest: Manifest,
    *,
    manifest_sha256: bytes,
    seen: Seen,
    newest: bool,
) -> None:
    """Demand that the manifest is in the newest snapshot and not revoked.

    Args:
        snapshot: The publisher's snapshot.
        signed: The signed time that names it.
        manifest: The manifest in question.
        manifest_sha256: SHA-256 of its bytes.
        seen: The highest numbers met so far.
        newest: True where the newest bundle of the line was asked for, not a certain one.

    Raises:
        PlatformError: BUNDLE_REJECTED at SNAPSHOT.
    """
    check_format(snapshot.format)
    require(snapshot.publisher == manifest.publisher, _SNAPSHOT, "the snapshot is of another publisher")
    require(snapshot.number == signed.snapshot_number, _SNAPSHOT, "the snapshot has another number")
    require(0 < snapshot.number <= NUMBER_MAX, _SNAPSHOT, "the snapshot's number is out of range")
    require(snapshot.number >= seen.snapshot, _SNAPSHOT, "an older snapshot than the last one seen")
    require(snapshot.revocation_epoch >= seen.revocation_epoch, _SNAPSHOT, "an older list of revocations")
    require(manifest_sha256 not in snapshot.revoked_manifests, _SNAPSHOT, "the bundle is revoked")
    found = [entry for entry in snapshot.entries if entry.bundle == manifest.bundle]
    require(len(found) == 1, _SNAPSHOT, "the bundle is not in the snapshot")
    entry = found[0]
    require(entry.manifest_sha256 == manifest_sha256, _SNAPSHOT, "the snapshot has another manifest")
    same = entry.line == manifest.line and entry.number == manifest.number
    require(same, _SNAPSHOT, "the snapshot has another line or number")
    require(entry.terms_sha256 == manifest.terms_sha256, _SNAPSHOT, "the snapshot has other terms")
    if newest:
        highest = max(other.number for other in snapshot.entries if other.line == manifest.line)
        require(manifest.number == highest, _SNAPSHOT, "the line has a newer bundle")
        require(manifest.number >= seen.line, _SNAPSHOT, "an older bundle than the last one seen")
