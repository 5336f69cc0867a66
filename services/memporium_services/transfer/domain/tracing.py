"""Marked copies, and what tracing a leak comes to."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkedCopy:
    """One copy that was handed out.

    Attributes:
        org: Id of the publisher.
        bundle_id: Id of the bundle.
        line: The listing.
        agreement: The agreement that it was handed out under.
        recipient: `orgs/{org}`.
        profile: Profile of the line's code.
        commitment: What the audit log keeps of the marks' key, hexadecimal.
        create_time: When it was made.
    """

    org: str
    bundle_id: str
    line: str
    agreement: str
    recipient: str
    profile: str
    commitment: str
    create_time: datetime


class Verdict(StrEnum):
    """What a trace comes to."""

    TRACED = "TRACED"
    UNDECIDED = "UNDECIDED"
    NOT_OURS = "NOT_OURS"


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspect:
    """One recipient in the light of a sample.

    Attributes:
        recipient: `orgs/{org}`.
        agreement: The agreement that its copy was handed out under.
        z: The best detector's score, corrected for that detector's guesses.
        log10_p: Logarithm (base 10) of a bound on the chance that an innocent recipient scores as much.
        detector: Which detector, and by which guess.
        accused: Whether that is enough to accuse, among all recipients and detectors.
        commitment: What the audit log has kept of the marks' key since before delivery, hexadecimal.
        marks_key: The marks' key, which proves it; only of the accused.
    """

    recipient: str
    agreement: str
    z: float
    log10_p: float
    detector: str
    accused: bool
    commitment: str
    marks_key: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """What a sample tells.

    Attributes:
        verdict: What it comes to.
        suspects: The recipients, highest score first.
        recipients: How many recipients were compared.
        detectors: How many detectors looked.
        slots_found: Different slots of the pack that the sample shows.
        slots: Different slots of the pack.
        explanation: The verdict in words.
    """

    verdict: Verdict
    suspects: Sequence[Suspect]
    recipients: int
    detectors: int
    slots_found: int
    slots: int
    explanation: str
