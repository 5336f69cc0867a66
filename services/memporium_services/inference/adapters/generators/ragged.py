"""Sequences of different lengths in one step: all layers but attention run on the batch, attention on each row's cache.

So a row needs no padding, its cache is not moved when it joins or leaves, and no row ever sees another's keys. The rows
of a step share only the weights (Yu et al., Orca, OSDI 2022, "selective batching").
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.cache_utils import Cache
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from memporium_services.inference.adapters.generators.shared_prefix import Behind, attend

if TYPE_CHECKING:
    from collections.abc import Sequence

    from memporium_services.inference.adapters.generators.torch_cache import PreallocatedCache

_NAME = "memporium_ragged"
_TRIED_LENGTHS = (3, 7, 5)
_TRIED_TOKEN = 1
_TOLERANCE = {torch.float32: 1e-3}
_LOOSE_TOLERANCE = 5e-2


class _RaggedCache(Cache):  # type: ignore[misc]
    """The caches of the rows as one."""

    def __init__(self, rows: Sequence[PreallocatedCache]) -> None:
        super().__init__(layers=[])
        self._rows = rows

    def update(self, key_states: Any, value_states: Any, layer_idx: int, *_args: Any, **_kwargs: Any) -> Any:
        """Write each row's key and value into its own cache; return the rows' keys and values as lists."""
        pairs = [
            row.layers[layer_idx].update(key_states[index : index + 1], value_states[index : index + 1])
            for index, row in enumerate(self._rows)
        ]
        return [keys for keys, _ in pairs], [values for _, values in pairs]

    def get_seq_length(self, _layer_idx: int = 0) -> int:
        """Return the length of the longest row; positions are always given."""
        return max(row.length for row in self._rows)


def _attention(module: Any, query: Any, key: Any, value: Any, attention_mask: Any, **kwargs: Any) -> tuple[Any, Any]:
    """Attend as usual; row by row where the keys are those of rows; where they lie behind a shared prefix."""
    if isinstance(key, Behind):
        scaling = kwargs.get("scaling")
        return attend(query, key, value, attention_mask, query.shape[-1] ** -0.5 if scaling is None else scaling), None
    if not isinstance(key, list):
        return sdpa_attention_forward(module, query, key, value, attention_mask, **kwargs)  # type: ignore[no-any-return]
    window = kwargs.get("sliding_window") or 0
    found = [
        _attention(module, query[index : index + 1], _last(keys, window), _last(values, window), None, **kwargs)[0]
        for index, (keys, values) in enumerate(zip(key, value, strict=True))
    ]
    return torch.cat(found), None


def _last(tensor: Any, count: int) -> Any:
    """Return the last positions of keys or values; all for 0. No model with a window has a shared prefix."""
    return tensor if isinstance(tensor, Behind) else tensor[:, :, -count:]


AttentionInterface.register(_NAME, _attention)
AttentionMaskInterface.register(_NAME, sdpa_mask)


def prepare(model: Any) -> bool:
    """Make a model attend so; return whether rows together give what each gives alone, as tried out on the model."""
    before = model.config._attn_implementation  # noqa: SLF001 - there is no public way to ask
    if before != "sdpa":
        return False
    model.set_attn_implementation(_NAME)
    return bool(model.config._attn_implementation == _NAME)  # noqa: SLF001 - as above


def step(model: Any, tokens: Sequence[int], caches: Sequence[PreallocatedCache]) -> Any:
    """Read one token behind each row's cache; return the logits, (rows, vocabulary)."""
    device = model.device
    with torch.inference_mode():
        out = model(
            input_ids=torch.tensor([[token] for token in tokens], device=device),
            position_ids=torch.tensor([[cache.length] for cache in caches], device=device),
            # Given, so that no mask is made for rows of one length; a single token sees all before it.
            attention_mask=torch.ones((1, 1, 1, 1), dtype=torch.bool, device=device),
            past_key_values=_RaggedCache(caches),
            use_cache=True,
            logits_to_keep=1,
        )
        return out.logits[:, -1]


def works(model: Any, new_cache: Any, read: Any) -> bool:
    """Return whether rows together give what each gives alone, as tried out on the model.

    Args:
        model: A model that `prepare` has changed.
        new_cache: Returns an empty cache with room for so many tokens.
        read: Reads tokens behind a cache; returns the logits after the last.
    """
    together, alone = [], []
    for length in _TRIED_LENGTHS:
        pair = [new_cache(length + 1) for _ in range(2)]
        for cache in pair:
            read([_TRIED_TOKEN] * length, cache)
        together.append(pair[0])
        alone.append(read([_TRIED_TOKEN], pair[1]))
    try:
        found = step(model, [_TRIED_TOKEN] * len(together), together)
    except (TypeError, AttributeError, ValueError, RuntimeError, IndexError):
        # A family whose attention goes its own way.
        return False
    tolerance = _TOLERANCE.get(model.dtype, _LOOSE_TOLERANCE)
    wanted = torch.stack(alone).float()
    return bool((found.float() - wanted).abs().max() <= tolerance * max(1.0, float(wanted.abs().max())))
