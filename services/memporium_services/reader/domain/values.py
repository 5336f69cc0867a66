"""Values that the reader works on: turns in, episodes out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from memporium_services.reader.domain.claim_shapes import Reading
    from memporium_services.reader.domain.claims import Claim


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn of a dialogue, cleaned.

    Attributes:
        id: The turn's id in its session.
        speaker: Who speaks.
        role: `user`, `assistant` or the like; "" where not told.
        text: What was said.
        time: When, aware, in the session's time zone.
        caption: What a shared picture shows; "" where none was.
    """

    id: str
    speaker: str
    role: str
    text: str
    time: datetime
    caption: str = ""

    @property
    def body(self) -> str:
        """What was said, with what was shown."""
        if not self.caption:
            return self.text
        shown = f"[shares {self.caption}]"
        return f"{self.text} {shown}" if self.text else shown


@dataclass(frozen=True, slots=True)
class Span:
    """Where something was read; `time` None where the source tells none."""

    source: str
    locator: str
    speaker: str = ""
    time: datetime | None = None


@dataclass(frozen=True, slots=True)
class Fact:
    """One self-contained statement: the unit of retrieval; `trust` None: by role and source, as the vault says.

    `extracted_by` names the language model that wrote it; "": the source's own words. `readings` are what its clauses
    may claim by their meaning; they are no part of what is kept.
    """

    text: str
    context: str
    span: Span
    role: str = ""
    claims: tuple[Claim, ...] = ()
    trust: float | None = None
    extracted_by: str = ""
    readings: tuple[Reading, ...] = ()


@dataclass(frozen=True, slots=True)
class Formation:
    """How an episode was made where a language model was configured; see `Formation` in the protos.

    Attributes:
        model: The model that was asked.
        narrated: The prose is the model's.
        extracted: Facts of the model that were kept.
        dropped: Facts of the model that were not.
        failure: Why its answer, or the rest of it, was not used, in one word; "": it was.
    """

    model: str
    narrated: bool = False
    extracted: int = 0
    dropped: int = 0
    failure: str = ""

    @property
    def by_model(self) -> bool:
        """Whether anything of the model was kept."""
        return self.narrated or self.extracted > 0


@dataclass(frozen=True, slots=True)
class Prospect:
    """Something expected, from `start` until `end`; None: open."""

    text: str
    start: datetime
    end: datetime | None
    span: Span


@dataclass(frozen=True, slots=True)
class Episode:
    """What one stretch of dialogue, or one section of a document, leaves behind.

    Attributes:
        cube_id: Made from the content, so the same episode always gets the same one.
        title: A short title.
        text: The episode in prose.
        facts: Its statements, at least one.
        prospects: What it lets expect.
        spans: What it was made from.
        entities: Names of persons and things in it.
        formation: How a language model had part in it; None: none is configured.
    """

    cube_id: str
    title: str
    text: str
    facts: tuple[Fact, ...]
    prospects: tuple[Prospect, ...]
    spans: tuple[Span, ...]
    entities: tuple[str, ...]
    formation: Formation | None = None
