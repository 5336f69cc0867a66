"""ProbeParameter: a LoRA memory back to text, by asking it. Kept is what it is sure of, in other words too."""

from __future__ import annotations

import time
from contextlib import aclosing
from typing import TYPE_CHECKING

from memporium_platform.errors import PlatformError, Reason, invalid
from memporium_services.inference.app.making import trainer_of
from memporium_services.inference.app.merging import adapter_of, lessons_behind
from memporium_services.inference.domain.lessons import Lesson
from memporium_services.inference.domain.memory import Form, NewText, Use
from memporium_services.inference.domain.probing import measured, stated_in, sure
from memporium_services.inference.domain.requests import Built, Progress, Stage

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from memporium_services.inference.app.making import Making
    from memporium_services.inference.domain.memory import UsedMemory
    from memporium_services.inference.domain.requests import ProbeCall

PROBE = "probe-parameter"


class Probing:
    """The use case."""

    def __init__(self, making: Making) -> None:
        """Ask with these models and memories."""
        self._making = making

    async def probe_parameter(
        self, call: ProbeCall, *, tenant: str, principal: str
    ) -> AsyncGenerator[Progress | Built]:
        """Yield Progress and last Built.

        Raises:
            PlatformError: The vault's refusal; MODEL_UNAVAILABLE, MODEL_MISMATCH; INVALID_FIELD, where nobody says what
                to ask for; FAILED_PRECONDITION, where the adapter is sure of nothing; LICENCE_*, REQUEST_ID_REUSED.
        """
        name = self._making.name(call, PROBE, "text", principal)
        if (made := await self._making.made_before(call, name, PROBE)) is not None:
            yield Built(made, reused=True)
            return
        yield Progress(Stage.READING, 0, len(call.cubes))
        sources = await self._making.sources(call, Use.DERIVE_TEXT, Form.PARAMETER)
        steps = self._making.guarded(sources, lambda report: self._probe(call, name, sources[0], tenant, report))
        async with aclosing(steps):
            async for step in steps:
                yield step

    async def _probe(
        self, call: ProbeCall, name: str, source: UsedMemory, tenant: str, report: Callable[[Progress], None]
    ) -> Built:
        running = self._making.registry.generator(call.model)
        trainer = trainer_of(running)
        await running.generator.load()
        adapter = await adapter_of(self._making, source, running.generator.info, Use.DERIVE_TEXT)
        known = await lessons_behind(self._making, source, Use.DERIVE_TEXT)
        topics = [Lesson(subject, attribute, "", "") for subject, attribute in call.topics] or known
        if not topics:
            raise invalid("topics", "are needed: what the adapter was trained on cannot be read")
        report(Progress(Stage.WAITING))
        began = time.perf_counter()
        async with running.training_queue.turn(tenant):
            began = time.perf_counter()
            told = await trainer.probe(
                adapter, topics, evaluating=lambda done, total: report(Progress(Stage.COMPUTING, done, total))
            )
        kept = sure(topics, told, min_confidence=call.min_confidence)
        if not kept:
            raise PlatformError(
                Reason.FAILED_PRECONDITION,
                f"{source.name} is sure of none of {len(topics)} answers",
                metadata={"resource": source.name, "state": "not sure"},
            )
        spent = time.perf_counter() - began
        new = NewText(
            parent=call.parent,
            cube_id=name.rsplit("/", 1)[1],
            request_id=call.request_id,
            title=call.title or source.title,
            tags=call.tags,
            facts=tuple((text, stated_in(topic, text)) for topic, text in kept),
            model=running.generator.info.name,
            report=measured(source.name, topics, kept, known, min_confidence=call.min_confidence),
            licences=source.licences,
            sensitivity_labels=source.sensitivity_labels,
            derivation=PROBE,
            reason=call.reason,
        )
        report(Progress(Stage.STORING))
        return Built(await self._making.vault.create_text(new), spent)
