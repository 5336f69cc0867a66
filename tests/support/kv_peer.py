"""The peer of `bench_kv`: transformers alone, the memory in the prompt or as a `DynamicCache` made from its tensors."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import torch
from transformers import DynamicCache

if TYPE_CHECKING:
    from collections.abc import Sequence


class TransformersPeer:
    """A model as transformers runs it."""

    def __init__(self, model: Any) -> None:
        """Run a model of the same weights, which is left as it is: they are shared, there may be no room for two."""
        self._model = copy.deepcopy(model, {id(weights): weights for weights in model.parameters()})
        self._pairs: list[tuple[Any, Any]] = []

    def prompt(self, ids: Sequence[int]) -> int:
        """Return the first token behind a prompt, read at once."""
        return self._first(ids, DynamicCache(config=self._model.config))

    def keep(self, ids: Sequence[int]) -> None:
        """Keep the keys and values of a memory, in the type that the model computes in."""
        cache = DynamicCache(config=self._model.config)
        self._first(ids, cache)
        self._pairs = [(layer.keys, layer.values) for layer in cache.layers]

    def mounted(self, ids: Sequence[int]) -> int:
        """Return the first token behind the memory that is kept; each layer is copied behind it."""
        return self._first(ids, DynamicCache(self._pairs))

    def _first(self, ids: Sequence[int], cache: Any) -> int:
        with torch.inference_mode():
            piece = torch.tensor([list(ids)], device=self._model.device)
            out = self._model(input_ids=piece, past_key_values=cache, use_cache=True, logits_to_keep=1)
            return int(out.logits[0, -1].argmax())
