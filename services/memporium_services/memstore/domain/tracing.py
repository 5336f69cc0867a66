"""How a leaked copy of a pack is traced, as its listing says it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Tracing:
    """How a leaked copy is traced.

    Attributes:
        promise: What is promised: a value of the transfer service's TracePromise, without its prefix.
        slots: Places in the text that carry a mark.
        words: Words in the texts that are marked.
        canaries: Invented facts in each copy.
        statement: The promise in words.
    """

    promise: str
    slots: int
    words: int
    canaries: int
    statement: str
