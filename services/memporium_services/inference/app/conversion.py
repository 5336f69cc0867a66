"""BuildActivation: text memories into a KV cache, under their licences and with their lineage."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING

from memporium_services.inference.app.making import new_memory
from memporium_services.inference.domain.memory import ActivationRef, Form, Use
from memporium_services.inference.domain.requests import Built, Progress, Stage

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Sequence

    from memporium_services.inference.app.making import Making
    from memporium_services.inference.domain.memory import UsedMemory
    from memporium_services.inference.domain.requests import ConvertCall

_BUILD = "build-activation"


class Conversion:
    """The use case."""

    def __init__(self, making: Making) -> None:
        """Convert with these models and memories."""
        self._making = making

    async def build_activation(
        self, call: ConvertCall, *, tenant: str, principal: str
    ) -> AsyncGenerator[Progress | Built]:
        """Yield Progress and last Built.

        Raises:
            PlatformError: The vault's refusal; MODEL_UNAVAILABLE; INVALID_FIELD; LICENCE_*, REQUEST_ID_REUSED.
        """
        name = self._making.name(call, _BUILD, "kv", principal)
        if (made := await self._making.made_before(call, name, _BUILD)) is not None:
            yield Built(made, reused=True)
            return
        yield Progress(Stage.READING, 0, len(call.cubes))
        sources = await self._making.sources(call, Use.MATERIALISE_KV, Form.PLAINTEXT)
        steps = self._making.guarded(sources, lambda report: self._build(call, name, sources, tenant, report))
        async with aclosing(steps):
            async for step in steps:
                yield step

    async def _build(
        self,
        call: ConvertCall,
        name: str,
        sources: Sequence[UsedMemory],
        tenant: str,
        report: Callable[[Progress], None],
    ) -> Built:
        running = self._making.registry.generator(call.model)
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
        new = await new_memory(call, name, sources, built.data, activation, _BUILD)
        return Built(await self._making.keep(new, report), built.compute_s)
