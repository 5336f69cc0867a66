"""The checks of a bundle in their order, and the refusal that names the failed one."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from memporium_platform.errors import PlatformError, Reason

if TYPE_CHECKING:
    from collections.abc import Sequence


class VerificationStep(StrEnum):
    """One check; the members stand in the order in which the checks are made (see `transfer.proto`)."""

    SIZE_CAPS = "SIZE_CAPS"
    ENVELOPE = "ENVELOPE"
    TRUST_ROOT = "TRUST_ROOT"
    PAYLOAD = "PAYLOAD"
    FRESHNESS = "FRESHNESS"
    SNAPSHOT = "SNAPSHOT"
    GRANT = "GRANT"
    KEY = "KEY"
    SEGMENT_DIGEST = "SEGMENT_DIGEST"
    DECRYPTION = "DECRYPTION"
    DECOMPRESSION = "DECOMPRESSION"
    STREAM_DIGEST = "STREAM_DIGEST"
    FORMAT = "FORMAT"
    CONTENT_SCAN = "CONTENT_SCAN"
    PUBLICATION = "PUBLICATION"


# Checks that need no segment.
DOCUMENT_STEPS: Sequence[VerificationStep] = tuple(VerificationStep)[:8]

# Checks that need the segments.
SEGMENT_STEPS: Sequence[VerificationStep] = tuple(VerificationStep)[8:13]


def rejected(step: VerificationStep, message: str) -> PlatformError:
    """Return the error for a failed check; `message` holds no secret and no content."""
    return PlatformError(Reason.BUNDLE_REJECTED, f"bundle refused at {step}: {message}", metadata={"step": str(step)})


def require(condition: object, step: VerificationStep, message: str) -> None:
    """Refuse the bundle at `step` unless `condition` is true.

    Raises:
        PlatformError: BUNDLE_REJECTED, where it is not.
    """
    if not condition:
        raise rejected(step, message)
