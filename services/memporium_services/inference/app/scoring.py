"""ScoreTexts: how likely a model holds texts to be."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from memporium_services.inference.app.registry import Registry
    from memporium_services.inference.domain.scoring import ScoreTask, TextScore
    from memporium_services.inference.domain.values import ModelInfo


class Scoring:
    """The use case."""

    def __init__(self, registry: Registry) -> None:
        """Score with these models."""
        self._registry = registry

    async def score(self, model: str, tasks: Sequence[ScoreTask], *, tenant: str) -> tuple[ModelInfo, list[TextScore]]:
        """Return the model and the score of each text, in their order.

        Raises:
            PlatformError: MODEL_UNAVAILABLE, also where an endpoint gives no probabilities; INVALID_FIELD for a text
                that is too long; OVERLOADED.
        """
        running = self._registry.generator(model)
        running.queue.check(tenant)
        await running.generator.load()
        async with running.queue.turn(tenant):
            scores = await running.generator.score(tasks, isolation=tenant)
        return running.generator.info, scores
