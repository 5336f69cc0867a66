"""What can be promised of a pack: said in its listing before anybody buys it."""

from __future__ import annotations

from enum import StrEnum

from memporium_platform.tracing.canaries import allowed

# Slots from which on the measured promise holds (docs/benchmarks.md): half deleted, 30 % rewritten, cut anew.
ONE, TWO, THREE = 520, 2048, 4096


class Promise(StrEnum):
    """How a leaked copy of a pack is traced."""

    NONE = "NONE"
    CANARIES = "CANARIES"
    ONE_LEAKER = "ONE_LEAKER"
    TWO_LEAKERS = "TWO_LEAKERS"
    THREE_LEAKERS = "THREE_LEAKERS"


_PLAIN = {
    Promise.NONE: "Copies of this pack are not traced: it is too small.",
    Promise.CANARIES: "This pack is small: its copies are traced by {canaries} canaries only.",
    Promise.ONE_LEAKER: "A leaked copy names its recipient, from a tenth of it on.",
    Promise.TWO_LEAKERS: "A leaked copy names its recipient, and one of two who mixed theirs.",
    Promise.THREE_LEAKERS: "A leaked copy names its recipient, and one of up to three who mixed theirs.",
}


def promise(*, slots: int, words: int) -> Promise:
    """Return what holds for a pack with so many different slots and words."""
    for least, found in ((THREE, Promise.THREE_LEAKERS), (TWO, Promise.TWO_LEAKERS), (ONE, Promise.ONE_LEAKER)):
        if slots >= least:
            return found
    return Promise.CANARIES if allowed(words) else Promise.NONE


def in_words(found: Promise, *, words: int) -> str:
    """Return a promise as a listing says it."""
    return _PLAIN[found].format(canaries=allowed(words))
