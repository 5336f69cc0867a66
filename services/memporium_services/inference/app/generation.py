"""Generate: memories used under their licences, mounted in their forms, and text streamed until the end or a cut."""

from __future__ import annotations

import time
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from memporium_platform.errors import invalid
from memporium_services.inference.app.fitting import check_mountable
from memporium_services.inference.app.running import going
from memporium_services.inference.domain.attribution import passages_of
from memporium_services.inference.domain.memory import Form, Use
from memporium_services.inference.domain.prompt import HEADING
from memporium_services.inference.domain.requests import Cited, Delta, Finished, Started, Times
from memporium_services.inference.domain.values import AdapterBlob, Ended, GenerationTask, KvBlob, PromptRead, TextPiece

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from memporium_services.inference.app.agreements import Agreements
    from memporium_services.inference.app.blob_cache import BlobCache
    from memporium_services.inference.app.registry import Registry, RunningGenerator
    from memporium_services.inference.app.tier_watch import TierWatch
    from memporium_services.inference.app.watermarks import Watermarks
    from memporium_services.inference.domain.memory import UsedMemory
    from memporium_services.inference.domain.requests import GenerateCall
    from memporium_services.inference.domain.values import ModelInfo
    from memporium_services.inference.ports import Blob, MemoryVault, RunningUses

GenerateEvent = Started | Delta | Finished


@dataclass(frozen=True)
class Limits:
    """Limits of a generation."""

    max_prompt_tokens: int
    max_input_bytes: int


class Generation:
    """The use case."""

    def __init__(
        self,
        registry: Registry,
        vault: MemoryVault,
        cache: BlobCache,
        agreements: Agreements,
        watermarks: Watermarks,
        uses: RunningUses,
        limits: Limits,
        *,
        tier: TierWatch | None = None,
    ) -> None:
        """Generate with these models and memories; tell `tier` of each use."""
        self._registry = registry
        self._vault = vault
        self._cache = cache
        self._agreements = agreements
        self._watermarks = watermarks
        self._uses = uses
        self._limits = limits
        self._tier = tier

    async def generate(self, call: GenerateCall, *, tenant: str, principal: str = "") -> AsyncGenerator[GenerateEvent]:
        """Yield Started, any number of Delta, and Finished.

        Raises:
            PlatformError: The vault's refusal of a memory; MODEL_UNAVAILABLE, MODEL_MISMATCH, INVALID_FIELD; LICENCE_*
                where an agreement ends meanwhile; OVERLOADED.
        """
        began = time.perf_counter()
        running = self._registry.generator(call.model)
        # Before a use is counted: a call that will be turned away uses nothing.
        running.queue.check(tenant)
        await running.generator.load()
        memories = await self._vault.use(call.cubes, Use.INFER_WITH, running=True) if call.cubes else []
        licences = [licence for memory in memories for licence in memory.licences]
        agreements = {licence.agreement for licence in licences}
        counted = {(licence.agreement, licence.use_id) for licence in licences if licence.use_id}
        async with going(self._uses, counted):
            with self._agreements.guard(agreements) as guard:
                task = await self._task(call, memories, running.generator.info, tenant, principal)
                if self._tier is not None:
                    self._tier.mounted(tenant, principal, memories, model=running.generator.info.name)
                mount_s = time.perf_counter() - began
                async with aclosing(self._run(running, task, memories, tenant, began, mount_s)) as events:
                    async for event in guard.each(events):
                        yield event
        if self._tier is not None:
            self._tier.ended(tenant, principal, memories)

    async def _run(
        self,
        running: RunningGenerator,
        task: GenerationTask,
        memories: Sequence[UsedMemory],
        tenant: str,
        began: float,
        mount_s: float,
    ) -> AsyncGenerator[GenerateEvent]:
        info = running.generator.info
        waited = time.perf_counter()
        async with running.queue.turn(tenant), aclosing(running.generator.generate(task)) as events:
            free = time.perf_counter()
            first = 0.0
            read = PromptRead(0)
            answer: list[str] = []
            async for event in events:
                match event:
                    case PromptRead():
                        read = event
                        if self._tier is not None:
                            self._tier.read(info.name, event)
                        yield Started(info.name, info.fingerprint, event.prompt_tokens, event.cached_tokens)
                    case TextPiece():
                        first = first or time.perf_counter() - free - read.waited_s
                        answer.append(event.text)
                        yield Delta(event.text, event.token_ids)
                    case Ended():
                        times = Times(
                            free - waited + read.waited_s, mount_s, read.prefill_s, first, time.perf_counter() - began
                        )
                        yield Finished(
                            event.finish,
                            event.prompt_tokens,
                            max(read.cached_tokens, event.cached_tokens),
                            event.completion_tokens,
                            times,
                            _citations(memories, "".join(answer), event.kv_texts),
                        )

    async def _task(
        self, call: GenerateCall, memories: Sequence[UsedMemory], info: ModelInfo, tenant: str, agent: str
    ) -> GenerationTask:
        """Return what the generator is asked for, the blobs loaded and checked against the model."""
        texts = tuple(memory.as_text() for memory in memories if memory.form is Form.PLAINTEXT)
        size = len(call.prompt.encode()) + sum(len(turn.content.encode()) for turn in call.turns)
        size += sum(len(memory.text.encode()) for memory in texts)
        if size > self._limits.max_input_bytes:
            raise invalid(
                "mounts", f"messages, prompt and memory have {size} bytes; at most {self._limits.max_input_bytes}"
            )
        activations = [memory for memory in memories if memory.form is Form.ACTIVATION]
        parameters = [memory for memory in memories if memory.form is Form.PARAMETER]
        if activations and parameters:
            raise invalid("mounts", "an activation cube was computed without adapters: mount it or parameter cubes")
        check_mountable((*activations, *parameters), info)
        licences = [licence for memory in memories for licence in memory.licences]
        return GenerationTask(
            sampling=call.sampling,
            turns=call.turns,
            prompt=call.prompt,
            memories=texts,
            kvs=tuple([await self._kv(memory, tenant, agent) for memory in activations]),
            compose=call.compose,
            adapters=tuple([await self._adapter(memory, tenant, agent) for memory in parameters]),
            max_prompt_tokens=self._limits.max_prompt_tokens,
            watermark_keys=self._watermarks.keys(licences, info),
            isolation="\n".join([tenant, *sorted({licence.agreement for licence in licences})]),
        )

    async def _kv(self, memory: UsedMemory, tenant: str, agent: str) -> KvBlob:
        assert memory.activation is not None  # noqa: S101 - checked by check_mountable
        data = await self._blob(memory, tenant, agent)
        return KvBlob(data, memory.activation.token_ids_sha256, memory.activation.token_count)

    async def _adapter(self, memory: UsedMemory, tenant: str, agent: str) -> AdapterBlob:
        assert memory.parameter is not None  # noqa: S101 - checked by check_mountable
        assert memory.blob is not None  # noqa: S101 - checked by check_mountable
        what = memory.parameter
        data = await self._blob(memory, tenant, agent)
        agreements = frozenset(licence.agreement for licence in memory.licences)
        key = f"{tenant}/{memory.blob.sha256}"
        return AdapterBlob(key, data, what.rank, what.alpha, what.target_modules, agreements)

    async def _blob(self, memory: UsedMemory, tenant: str, agent: str) -> Blob:
        assert memory.blob is not None  # noqa: S101 - checked by check_mountable
        agreements = frozenset(licence.agreement for licence in memory.licences)
        return await self._cache.get(
            tenant,
            memory.blob.sha256,
            lambda: self._vault.download(memory),
            agreements=agreements,
            agent=agent,
            labels=memory.tags,
            vault=memory.vault,
        )


def _citations(memories: Sequence[UsedMemory], answer: str, kv_texts: Sequence[str]) -> tuple[Cited, ...]:
    """Return every memory, once for each of its licences, with what of the answer rests on it."""
    told = iter(kv_texts)
    found: list[Cited] = []
    for memory in memories:
        text = next(told, "") if memory.form is Form.ACTIVATION else memory.text
        passages = passages_of(answer, text.replace(HEADING, ""))
        found.extend(Cited(memory, licence, passages) for licence in memory.licences or (None,))
    return tuple(found)
