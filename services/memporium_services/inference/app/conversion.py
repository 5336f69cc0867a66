"""BuildActivation and TrainParameter: text memories into another form, under their licences and with their lineage."""

from __future__ import annotations

import asyncio
import hashlib
from contextlib import aclosing
from typing import TYPE_CHECKING, TypeVar

from memporium_platform.errors import PlatformError, Reason, invalid
from memporium_services.inference.domain.examples import examples_of
from memporium_services.inference.domain.memory import (
    ActivationRef,
    BlobRef,
    Form,
    NewMemory,
    ParameterRef,
    Use,
    UsedMemory,
    union_of_labels,
    union_of_licences,
)
from memporium_services.inference.domain.requests import Built, Progress, Stage, Trained

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence

    from memporium_services.inference.app.agreements import Agreements
    from memporium_services.inference.app.registry import Registry
    from memporium_services.inference.domain.requests import ConvertCall
    from memporium_services.inference.ports import MemoryVault

R = TypeVar("R")
_BUILD, _TRAIN = "build-activation", "train-parameter"
_TITLE_CHARACTERS = 120


class Conversion:
    """The use cases."""

    def __init__(
        self, registry: Registry, vault: MemoryVault, agreements: Agreements, *, new_id: Callable[[], str]
    ) -> None:
        """Convert with these models; ids of cubes without a request id come from `new_id`."""
        self._registry = registry
        self._vault = vault
        self._agreements = agreements
        self._new_id = new_id

    async def build_activation(
        self, call: ConvertCall, *, tenant: str, principal: str
    ) -> AsyncGenerator[Progress | Built]:
        """Yield Progress and last Built.

        Raises:
            PlatformError: The vault's refusal; MODEL_UNAVAILABLE; INVALID_FIELD; LICENCE_*, REQUEST_ID_REUSED.
        """
        name = self._name(call, _BUILD, "kv", principal)
        if (made := await self._made_before(call, name, _BUILD)) is not None:
            yield Built(made, reused=True)
            return
        yield Progress(Stage.READING, 0, len(call.cubes))
        sources = await self._sources(call, Use.MATERIALISE_KV)
        with self._agreements.guard(_agreements(sources)) as guard:
            steps = _with_progress(lambda report: self._build(call, name, sources, tenant, report))
            async with aclosing(steps):
                async for step in guard.each(steps):
                    yield step

    async def train_parameter(
        self, call: ConvertCall, *, tenant: str, principal: str
    ) -> AsyncGenerator[Progress | Trained]:
        """Yield Progress and last Trained.

        Raises:
            PlatformError: The vault's refusal; MODEL_UNAVAILABLE; INVALID_FIELD; LICENCE_*, REQUEST_ID_REUSED.
        """
        name = self._name(call, _TRAIN, "lora", principal)
        if (made := await self._made_before(call, name, _TRAIN)) is not None:
            yield Trained(made, reused=True)
            return
        yield Progress(Stage.READING, 0, len(call.cubes))
        # The licence first: a refusal costs no training, and no reading either.
        sources = await self._sources(call, Use.DERIVE_LORA)
        with self._agreements.guard(_agreements(sources)) as guard:
            steps = _with_progress(lambda report: self._train(call, name, sources, tenant, report))
            async with aclosing(steps):
                async for step in guard.each(steps):
                    yield step

    async def _build(
        self,
        call: ConvertCall,
        name: str,
        sources: Sequence[UsedMemory],
        tenant: str,
        report: Callable[[Progress], None],
    ) -> Built:
        running = self._registry.generator(call.model)
        report(Progress(Stage.WAITING))
        async with running.queue.turn(tenant):
            built = await running.generator.build_kv(
                [source.as_text() for source in sources],
                form=call.kv_form,
                progress=lambda done, total: report(Progress(Stage.COMPUTING, done, total)),
            )
        info = running.generator.info
        activation = ActivationRef(
            model_fingerprint=info.fingerprint,
            tokenizer_fingerprint=info.tokenizer_fingerprint,
            token_ids_sha256=built.token_ids_sha256,
            token_count=built.token_count,
            layers=built.layers,
            heads=built.heads,
            head_size=built.head_size,
            dtype=built.dtype,
            relative_error=built.relative_error,
        )
        new = await _new(call, name, sources, built.data, activation, _BUILD)
        memory = await self._vault.create(
            new, progress=lambda done, total: report(Progress(Stage.STORING, done, total))
        )
        return Built(memory, built.compute_s)

    async def _train(
        self,
        call: ConvertCall,
        name: str,
        sources: Sequence[UsedMemory],
        tenant: str,
        report: Callable[[Progress], None],
    ) -> Trained:
        running = self._registry.generator(call.model)
        if running.trainer is None:
            raise PlatformError(
                Reason.MODEL_UNAVAILABLE,
                f"model {running.generator.info.name} cannot be trained here",
                metadata={"model": running.generator.info.name},
            )
        await running.generator.load()
        examples = examples_of(sources)
        if not examples:
            raise invalid("cubes", "hold no text to train on")
        report(Progress(Stage.WAITING))
        async with running.training_queue.turn(tenant):
            trained = await running.trainer.train(
                examples,
                call.plan,
                progress=lambda done, total, loss: report(Progress(Stage.COMPUTING, done, total, loss)),
            )
        parameter = ParameterRef(
            base_model_fingerprint=running.generator.info.fingerprint,
            rank=trained.rank,
            alpha=trained.alpha,
            target_modules=trained.target_modules,
        )
        new = await _new(call, name, sources, trained.data, parameter, _TRAIN)
        memory = await self._vault.create(
            new, progress=lambda done, total: report(Progress(Stage.STORING, done, total))
        )
        return Trained(
            memory,
            loss_before=trained.loss_before,
            loss_after=trained.loss_after,
            examples=len(examples),
            pairs=sum(bool(example.question) for example in examples),
            steps=trained.steps,
            compute_s=trained.compute_s,
        )

    def _name(self, call: ConvertCall, derivation: str, prefix: str, principal: str) -> str:
        """Return the name of the cube: chosen, or the same for each repetition of a request, or new."""
        cube_id = call.cube_id
        if not cube_id and call.request_id:
            told = f"{principal}\n{derivation}\n{call.parent}\n{call.request_id}"
            cube_id = f"{prefix}-{hashlib.sha256(told.encode()).hexdigest()[:26]}"
        return f"{call.parent}/cubes/{cube_id or f'{prefix}-{self._new_id()}'}"

    async def _made_before(self, call: ConvertCall, name: str, derivation: str) -> UsedMemory | None:
        if not call.request_id:
            return None
        found = await self._vault.find(name)
        if found is None:
            return None
        if found.derivation != derivation or found.parents != call.cubes:
            raise PlatformError(
                Reason.REQUEST_ID_REUSED,
                "the request id or cube id was used for another request",
                metadata={"request_id": call.request_id},
            )
        return found

    async def _sources(self, call: ConvertCall, use: Use) -> list[UsedMemory]:
        self._registry.generator(call.model)
        sources = await self._vault.use(call.cubes, use)
        for source in sources:
            if source.form is not Form.PLAINTEXT:
                raise invalid("cubes", f"{source.name} is no plaintext memory")
        return sources


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


async def _new(
    call: ConvertCall,
    name: str,
    sources: Sequence[UsedMemory],
    data: bytes,
    what: ActivationRef | ParameterRef,
    derivation: str,
) -> NewMemory:
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


def _agreements(memories: Sequence[UsedMemory]) -> set[str]:
    return {licence.agreement for memory in memories for licence in memory.licences}
