"""What the reader needs from others."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from memporium_services.reader.domain.candidates import Candidate
    from memporium_services.reader.domain.values import Episode, Formation, Prospect


@dataclass(frozen=True, slots=True)
class Labels:
    """What every cube of one call carries.

    Attributes:
        source: The session, file or URL.
        persona: Role stream; "" for the principal's own.
        tags: Labels.
        language: BCP 47 tag; "" where not known.
        semantic_type: Number of `memporium.cube.v1.SemanticType`.
        access_scope: Number of `memporium.cube.v1.AccessScope`.
        origin: Number of `memporium.cube.v1.Origin`.
        trust: Trust in all of it, 0 to 1; None: by role and source, as the vault says.
    """

    source: str
    persona: str = ""
    tags: tuple[str, ...] = ()
    language: str = ""
    semantic_type: int = 0
    access_scope: int = 0
    origin: int = 1
    trust: float | None = None


@dataclass(frozen=True, slots=True)
class Kept:
    """A cube that an episode became, or was."""

    cube: str
    title: str
    start: datetime | None
    end: datetime | None
    facts: int
    prospects: int
    created: bool
    formation: Formation | None = None


@dataclass(frozen=True, slots=True)
class Known:
    """What the vault holds of a session: its cubes in order, and the start of each turn's text by the turn's id."""

    cubes: tuple[Kept, ...] = ()
    turns: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Conditions:
    """Which memories may be recalled, and as of when.

    Attributes:
        read_revision: As of this revision of the vault; 0: now.
        read_time: As of this time; None: now.
    """

    tags_any: tuple[str, ...] = ()
    tags_all: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    entities: tuple[str, ...] = ()
    semantic_types: tuple[int, ...] = ()
    persona: str = ""
    start: datetime | None = None
    end: datetime | None = None
    read_revision: int = 0
    read_time: datetime | None = None

    @property
    def past(self) -> bool:
        """Whether they are of an earlier moment."""
        return self.read_revision != 0 or self.read_time is not None


@dataclass(frozen=True, slots=True)
class Refused:
    """A mount that gave nothing."""

    mount: str
    agreement: str
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Found:
    """What a search brought, best first; `embed_us` is the time that it took to embed all that was asked with it."""

    candidates: tuple[Candidate, ...]
    refusals: tuple[Refused, ...] = ()
    embed_us: int = 0


class Vault(Protocol):
    """The vault service."""

    async def known(self, parent: str, session: str, *, persona: str) -> Known:
        """Return what the vault holds of a session."""
        ...

    async def keep(
        self, parent: str, episodes: Sequence[Episode], labels: Labels, *, request_id: str
    ) -> tuple[list[Kept], int]:
        """Store episodes as cubes, in one batch; return them and the vault's revision."""
        ...

    async def search(
        self, parent: str, queries: Sequence[str], *, limit: int, conditions: Conditions, include_mounts: bool
    ) -> list[Found]:
        """Return the best statements for each of several queries, with each leg's raw score."""
        ...

    async def meaning(
        self, parent: str, query: str, *, limit: int, conditions: Conditions, include_mounts: bool
    ) -> Found:
        """Return the statements nearest to a query in meaning, without what they say."""
        ...

    async def prospects(
        self, parent: str, cubes: Sequence[str], *, conditions: Conditions
    ) -> list[tuple[str, Prospect]]:
        """Return what cubes of the vault let expect, each with its cube's name."""
        ...


class WriterError(Exception):
    """A language model that gave no answer; its text is the reason in one word."""


@dataclass(frozen=True, slots=True)
class Written:
    """What a language model wrote.

    Attributes:
        text: Its answer.
        cut: In one word, why it ends before its end; "": it does not.
        prompt_tokens: Tokens that were read; 0: not told.
        completion_tokens: Tokens that were written; 0: not told.
    """

    text: str
    cut: str = ""
    prompt_tokens: int = 0
    completion_tokens: int = 0


class Writer(Protocol):
    """A language model."""

    @property
    def model(self) -> str:
        """Its name."""
        ...

    async def write(
        self, instructions: str, material: str, *, max_tokens: int, timeout_s: float, schema: str = ""
    ) -> Written:
        """Return its answer on some material, which is data and not instructions; what there is of it in time.

        Args:
            instructions: What it is to do.
            material: With what.
            max_tokens: Most tokens of the answer.
            timeout_s: Longest wait.
            schema: JSON Schema of the answer, for models that can be held to one.

        Raises:
            WriterError: It gave none in time.
        """
        ...


class Judge(Protocol):
    """A language model that says how likely texts are."""

    @property
    def model(self) -> str:
        """Its name."""
        ...

    async def likelihoods(
        self, instructions: str, messages: Sequence[str], answer: str, *, timeout_s: float
    ) -> list[float]:
        """Return the log-probability, a token, of `answer` behind each message, which is data and not instructions.

        Raises:
            WriterError: It gave none in time.
        """
        ...


class Tally(Protocol):
    """Counts what language models had part in."""

    def episode(self, *, path: str, failure: str) -> None:
        """Count an episode: made by `model` or `rules`, with the reason in one word where an answer was not used."""
        ...

    def facts(self, *, outcome: str, count: int) -> None:
        """Count facts of a model: `kept`, `ungrounded`, `malformed`."""
        ...

    def answer(self, *, use: str, seconds: float) -> None:
        """Count an answer, or the wait for none: to `form`, `rewrite` or `judge`."""
        ...

    def tokens(self, *, use: str, read: int, written: int) -> None:
        """Count the tokens of an answer, as far as the model tells them: to `form` or `rewrite`."""
        ...

    def rewriting(self, *, failure: str) -> None:
        """Count a question that a model was to rewrite, with the reason in one word where it did not."""
        ...

    def judging(self, *, failure: str) -> None:
        """Count a question whose statements a model was to judge, with the reason in one word where it did not."""
        ...
