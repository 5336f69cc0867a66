"""Bundles as they are kept: what is known of one, which numbers follow, what a publisher has told the world."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from typing import TYPE_CHECKING

from memporium_platform.errors import PlatformError, Reason, invalid

if TYPE_CHECKING:
    from datetime import datetime

# https://semver.org, without build metadata.
_SEMVER = re.compile(r"(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})(-[0-9a-z.-]{1,64})?")

# What a listing's line of samples is called, after the listing.
_SAMPLES = "/samples"


class BundleKind(StrEnum):
    """What a bundle is for."""

    RELEASE = "RELEASE"
    DUMP = "DUMP"


class BundleState(StrEnum):
    """The state of a bundle: SEALING -> SEALED -> REVOKED, or SEALING -> FAILED."""

    SEALING = "SEALING"
    SEALED = "SEALED"
    REVOKED = "REVOKED"
    FAILED = "FAILED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """One bundle; the fields are those of the resource."""

    org: str
    bundle_id: str
    kind: BundleKind
    state: BundleState
    vault: str
    line: str
    version: str
    number: int
    create_time: datetime
    terms_sha256: str = ""
    manifest_sha256: str = ""
    cube_count: int = 0
    segment_count: int = 0
    sealed_bytes: int = 0
    new_bytes: int = 0
    request_key: str = ""
    request_digest: bytes = b""
    failure: str = ""
    part_cube_count: int = 0
    slots: int = 0
    words: int = 0

    @property
    def name(self) -> str:
        """`orgs/{org}/bundles/{bundle}`."""
        return f"orgs/{self.org}/bundles/{self.bundle_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Publisher:
    """What an organisation has published: `revision` numbers the snapshots.

    Attributes:
        revision: Grows by one with each bundle that comes, goes or is revoked.
        revision_time: When it last did.
        signed_time: Number of the last signed time.
        revocation_epoch: Grows by one with each revocation.
    """

    revision: int
    revision_time: datetime
    signed_time: int
    revocation_epoch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptRoot:
    """A root of trust that a publisher has made.

    Attributes:
        number: Its number, from 1.
        envelope: The signed document.
        hybrid: Whether its keys have two halves.
    """

    number: int
    envelope: bytes
    hybrid: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Import:
    """What a vault was last filled from."""

    vault: str
    bundle: str
    manifest_sha256: str
    agreement: str
    version: str
    number: int
    cube_count: int
    blob_count: int
    import_time: datetime


def line_of(listing: str, *, sample: bool) -> str:
    """Return the line of a listing's releases; its samples are a line of their own, else each would end the other's."""
    return listing + _SAMPLES if sample else listing


def listing_of(line: str) -> str:
    """Return the listing whose releases or samples make up a line."""
    return line.removesuffix(_SAMPLES)


def lines_of(listing: str) -> tuple[str, str]:
    """Return the lines of a listing: its releases, and its samples."""
    return listing, listing + _SAMPLES


def line_key(line: str) -> str:
    """Return the id under which a line's objects and secret are kept."""
    return sha256(line.encode()).hexdigest()[:32]


def check_version(version: str) -> str:
    """Return a semantic version if it is one.

    Raises:
        PlatformError: INVALID_FIELD, where it is not.
    """
    if not _SEMVER.fullmatch(version):
        raise invalid("version", "must be a semantic version, for instance 1.2.0")
    return version


def next_number(highest: int, asked: int) -> int:
    """Return the number of a line's next bundle.

    Raises:
        PlatformError: FAILED_PRECONDITION, where the one asked for is not higher than all before.
    """
    if asked and asked <= highest:
        raise PlatformError(
            Reason.FAILED_PRECONDITION,
            f"number {asked} is not higher than {highest}, the newest of the line",
            metadata={"resource": "number", "state": str(highest)},
        )
    return asked or highest + 1
