"""What pipelines need from outside: memory to read and to write at once, and rows for what is staged."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from sqlalchemy import Connection

    from memporium_services.scheduler.domain.runs import KeptPipeline, Run, StepRecord


@dataclass(frozen=True, slots=True)
class Drafted:
    """Changes that are wanted and not made: each as bytes of its message, with the cubes that they make."""

    changes: tuple[bytes, ...] = ()
    cubes: tuple[str, ...] = ()
    count: int = 0


@dataclass(frozen=True, slots=True)
class Recalled:
    """What was recalled.

    Attributes:
        cubes: Cubes of the vault itself.
        context: What they and others say.
        count: Statements in it.
        licensed: Those cubes that came under an agreement, of mounts too.
        read: All cubes whose words stand in the context.
    """

    cubes: tuple[str, ...]
    context: str
    count: int
    licensed: tuple[str, ...] = ()
    read: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Committed:
    """What a commit made."""

    cubes: tuple[str, ...]
    revision: int


@dataclass(frozen=True, slots=True)
class Written:
    """A memory to write.

    Attributes:
        vault: Where.
        cube: The memory to change; "": a new one.
        cube_id: Id of a new one.
        text: What it says.
        title: Its title.
        tags: Labels of a new one.
        persona: Role stream of a new one.
        parents: What it was made from, as the pipeline says, and licensed memories.
        source: The run.
        time: When the run began.
        read: What else stands in the text that it was made from.
    """

    vault: str
    cube: str
    cube_id: str
    text: str
    title: str
    tags: tuple[str, ...]
    persona: str
    parents: tuple[str, ...]
    source: str
    time: datetime
    read: tuple[str, ...] = ()

    @property
    def made_of(self) -> tuple[str, ...]:
        """All that it was made from, but for itself."""
        return tuple(name for name in dict.fromkeys([*self.parents, *self.read]) if name != self.cube)


@dataclass(frozen=True, slots=True)
class Dialogue:
    """What is to be remembered: turns as JSON values of their message; `read` are memories whose words are in them."""

    session: str
    tags: tuple[str, ...]
    persona: str
    turns: Sequence[Mapping[str, Any]] = field(default_factory=tuple)
    read: tuple[str, ...] = ()


class Memory(Protocol):
    """The memory of vaults, with the rights of the call in progress."""

    async def remembered(self, vault: str, dialogue: Dialogue, parents: Sequence[str]) -> Drafted:
        """Return the changes that remember a dialogue; `parents`: licensed memories that it was made from."""
        ...

    async def gathered(self, vault: str, persona: str, staged: Sequence[bytes]) -> Drafted:
        """Return the changes that bring scenes and profiles up to date, with staged episodes among them."""
        ...

    async def recalled(self, vault: str, asked: Mapping[str, Any]) -> Recalled:
        """Return what a question needs; `asked` by the field names of RetrieveStep."""
        ...

    async def told(
        self, prompt: str, cubes: Sequence[str], *, licensed: Sequence[str], model: str, max_tokens: int
    ) -> str:
        """Return a model's text with memories mounted, and licensed ones in the prompt."""
        ...

    async def written(self, wanted: Written) -> Drafted:
        """Return the change that writes a memory."""
        ...

    def archived(self, cubes: Sequence[str]) -> Drafted:
        """Return the changes that archive."""
        ...

    def tagged(self, cubes: Sequence[str], *, add: Sequence[str], remove: Sequence[str]) -> Drafted:
        """Return the changes that label."""
        ...

    def merged(self, cubes: Sequence[str], cube_id: str) -> Drafted:
        """Return the change that merges."""
        ...

    def forgotten(self, cubes: Sequence[str], *, keep_derived: bool) -> Drafted:
        """Return the change that forgets."""
        ...

    async def commit(self, vault: str, changes: Sequence[bytes], *, reason: str, request_id: str) -> Committed:
        """Make all changes, or none; a repeat with the same id and changes makes nothing again."""
        ...


class PipelineRows(Protocol):
    """The tables of pipelines, runs, and what runs staged; methods run within a transaction."""

    def insert(self, conn: Connection, pipeline: KeptPipeline) -> bool:
        """Add a pipeline; False where its id is taken."""
        ...

    def get(self, conn: Connection, org: str, pipeline_id: str) -> KeptPipeline | None:
        """Return a pipeline, or None."""
        ...

    def page(self, conn: Connection, org: str, *, after: str, limit: int) -> list[KeptPipeline]:
        """Return pipelines by id, those beyond `after`."""
        ...

    def delete(self, conn: Connection, org: str, pipeline_id: str) -> bool:
        """Remove a pipeline; False where there is none."""
        ...

    def insert_run(self, conn: Connection, run: Run) -> None:
        """Add a run."""
        ...

    def run(self, conn: Connection, org: str, run_id: str) -> Run | None:
        """Return a run, or None."""
        ...

    def set_committing(self, conn: Connection, org: str, run_id: str, *, committing: bool) -> None:
        """Note whether a run's writes are being made."""
        ...

    def set_cubes(self, conn: Connection, org: str, run_id: str, cubes: Sequence[str]) -> None:
        """Note what a run made, changed or archived."""
        ...

    def save_step(self, conn: Connection, org: str, run_id: str, step: StepRecord) -> None:
        """Keep how far a step is, with what it staged."""
        ...

    def steps(self, conn: Connection, org: str, run_id: str) -> dict[str, StepRecord]:
        """Return the steps of a run that were begun, by id."""
        ...

    def drop_steps(self, conn: Connection, org: str, run_id: str) -> None:
        """Forget what was staged, so that the steps run anew."""
        ...
