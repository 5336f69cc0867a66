"""Releases: sealed versions of a listing; only their state ever changes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from functools import total_ordering

from memporium_platform.errors import invalid
from memporium_services.memstore.domain.machine import Machine, Side
from memporium_services.memstore.domain.tracing import Tracing  # noqa: TC001 - rows are read by these types

# Semantic Versioning 2.0.0, https://semver.org; build metadata does not order, so it is not taken.
_NUMBER = r"(?:0|[1-9]\d{0,8})"
_SEMVER = re.compile(rf"({_NUMBER})\.({_NUMBER})\.({_NUMBER})(?:-([0-9A-Za-z.-]{{1,64}}))?")


@total_ordering
@dataclass(frozen=True, slots=True)
class Version:
    """A semantic version."""

    text: str
    core: tuple[int, int, int]
    pre: tuple[str, ...]

    def __lt__(self, other: Version) -> bool:
        """Order by precedence: a pre-release is before its release."""
        if self.core != other.core:
            return self.core < other.core
        if not self.pre or not other.pre:
            return bool(self.pre) and not other.pre
        return [_rank(part) for part in self.pre] < [_rank(part) for part in other.pre]


def _rank(part: str) -> tuple[int, int, str]:
    return (0, int(part), "") if part.isdigit() else (1, 0, part)


def parse_version(text: str, field: str = "version") -> Version:
    """Return the version in a text.

    Raises:
        PlatformError: INVALID_FIELD, where it is not a semantic version.
    """
    found = _SEMVER.fullmatch(text)
    if found is None or (found[4] and "" in found[4].split(".")):
        raise invalid(field, "must be a semantic version without build metadata, for instance 1.2.0 or 2.0.0-rc.1")
    core = (int(found[1]), int(found[2]), int(found[3]))
    return Version(text, core, tuple(found[4].split(".")) if found[4] else ())


class ReleaseState(StrEnum):
    """The state of a release."""

    SEALING = "SEALING"
    PUBLISHED = "PUBLISHED"
    REVOKED = "REVOKED"
    FAILED = "FAILED"


_S = ReleaseState
RELEASE_MACHINE: Machine[ReleaseState] = Machine(
    {
        (_S.SEALING, "publish", Side.PROVIDER): _S.PUBLISHED,
        (_S.SEALING, "fail", Side.PROVIDER): _S.FAILED,
        (_S.PUBLISHED, "revoke", Side.PROVIDER): _S.REVOKED,
    }
)


@dataclass(frozen=True, slots=True)
class Release:
    """One version of a listing's memories.

    Attributes:
        name: `orgs/{org}/listings/{listing}/releases/{release}`.
        uid: Unique for life.
        listing: The listing.
        org: Id of its organisation.
        version: Semantic version.
        number: Order within the listing.
        changelog: What is new.
        sample: A sample for trials.
        state: The state.
        sequence: Number of its last step.
        reason: Why it was revoked or failed.
        bundle: The sealed bundle.
        manifest_sha256: Digest of the bundle's manifest.
        cube_count: Number of memories.
        sealed_bytes: Bytes of the sealed bundle.
        terms_sha256: Digest of the terms it was sealed with.
        create_us: When it was made.
        publish_us: When it was published; 0: not.
        revoke_us: When it was revoked; 0: not.
        tracing: How a leaked copy is traced; None: not known.
    """

    name: str
    uid: str
    listing: str
    org: str
    version: str
    number: int
    changelog: str
    sample: bool = False
    state: ReleaseState = ReleaseState.SEALING
    sequence: int = 1
    reason: str = ""
    bundle: str = ""
    manifest_sha256: str = ""
    cube_count: int = 0
    sealed_bytes: int = 0
    terms_sha256: str = ""
    create_us: int = 0
    publish_us: int = 0
    revoke_us: int = 0
    tracing: Tracing | None = None
