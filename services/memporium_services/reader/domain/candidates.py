"""What a search brought: statements with the raw scores of its legs."""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from memporium_services.reader.domain.claims import Claim

DENSE, OWN, CONTEXT = "dense", "own", "context"
LEGS = (DENSE, OWN, CONTEXT)
_SUFFIX = re.compile(r" \([^()]*\b\d{4}\b[^()]*\)$")


class Candidate(NamedTuple):
    """One statement found. A tuple: hundreds are made for a question, and that takes a third of a dataclass's time.

    Attributes:
        cube: Name of its cube.
        ordinal: Which of the cube's statements.
        version: The cube's version.
        text: The statement.
        context: What stands around it.
        source: Where it was read: the session, file or URL.
        locator: Which part of that.
        speaker: Who said it.
        role: Role of the speaker.
        event_time: When it was true; None: not known.
        source_time: When it was said; None: not known.
        entities: Names in its cube.
        mount: The mount it came by; "": the vault itself.
        agreement: The agreement it came under; "": none.
        attribution: Text to show; "": none.
        legs: Raw score by leg: a cosine, or BM25.
        focus: Cosine with the question without names; None: not among the best there.
        score: Fused score of the vault, 0 to 1.
        further: Best fused score in the searches that followed the question itself, 0 to 1.
        round: In which round it was found, from 1.
        claims: What it asserts.
        trust: Trust in its source as told when it was remembered; None: not told.
        origin: Number of `memporium.cube.v1.Origin` of its cube.
        made: When its cube was made.
        prospects: How many expectations its cube holds; None: not counted.
    """

    cube: str
    ordinal: int
    text: str
    version: int = 1
    context: str = ""
    source: str = ""
    locator: str = ""
    speaker: str = ""
    role: str = ""
    event_time: datetime | None = None
    source_time: datetime | None = None
    entities: tuple[str, ...] = ()
    mount: str = ""
    agreement: str = ""
    attribution: str = ""
    legs: Mapping[str, float] = MappingProxyType({})
    focus: float | None = None
    score: float = 0.0
    further: float = 0.0
    round: int = 1
    claims: tuple[Claim, ...] = ()
    trust: float | None = None
    origin: int = 0
    made: datetime | None = None
    prospects: int | None = None

    @property
    def key(self) -> tuple[str, int]:
        """What tells it from all others."""
        return self.cube, self.ordinal

    @property
    def said(self) -> str:
        """The statement without the speaker and the date that formation added."""
        text = self.text
        if self.speaker and text.startswith(f"{self.speaker}: "):
            text = text[len(self.speaker) + 2 :]
            text = _SUFFIX.sub("", text)
        return text
