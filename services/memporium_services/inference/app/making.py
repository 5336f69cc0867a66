"""What all makings of memory from memory have in common: names, repetitions, progress, lineage."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import os
from contextlib import aclosing
from typing import TYPE_CHECKING, TypeVar

from memporium_platform.errors import PlatformError, Reason, invalid
from memporium_services.inference.domain.memory import (
    ActivationRef,
    BlobRef,
    Form,
    NewMemory,
    ParameterRef,
    union_of_labels,
    union_of_licences,
)
from memporium_services.inference.domain.requests import Progress, Stage

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence

    from memporium_services.inference.app.agreements import Agreements
    from memporium_services.inference.app.registry import Registry, RunningGenerator
    from memporium_services.inference.domain.memory import Use, UsedMemory
    from memporium_services.inference.domain.requests import ConvertCall
    from memporium_services.inference.ports import AdapterTrainer, MemoryVault

R = TypeVar("R")
# Set by the crash tests: the process ends when it has stored so many memories, for instance `making.stored.2`.
_FAULT = "MEMPORIUM_FAULT"
_stored = itertools.count(1)
_TITLE_CHARACTERS = 120


class Making:
    """What a use case that makes a memory works with."""

    def __init__(
        self, registry: Registry, vault: MemoryVault, agreements: Agreements, *, new_id: Callable[[], str]
    ) -> None:
        """Make with these models; ids of cubes without a request id come from `new_id`."""
        self.registry = registry
        self.vault = vault
        self.agreements = agreements
        self._new_id = new_id

    def name(self, call: ConvertCall, derivation: str, prefix: str, principal: str) -> str:
        """Return the name of the cube: chosen, or the same for each repetition of a request, or new."""
        cube_id = call.cube_id
        if not cube_id and call.request_id:
            told = f"{principal}\n{derivation}\n{call.parent}\n{call.request_id}"
            cube_id = f"{prefix}-{hashlib.sha256(told.encode()).hexdigest()[:26]}"
        return f"{call.parent}/cubes/{cube_id or f'{prefix}-{self._new_id()}'}"

    async def made_before(self, call: ConvertCall, name: str, derivation: str) -> UsedMemory | None:
        """Return what an earlier call with the same request id made.

        Raises:
            PlatformError: REQUEST_ID_REUSED, where that was something else.
        """
        if not call.request_id:
            return None
        found = await self.vault.find(name)
        if found is None:
            return None
        if found.derivation != derivation or found.parents != call.cubes:
            raise PlatformError(
                Reason.REQUEST_ID_REUSED,
                "the request id or cube id was used for another request",
                metadata={"request_id": call.request_id},
            )
        return found

    async def sources(self, call: ConvertCall, use: Use, form: Form) -> list[UsedMemory]:
        """Return the cubes of a call for a use, under their licences; all of this form."""
        # A model that is not there costs no use.
        self.registry.generator(call.model)
        sources = await self.vault.use(call.cubes, use)
        for source in sources:
            if source.form is not form:
                raise invalid("cubes", f"{source.name} is no {form.value.lower()} memory")
        return sources

    async def guarded(
        self, sources: Sequence[UsedMemory], work: Callable[[Callable[[Progress], None]], Awaitable[R]]
    ) -> AsyncGenerator[Progress | R]:
        """Yield what the work reports, then its result; cut it as soon as an agreement of a source ends."""
        agreements = {licence.agreement for memory in sources for licence in memory.licences}
        with self.agreements.guard(agreements) as guard:
            async with aclosing(_with_progress(work)) as steps:
                async for step in guard.each(steps):
                    yield step

    async def keep(self, new: NewMemory, report: Callable[[Progress], None]) -> UsedMemory:
        """Store a new memory."""
        made = await self.vault.create(new, progress=lambda done, total: report(Progress(Stage.STORING, done, total)))
        number = next(_stored)
        if os.environ.get(_FAULT) == f"making.stored.{number}":
            os._exit(137)
        return made


def trainer_of(running: RunningGenerator) -> AdapterTrainer:
    """Return the trainer of a model.

    Raises:
        PlatformError: MODEL_UNAVAILABLE, where it has none.
    """
    if running.trainer is None:
        raise PlatformError(
            Reason.MODEL_UNAVAILABLE,
            f"model {running.generator.info.name} cannot be trained here",
            metadata={"model": running.generator.info.name},
        )
    return running.trainer


async def _with_progress(
    work: Callable[[Callable[[Progress], None]], Awaitable[R]],
) -> AsyncGenerator[Progress | R]:
    """Run `work` and yield what it reports, then its result; closing this cancels it."""
    queue: asyncio.Queue[Progress | None] = asyncio.Queue()
    task = asyncio.ensure_future(work(queue.put_nowait))
    task.add_done_callback(lambda _task: queue.put_nowait(None))
    try:
        while (step := await queue.get()) is not None:
            yield step
        yield await task
    finally:
        if not task.done():
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def new_memory(
    call: ConvertCall,
    name: str,
    sources: Sequence[UsedMemory],
    data: bytes,
    what: ActivationRef | ParameterRef,
    derivation: str,
) -> NewMemory:
    """Return a cube to be made from others: their licences, labels and titles with its blob."""
    digest = await asyncio.to_thread(lambda: hashlib.sha256(data).hexdigest())
    titles = ", ".join(dict.fromkeys(source.title for source in sources if source.title))
    return NewMemory(
        parent=call.parent,
        cube_id=name.rsplit("/", 1)[1],
        request_id=call.request_id,
        title=call.title or titles[:_TITLE_CHARACTERS],
        tags=call.tags,
        data=data,
        digest=BlobRef(digest, len(data)),
        form=Form.ACTIVATION if isinstance(what, ActivationRef) else Form.PARAMETER,
        activation=what if isinstance(what, ActivationRef) else None,
        parameter=what if isinstance(what, ParameterRef) else None,
        parents=tuple(source.name for source in sources),
        licences=union_of_licences(list(sources)),
        sensitivity_labels=union_of_labels(list(sources)),
        derivation=derivation,
        reason=call.reason,
    )
