"""The models of this server, by name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from memporium_platform.errors import PlatformError, Reason

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from memporium_services.inference.app.embedding import MicroBatcher
    from memporium_services.inference.app.fair_queue import FairQueue
    from memporium_services.inference.domain.values import Kind, ModelInfo
    from memporium_services.inference.ports import AdapterTrainer, Generator


@dataclass(frozen=True)
class RunningGenerator:
    """A generator with its queue, and its trainer where it has one."""

    generator: Generator
    queue: FairQueue
    trainer: AdapterTrainer | None
    training_queue: FairQueue


class Registry:
    """Embedders and generators by name."""

    def __init__(
        self,
        *,
        embedders: Mapping[str, MicroBatcher],
        generators: Mapping[str, RunningGenerator],
        default_embedder: str,
        default_generator: str,
    ) -> None:
        """Keep the models; a default that is not among them is as none."""
        self._embedders = dict(embedders)
        self._generators = dict(generators)
        self.default_embedder = default_embedder if default_embedder in embedders else ""
        self.default_generator = default_generator if default_generator in generators else ""

    def embedder(self, name: str) -> MicroBatcher:
        """Return an embedder, the default one for "".

        Raises:
            PlatformError: MODEL_UNAVAILABLE.
        """
        found = self._embedders.get(name or self.default_embedder)
        if found is None:
            raise _unavailable(name, "embedder")
        return found

    def generator(self, name: str) -> RunningGenerator:
        """Return a generator, the default one for "".

        Raises:
            PlatformError: MODEL_UNAVAILABLE.
        """
        found = self._generators.get(name or self.default_generator)
        if found is None:
            raise _unavailable(name, "generator")
        return found

    async def count_tokens(self, name: str, texts: list[str]) -> tuple[str, list[int]]:
        """Return the name of the model and the number of tokens of each text."""
        model = name or self.default_generator or self.default_embedder
        if model in self._embedders:
            return model, await self._embedders[model].count_tokens(texts)
        return model, await self.generator(model).generator.count_tokens(texts)

    def models(self, kind: Kind | None = None) -> list[ModelInfo]:
        """Return what is known of the models, by name."""
        infos = [batcher.info for batcher in self._embedders.values()]
        infos += [running.generator.info for running in self._generators.values()]
        return sorted((info for info in infos if kind is None or info.kind is kind), key=lambda info: info.name)

    def drop_agreement(self, agreement: str) -> None:
        """Have every model forget the adapters that came under an agreement."""
        for running in self._generators.values():
            running.generator.drop_agreement(agreement)

    def drop_adapters(self, keys: Collection[str]) -> None:
        """Have every model forget adapters by their keys of tenant and digest."""
        for running in self._generators.values():
            running.generator.drop_adapters(keys)

    async def close(self) -> None:
        """Release every model."""
        for batcher in self._embedders.values():
            await batcher.close()
        for running in self._generators.values():
            await running.generator.close()
            if running.trainer is not None:
                await running.trainer.close()


def _unavailable(name: str, kind: str) -> PlatformError:
    shown = name or "(default)"
    return PlatformError(
        Reason.MODEL_UNAVAILABLE, f"no {kind} {shown} is installed or configured", metadata={"model": name}
    )
