"""MergeParameters: LoRA memories into one, bound by the licences of all, asked for what each of them knows."""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING

from memporium_platform.errors import PlatformError, Reason, invalid
from memporium_services.inference.app.fitting import check_fit
from memporium_services.inference.app.making import new_memory, trainer_of
from memporium_services.inference.domain.admission import decided
from memporium_services.inference.domain.lessons import lessons_of
from memporium_services.inference.domain.memory import Form, ParameterRef, Use
from memporium_services.inference.domain.requests import Built, Progress, Stage
from memporium_services.inference.domain.values import AdapterBlob

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Sequence

    from memporium_services.inference.app.making import Making
    from memporium_services.inference.domain.lessons import Lesson
    from memporium_services.inference.domain.memory import UsedMemory
    from memporium_services.inference.domain.requests import MergeCall
    from memporium_services.inference.domain.values import ModelInfo

MERGE = "merge-parameters"
# How sources look that are gone, or not for this caller or use.
_UNREADABLE = frozenset({Reason.NOT_FOUND, Reason.PERMISSION_DENIED, Reason.LICENCE_NOT_PERMITTED})


class Merging:
    """The use case."""

    def __init__(self, making: Making) -> None:
        """Merge with these models and memories."""
        self._making = making

    async def merge_parameters(
        self, call: MergeCall, *, tenant: str, principal: str
    ) -> AsyncGenerator[Progress | Built]:
        """Yield Progress and last Built.

        Raises:
            PlatformError: The vault's refusal; MODEL_UNAVAILABLE, MODEL_MISMATCH; LICENCE_*, REQUEST_ID_REUSED.
        """
        name = self._making.name(call, MERGE, "lora", principal)
        if (made := await self._making.made_before(call, name, MERGE)) is not None:
            yield Built(made, reused=True)
            return
        yield Progress(Stage.READING, 0, len(call.cubes))
        sources = await self._making.sources(call, Use.DERIVE_LORA, Form.PARAMETER)
        steps = self._making.guarded(sources, lambda report: self._merge(call, name, sources, tenant, report))
        async with aclosing(steps):
            async for step in steps:
                yield step

    async def _merge(
        self,
        call: MergeCall,
        name: str,
        sources: Sequence[UsedMemory],
        tenant: str,
        report: Callable[[Progress], None],
    ) -> Built:
        running = self._making.registry.generator(call.model)
        trainer = trainer_of(running)
        await running.generator.load()
        info = running.generator.info
        adapters = [await adapter_of(self._making, source, info, Use.DERIVE_LORA) for source in sources]
        lessons = {source.name: await lessons_behind(self._making, source, Use.DERIVE_LORA) for source in sources}
        report(Progress(Stage.WAITING))
        async with running.training_queue.turn(tenant):
            report(Progress(Stage.COMPUTING))
            merged = await trainer.merge(
                adapters,
                call.merge,
                lessons=lessons,
                evaluating=lambda done, total: report(Progress(Stage.EVALUATING, done, total)),
            )
        own = {source.name: source.parameter.report.evaluation.recall for source in sources if source.parameter}
        parents = tuple(replace(one, own_recall=own.get(one.cube, 0.0)) for one in merged.evaluation.parents)
        behind = [cube for source in sources if source.parameter for cube in source.parameter.source_cubes]
        parameter = ParameterRef(
            base_model_fingerprint=info.fingerprint,
            rank=merged.rank,
            alpha=float(merged.rank),
            target_modules=merged.target_modules,
            source_cubes=tuple(dict.fromkeys(behind)),
            report=decided(
                replace(merged.evaluation, parents=parents), call.merge.limits, merge_method=call.merge.method.value
            ),
        )
        new = await new_memory(call, name, sources, merged.data, parameter, MERGE)
        return Built(await self._making.keep(new, report), merged.compute_s)


async def adapter_of(making: Making, memory: UsedMemory, info: ModelInfo, use: Use) -> AdapterBlob:
    """Return an adapter's file, which must be for this model.

    Raises:
        PlatformError: MODEL_MISMATCH, INTEGRITY_FAILURE, BLOB_MISSING; the vault's refusal.
    """
    if memory.parameter is None:
        raise invalid("cubes", f"{memory.name} is no parameter memory")
    check_fit(memory, info)
    what = memory.parameter
    data = await making.vault.download(memory, use)
    return AdapterBlob(memory.name, data, what.rank, what.alpha, what.target_modules)


async def lessons_behind(making: Making, memory: UsedMemory, use: Use) -> list[Lesson]:
    """Return what the cubes that an adapter was trained on teach; none where they can no longer be read."""
    cubes = memory.parameter.source_cubes if memory.parameter is not None else ()
    try:
        sources = await making.vault.use(cubes, use) if cubes else []
    except PlatformError as error:
        if error.reason in _UNREADABLE:
            return []
        raise
    return lessons_of(source for source in sources if source.form is Form.PLAINTEXT)
