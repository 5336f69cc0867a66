"""Personal data in text: which findings count, and how they are redacted. Pure."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

# Characters of a number that masking leaves.
_KEPT = 4
_PSEUDONYM_HEX = 12


class Mode(StrEnum):
    """How personal data are redacted."""

    REPLACE = "REPLACE"
    MASK = "MASK"
    PSEUDONYM = "PSEUDONYM"


@dataclass(frozen=True, slots=True)
class EntityRule:
    """Whether a kind is a direct identifier, and from which confidence on it counts."""

    direct_identifier: bool
    min_score: float


@dataclass(frozen=True, slots=True)
class PiiRules:
    """The kinds that are looked for."""

    entities: Mapping[str, EntityRule]


@dataclass(frozen=True, slots=True)
class Finding:
    """Personal data found: kind, first character, after the last, confidence."""

    entity: str
    start: int
    end: int
    score: float


def relevant(findings: Iterable[Finding], rules: PiiRules, *, min_score: float) -> list[Finding]:
    """Return the findings that count, in order, none overlapping: the surer one stays, then the longer, then the first.

    Args:
        findings: As detected.
        rules: Kinds that are looked for.
        min_score: Least confidence; 0: that of the rules.
    """
    good = [
        finding
        for finding in findings
        if finding.entity in rules.entities
        and finding.end > finding.start
        and finding.score >= (min_score or rules.entities[finding.entity].min_score)
    ]
    good.sort(key=lambda finding: (-finding.score, finding.start - finding.end, finding.start, finding.entity))
    kept: list[Finding] = []
    for finding in good:
        if all(finding.end <= other.start or finding.start >= other.end for other in kept):
            kept.append(finding)
    return sorted(kept, key=lambda finding: finding.start)


def redact(text: str, findings: Sequence[Finding], mode: Mode, *, key: bytes) -> str:
    """Return the text without what was found; `key` makes pseudonyms. Findings are in order and do not overlap."""
    parts: list[str] = []
    position = 0
    for finding in findings:
        parts += (text[position : finding.start], _substitute(text[finding.start : finding.end], finding, mode, key))
        position = finding.end
    return "".join((*parts, text[position:]))


def _substitute(value: str, finding: Finding, mode: Mode, key: bytes) -> str:
    if mode is Mode.MASK:
        return _mask(value)
    if mode is Mode.PSEUDONYM:
        normal = "".join(value.lower().split())
        digest = hmac.new(key, f"{finding.entity}\n{normal}".encode(), hashlib.sha256).hexdigest()
        return f"<{finding.entity}:{digest[:_PSEUDONYM_HEX]}>"
    return f"<{finding.entity}>"


def _mask(value: str) -> str:
    """Mask letters and digits; the last four of a number stay, where it has at least twice as many."""
    digits = sum(character.isdigit() for character in value)
    letters = any(character.isalpha() for character in value)
    keep = _KEPT if not letters and digits >= 2 * _KEPT else 0
    masked: list[str] = []
    for character in reversed(value):
        if character.isdigit() and keep:
            keep -= 1
            masked.append(character)
        else:
            masked.append("*" if character.isalnum() else character)
    return "".join(reversed(masked))
