"""TrainParameter: text memories into a LoRA adapter that was measured, under their licences and with their lineage.

A call that is cut off (a crash, a cancelled job) has left its state behind; the same call goes on from there.
"""

from __future__ import annotations

import hashlib
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING

from memporium_platform.errors import PlatformError, Reason, invalid
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
# What came under an agreement that ends is not kept, half trained or not.
_ENDED = frozenset({Reason.LICENCE_REVOKED, Reason.LICENCE_EXPIRED, Reason.LICENCE_SUSPENDED})


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
            await self._checkpoints.delete(key)
            yield Trained(made, reused=True)
            return
        await self._checkpoints.sweep()
        yield Progress(Stage.READING, 0, len(call.cubes))
        # The licence first: a refusal costs no training, and no reading either.
        sources = await self._making.sources(call, Use.DERIVE_LORA, Form.PLAINTEXT)
        again = key if call.request_id or call.cube_id else ""
        steps = self._making.guarded(sources, lambda report: self._train(call, name, sources, tenant, again, report))
        try:
            async with aclosing(steps):
                async for step in steps:
                    yield step
        except PlatformError as error:
            if error.reason in _ENDED:
                await self._checkpoints.delete(key)
            raise

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
                key=key,
            )
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
        if key:
            await self._checkpoints.delete(key)
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
