"""Runs one step: reads what it needs, and stages what it wants to write. Nothing is written here."""

from __future__ import annotations

import hashlib
import unicodedata
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from memporium_platform.errors import PlatformError, Reason
from memporium_services.scheduler.domain.jobs import JobKind
from memporium_services.scheduler.domain.pipelines import Reference, Step, needs, reads
from memporium_services.scheduler.domain.values import filled
from memporium_services.scheduler.ports_pipelines import Dialogue, Drafted, Written

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence
    from datetime import datetime

    from memporium_services.scheduler.ports_pipelines import Memory

WITHOUT_MODEL = "none"
_SPEAKER = "note"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a step brought.

    Attributes:
        outputs: Its outputs by name.
        changes: What it wants to write.
        licensed: Memories of others that it read, or that steps before it read.
        read: All memories whose words may be in its outputs.
        jobs: Jobs that are made after the commit: kind and arguments.
    """

    outputs: Mapping[str, Any] = field(default_factory=dict)
    changes: tuple[bytes, ...] = ()
    licensed: tuple[str, ...] = ()
    read: tuple[str, ...] = ()
    jobs: tuple[tuple[str, Mapping[str, Any]], ...] = ()


@dataclass(frozen=True, slots=True)
class Scene:
    """What a step finds: the run, its inputs, and what the steps before it brought."""

    run_id: str
    vault: str
    time: datetime
    inputs: Mapping[str, Any]
    done: Mapping[str, Outcome]

    def values(self) -> dict[Reference, Any]:
        """Return what references stand for."""
        found = {Reference("", name): value for name, value in self.inputs.items()}
        for step, outcome in self.done.items():
            found |= {Reference(step, name): value for name, value in outcome.outputs.items()}
        return found

    def made_id(self, step: str) -> str:
        """Return the id of a cube that a step makes: the same whenever it runs."""
        digest = hashlib.sha256(f"{self.run_id}/{step}".encode()).hexdigest()
        return f"run-{digest[:40]}"


class Staging:
    """Runs steps."""

    def __init__(self, memory: Memory) -> None:
        """Read memory; write none."""
        self._memory = memory
        self._kinds: dict[str, Callable[[Step, dict[str, Any], Scene, Sequence[str]], Awaitable[Outcome]]] = {
            "remember": self._remember,
            "consolidate": self._consolidate,
            "retrieve": self._retrieve,
            "augment": self._augment,
            "update": self._update,
            "archive": self._archive,
            "tag": self._tag,
            "merge": self._merge,
            "forget": self._forget,
            "activate": self._convert,
            "train": self._convert,
        }

    async def run(self, step: Step, scene: Scene) -> Outcome:
        """Run a step.

        Raises:
            PlatformError: What the services raise; FAILED_PRECONDITION where too little is found.
        """
        given = filled(step, scene.values())
        licensed = list(dict.fromkeys(name for id_ in sorted(needs(step)) for name in scene.done[id_].licensed))
        outcome = await self._kinds[step.kind](step, given, scene, licensed)
        everything = tuple(dict.fromkeys([*licensed, *outcome.licensed]))
        read = tuple(dict.fromkeys([*_read(step, scene), *outcome.read]))
        return Outcome(outcome.outputs, outcome.changes, everything, read, outcome.jobs)

    async def _remember(self, step: Step, given: dict[str, Any], scene: Scene, licensed: Sequence[str]) -> Outcome:
        turns = given.get("turns") or [
            {
                "id": step.id,
                "speaker": given.get("speaker") or _SPEAKER,
                "text": given.get("text", ""),
                "time": scene.time.isoformat().replace("+00:00", "Z"),
            }
        ]
        session = given.get("session") or f"run-{scene.run_id}"
        tags, persona = tuple(given.get("tags", ())), given.get("persona", "")
        dialogue = Dialogue(session, tags, persona, turns, _read(step, scene))
        return _drafted(await self._memory.remembered(scene.vault, dialogue, licensed))

    async def _consolidate(
        self,
        step: Step,  # noqa: ARG002 - one shape for all kinds
        given: dict[str, Any],
        scene: Scene,
        licensed: Sequence[str],  # noqa: ARG002 - scenes hold references and no text
    ) -> Outcome:
        wanted = set(given.get("episodes", ()))
        staged = [change for one in scene.done.values() if wanted & set(_cubes(one)) for change in one.changes]
        done = await self._memory.gathered(scene.vault, given.get("persona", ""), staged)
        return Outcome({"count": float(done.count)}, done.changes)

    async def _retrieve(self, step: Step, given: dict[str, Any], scene: Scene, licensed: Sequence[str]) -> Outcome:  # noqa: ARG002
        found = await self._memory.recalled(given.get("vault") or scene.vault, given)
        if found.count < int(given.get("least", 0)):
            raise PlatformError(
                Reason.FAILED_PRECONDITION,
                f"step {step.id} found {found.count} statements, and at least {given['least']} are wanted",
                metadata={"resource": scene.vault, "state": "TOO_LITTLE_FOUND"},
            )
        outputs = {"cubes": list(found.cubes), "context": found.context, "count": float(found.count)}
        return Outcome(outputs, licensed=found.licensed, read=found.read)

    async def _augment(self, step: Step, given: dict[str, Any], scene: Scene, licensed: Sequence[str]) -> Outcome:  # noqa: ARG002
        cubes = list(given.get("cubes", ()))
        text = given["prompt"]
        if given.get("model") != WITHOUT_MODEL:
            text = await self._memory.told(
                text,
                cubes,
                licensed=[name for name in licensed if name not in cubes],
                model=given.get("model", ""),
                max_tokens=int(given.get("max_tokens", 0)),
            )
            # A model may write anything, and a memory takes no control characters.
            text = "".join(one for one in text if one in "\n\t" or unicodedata.category(one) != "Cc").strip()
        return Outcome({"text": text, "cubes": cubes}, read=tuple(cubes))

    async def _update(self, step: Step, given: dict[str, Any], scene: Scene, licensed: Sequence[str]) -> Outcome:
        wanted = Written(
            vault=scene.vault,
            cube=given.get("cube", ""),
            cube_id=scene.made_id(step.id),
            text=given["text"],
            title=given.get("title", ""),
            tags=tuple(given.get("tags", ())),
            persona=given.get("persona", ""),
            parents=tuple(dict.fromkeys([*given.get("parents", ()), *licensed])),
            source=f"run-{scene.run_id}",
            time=scene.time,
            read=_read(step, scene),
        )
        return _drafted(await self._memory.written(wanted))

    async def _archive(self, step: Step, given: dict[str, Any], scene: Scene, licensed: Sequence[str]) -> Outcome:  # noqa: ARG002
        return _counted(self._memory.archived(given["cubes"]))

    async def _tag(self, step: Step, given: dict[str, Any], scene: Scene, licensed: Sequence[str]) -> Outcome:  # noqa: ARG002
        return _drafted(self._memory.tagged(given["cubes"], add=given.get("add", ()), remove=given.get("remove", ())))

    async def _merge(self, step: Step, given: dict[str, Any], scene: Scene, licensed: Sequence[str]) -> Outcome:  # noqa: ARG002
        return _counted(self._memory.merged(given["cubes"], scene.made_id(step.id)))

    async def _forget(self, step: Step, given: dict[str, Any], scene: Scene, licensed: Sequence[str]) -> Outcome:  # noqa: ARG002
        return _counted(self._memory.forgotten(given["cubes"], keep_derived=bool(given.get("keep_derived", False))))

    async def _convert(self, step: Step, given: dict[str, Any], scene: Scene, licensed: Sequence[str]) -> Outcome:  # noqa: ARG002
        kind = JobKind.BUILD_ACTIVATION if step.kind == "activate" else JobKind.TRAIN_PARAMETER
        spec = {"vault": scene.vault, "cubes": given["cubes"], "model": given.get("model", "")}
        return Outcome(jobs=((kind.value, spec),) if given["cubes"] else ())


def _cubes(outcome: Outcome) -> list[str]:
    found: list[str] = list(outcome.outputs.get("cubes", ()))
    return found


def _read(step: Step, scene: Scene) -> tuple[str, ...]:
    """Return the memories whose words may be in what a step is given."""
    return tuple(dict.fromkeys(name for id_ in sorted(reads(step)) for name in scene.done[id_].read))


def _drafted(done: Drafted) -> Outcome:
    return Outcome({"cubes": list(done.cubes), "count": float(done.count)}, done.changes)


def _counted(done: Drafted) -> Outcome:
    return Outcome({"count": float(done.count)}, done.changes)
