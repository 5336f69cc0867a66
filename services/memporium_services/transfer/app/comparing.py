"""Compares one sample with the originals of a listing's lines and every recipient's marks."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from memporium_platform.tracing import activation, lora
from memporium_platform.tracing import canaries as invented
from memporium_platform.tracing.accusing import accused, scored
from memporium_platform.tracing.code import Profile, biases
from memporium_platform.tracing.reading import SlotIndex
from memporium_platform.tracing.tensors import TensorFile
from memporium_services.transfer.app.samples import texts_in
from memporium_services.transfer.domain.tracing import Suspect, Trace, Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from memporium_platform.tracing.accusing import Score
    from memporium_platform.tracing.keys import RecipientKey, TracingSecret
    from memporium_services.transfer.domain.tracing import MarkedCopy

# So many suspects are shown who are not accused.
_SHOWN = 100
# Below this share of the slots (and this number) a match is a coincidence of phrases.
_SHARE, _FEW = 0.005, 4


@dataclass(frozen=True, slots=True)
class Found:
    """What a sample is compared with: one line of a listing, its releases or its samples.

    Attributes:
        secret: The line's.
        copies: The newest copy of each agreement.
        texts: The original texts.
        files: The original tensor files.
    """

    secret: TracingSecret
    copies: Sequence[MarkedCopy]
    texts: Sequence[str]
    files: Sequence[bytes]


@dataclass(slots=True)
class _Look:
    """What the detectors saw."""

    scores: list[Score]
    detectors: int
    alike: bool
    slots_found: int = 0
    slots: int = 0


@dataclass(frozen=True, slots=True)
class _Match:
    """The best score of one copy, and the key of its marks."""

    copy: MarkedCopy
    score: Score
    key: RecipientKey


def compare(lines: Sequence[Found], sample: bytes, with_tensors: bool) -> Trace:  # noqa: FBT001  -- called in a thread
    """Return what a sample tells; every recipient of any line, and every detector of each, counts as a guess."""
    look = _Look([], 0, alike=False)
    best: dict[str, _Match] = {}
    for found in lines:
        seen, matches = _matches(found, sample, with_tensors=with_tensors)
        look.detectors += seen.detectors
        look.alike = look.alike or seen.alike
        look.slots_found += seen.slots_found
        look.slots += seen.slots
        for match in matches:
            known = best.get(match.copy.agreement)
            if known is None or match.score.log_p < known.score.log_p:
                best[match.copy.agreement] = match
    recipients = len({copy.agreement for found in lines for copy in found.copies})
    suspects = []
    for match in best.values():
        guilty = accused(match.score, recipients=recipients, detectors=look.detectors)
        suspects.append(
            Suspect(
                recipient=match.copy.recipient,
                agreement=match.copy.agreement,
                z=match.score.z,
                log10_p=match.score.log_p / math.log(10.0),
                detector=match.score.detector,
                accused=guilty,
                commitment=match.copy.commitment,
                marks_key=match.key.raw if guilty else b"",
            )
        )
    suspects.sort(key=lambda suspect: suspect.log10_p)
    guilty_count = sum(suspect.accused for suspect in suspects)
    verdict = Verdict.TRACED if guilty_count else Verdict.UNDECIDED if look.alike else Verdict.NOT_OURS
    return Trace(
        verdict=verdict,
        suspects=suspects[: max(_SHOWN, guilty_count)],
        recipients=recipients,
        detectors=look.detectors,
        slots_found=look.slots_found,
        slots=look.slots,
        explanation=_explained(verdict, look, recipients, guilty_count),
    )


def _matches(found: Found, sample: bytes, *, with_tensors: bool) -> tuple[_Look, list[_Match]]:
    """Return what the detectors saw of one line, and the best score of each of its copies."""
    keys = {copy.agreement: found.secret.recipient(copy.agreement) for copy in found.copies}
    look = _tensors(found, sample, keys) if with_tensors else _texts(found, sample, keys)
    best: dict[str, Score] = {}
    for score in look.scores:
        if score.recipient not in best or score.log_p < best[score.recipient].log_p:
            best[score.recipient] = score
    of_copy = {copy.agreement: copy for copy in found.copies}
    return look, [_Match(of_copy[name], score, keys[name]) for name, score in best.items() if name in of_copy]


def _texts(found: Found, sample: bytes, keys: dict[str, RecipientKey]) -> _Look:
    texts = texts_in(sample)
    index = SlotIndex(found.texts)
    reading = index.read(texts)
    scores: list[Score] = []
    for profile in {copy.profile for copy in found.copies}:
        of_profile = {copy.agreement: keys[copy.agreement] for copy in found.copies if copy.profile == profile}
        ids = found.secret.slot_ids(reading.contexts)
        bias = biases(found.secret, ids, Profile(profile))
        scores += scored(of_profile, ids, reading.evidence, bias, detector="text")
    invention = invented.detect(texts, keys, known=index.known_words)
    known = len(reading.contexts)
    alike = known >= max(_FEW, _SHARE * len(index.contexts)) or any(score.log_p < 0.0 for score in invention)
    return _Look([*scores, *invention], 2, alike, known, len(index.contexts))


def _tensors(found: Found, sample: bytes, keys: dict[str, RecipientKey]) -> _Look:
    opened = TensorFile(sample)
    look = _Look([], 0, alike=False)
    for data in found.files:
        original = TensorFile(data)
        for fits, detect, detectors in (
            (lora.is_lora, lora.detect, lora.DETECTORS),
            (activation.is_activation, activation.detect, activation.DETECTORS),
        ):
            if fits(opened) and fits(original):
                scores = detect(data, sample, keys)
                look.scores += scores
                look.detectors += detectors
                look.alike = look.alike or bool(scores)
    return look


def _explained(verdict: Verdict, look: _Look, recipients: int, guilty: int) -> str:
    if not recipients:
        return "No marked copy of this listing was handed out."
    if verdict is Verdict.TRACED:
        chance = "chance would name an innocent one at most once in a million such traces"
        return f"{guilty} of {recipients} recipients had this copy; {chance}."
    if verdict is Verdict.NOT_OURS:
        return "The sample shows nothing of this listing that could be told."
    seen = f"{look.slots_found} of {look.slots} slots" if look.slots else "tensors like ours"
    return f"The sample shows {seen}, and not enough to tell whose copy it is. Nobody is accused."
