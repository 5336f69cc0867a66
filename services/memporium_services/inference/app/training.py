"""TrainParameter: text memories into a LoRA adapter that was measured, under their licences and with their lineage.

A call that is cut off (a crash, a cancelled job) has left its state behind; the same call goes on from there.
"""

from __future__ import annotations

import hashlib
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING

from memporium_platform.errors import PlatformError, Reason, invalid, not_found
from memporium_services.inference.app.making import new_memory, trainer_of
from memporium_services.inference.domain.admission import AdapterReport, Admission, decided
from memporium_services.inference.domain.examples import examples_of
from memporium_services.inference.domain.lessons import lessons_of
from memporium_services.inference.domain.memory import Form, ParameterRef, Use
from memporium_services.inference.domain.requests import Progress, Stage, Trained

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Sequence

    from memporium_services.inference.app.making import Making
    from memporium_services.inference.domain.memory import UsedMemory
    from memporium_services.inference.domain.requests import ConvertCall
    from memporium_services.inference.ports import CheckpointStore

TRAIN = "train-parameter"
# What came under an agreement that ends is not kept, half trained or not, nor what says things that were forgotten.
_ENDED = frozenset(
    {
        Reason.LICENCE_REVOKED,
        Reason.LICENCE_EXPIRED,
        Reason.LICENCE_SUSPENDED,
        Reason.NOT_FOUND,
        Reason.PERMISSION_DENIED,
        Reason.INVALID_FIELD,
    }
)


class Training:
    """The use case."""

    def __init__(self, making: Making, checkpoints: CheckpointStore) -> None:
        """Train with these models and memories; `checkpoints` are those that the trainers keep."""
        self._making = making
        self._checkpoints = checkpoints

    async def train_parameter(
        self, call: ConvertCall, *, tenant: str, principal: str
    ) -> AsyncGenerator[Progress | Trained]:
        """Yield Progress and last Trained.

        Raises:
            PlatformError: The vault's refusal; MODEL_UNAVAILABLE; INVALID_FIELD; LICENCE_*, REQUEST_ID_REUSED.
        """
        name = self._making.name(call, TRAIN, "lora", principal)
        key = hashlib.sha256(name.encode()).hexdigest()
        if (made := await self._making.made_before(call, name, TRAIN)) is not None:
            await self._checkpoints.delete(key, call.cubes)
            yield Trained(made, reused=True)
            return
        await self._checkpoints.sweep()
        yield Progress(Stage.READING, 0, len(call.cubes))
        try:
            # The licence first: a refusal costs no training, and no reading either.
            sources = await self._making.sources(call, Use.DERIVE_LORA, Form.PLAINTEXT)
            await self._begin(key, tenant, sources)
            steps = self._making.guarded(sources, lambda report: self._train(call, name, sources, tenant, key, report))
            async with aclosing(steps):
                async for step in steps:
                    yield step
        except PlatformError as error:
            if error.reason in _ENDED:
                await self._checkpoints.delete(key, call.cubes)
            raise
        finally:
            await self._checkpoints.close(key)
            if not _repeatable(call):
                await self._checkpoints.delete(key, call.cubes)

    async def _begin(self, key: str, org: str, sources: Sequence[UsedMemory]) -> None:
        """Tie the training to its memories: from here on it ends where one of them is forgotten."""
        if not await self._checkpoints.begin(key, org, [source.name for source in sources]):
            return
        # What was forgotten before the tie was made is seen here, and what is forgotten later breaks it.
        for source in sources:
            if await self._making.vault.find(source.name) is None:
                raise not_found(source.name)

    async def _train(
        self,
        call: ConvertCall,
        name: str,
        sources: Sequence[UsedMemory],
        tenant: str,
        key: str,
        report: Callable[[Progress], None],
    ) -> Trained:
        running = self._making.registry.generator(call.model)
        trainer = trainer_of(running)
        await running.generator.load()
        lessons = lessons_of(sources)
        examples = examples_of(sources, lessons)
        if not examples:
            raise invalid("cubes", "hold no text to train on")
        report(Progress(Stage.WAITING))
        async with running.training_queue.turn(tenant):
            trained = await trainer.train(
                examples,
                call.plan,
                progress=lambda done, total, loss: report(Progress(Stage.COMPUTING, done, total, loss)),
                lessons=lessons,
                evaluating=lambda done, total: report(Progress(Stage.EVALUATING, done, total)),
                key=key if _repeatable(call) else "",
            )
        await self._checkpoints.check(key)
        measured = trained.evaluation
        parameter = ParameterRef(
            base_model_fingerprint=running.generator.info.fingerprint,
            rank=trained.rank,
            alpha=trained.alpha,
            target_modules=trained.target_modules,
            report=decided(measured, call.plan.limits) if measured is not None else AdapterReport(),
        )
        new = await new_memory(call, name, sources, trained.data, parameter, TRAIN)
        refused = parameter.report.admission is Admission.REFUSED
        new = replace(new, expired=refused and call.expire_refused)
        memory = await self._making.keep(new, report)
        await self._checkpoints.delete(key, call.cubes)
        return Trained(
            memory,
            loss_before=trained.loss_before,
            loss_after=trained.loss_after,
            examples=len(examples),
            pairs=sum(bool(example.question) for example in examples),
            steps=trained.steps,
            compute_s=trained.compute_s,
            resumed_steps=trained.resumed_steps,
        )


def _repeatable(call: ConvertCall) -> bool:
    """Say whether a repeated call would find what this one has done so far."""
    return bool(call.request_id or call.cube_id)
