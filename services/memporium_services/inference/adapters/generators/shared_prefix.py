"""Attention over a mounted KV memory where it lies: stored numbers before, the request's own tokens behind.

The stored keys and values are never copied for a request. Each head's are converted into a scratch that stays in the
processor's own cache, multiplied there, and forgotten: memory is read once, in its small stored form, and shared by all
requests that mount it. The query heads of a group are multiplied at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from memporium_services.inference.adapters.generators.cpu_kernels import product

if TYPE_CHECKING:
    from collections.abc import Sequence

    from memporium_services.inference.adapters.generators.kv_files import Stored

# Scores that are held at once, of one head: 4 MiB, within the processor's last cache.
_MOST_SCORES = 1 << 20
_TRIED_PREFIX, _TRIED_TAIL = 6, 3
_TRIED_TOKEN = 1
# The stored half of the numbers has 11 bits.
_TOLERANCE = 5e-2


@dataclass(frozen=True, slots=True)
class Behind:
    """Keys or values of one layer: a stored prefix and what follows it.

    Attributes:
        prefix: As stored, of (heads, tokens, head size).
        tail: (1, heads, tokens, head size) in the model's type.
    """

    prefix: Stored
    tail: Any

    def head(self, index: int) -> Any:
        """Return one head's numbers in the tail's type, (tokens, head size), in memory of their own."""
        begin = self.prefix.tokens
        room = self.tail.new_empty((begin + self.tail.shape[2], self.tail.shape[3]))
        self.prefix.write_head_into(index, room[:begin])
        room[begin:] = self.tail[0, index]
        return room


def attend(query: Any, keys: Behind, values: Behind, mask: Any, scaling: float) -> Any:
    """Return what each query token sees, (1, tokens, query heads, head size).

    Args:
        query: (1, query heads, tokens, head size) float32.
        keys: All of them.
        values: All of them.
        mask: (1, 1, tokens, all tokens): what each may see, True or what is added to its score; None: each sees the
            prefix and what stands before itself. The prefix is seen by all, whatever it says.
        scaling: Factor of the scores.
    """
    _, query_heads, count, size = query.shape
    heads, begin = keys.tail.shape[1], keys.prefix.tokens
    group = query_heads // heads
    grouped = (query[0] * scaling).reshape(heads, group, count, size)
    hidden = _hidden(mask, count, begin, keys.tail.shape[2])
    found = torch.empty_like(grouped)
    step = max(1, _MOST_SCORES // (group * (begin + keys.tail.shape[2])))
    for head in range(heads):
        key, value = keys.head(head), values.head(head)
        for start in range(0, count, step):
            rows = grouped[head, :, start : start + step]
            scores = product(rows.reshape(-1, size), key)
            if hidden is not None:
                scores.view(group, -1, scores.shape[1])[:, :, begin:] += hidden[start : start + step]
            seen = product(torch.softmax(scores, dim=-1), value.T)
            found[head, :, start : start + step] = seen.view(group, -1, size)
    return found.view(1, query_heads, count, size).transpose(1, 2)


def _hidden(mask: Any, count: int, begin: int, tail: int) -> Any:
    """Return what is added to the scores of the tail, (tokens, tail tokens); None: nothing."""
    if mask is None:
        if count == 1:
            return None
        seen = torch.ones((count, tail), dtype=torch.bool).tril(tail - count)
    else:
        seen = mask[0, 0, :, begin : begin + tail]
        if seen.dtype != torch.bool:
            return seen
    return torch.zeros(seen.shape).masked_fill_(~seen, float("-inf"))


def works(model: Any, new_cache: Any, read: Any, store: Any) -> bool:
    """Return whether a prefix that is shared gives what a copied one gives, as tried out on the model.

    Args:
        model: A model whose attention is `ragged`'s.
        new_cache: Returns an empty cache with room for so many tokens, behind a prefix if one is given.
        read: Reads tokens behind a cache; returns the logits after the last.
        store: Returns the stored form of a tensor, as a file would keep it.
    """
    config = model.config.get_text_config()
    if model.device.type != "cpu" or model.dtype != torch.float32 or getattr(config, "sliding_window", None):
        return False
    whole = new_cache(_TRIED_PREFIX + _TRIED_TAIL)
    read([_TRIED_TOKEN] * _TRIED_PREFIX, whole)
    prefix: Sequence[tuple[Stored, Stored]] = [
        (store(layer.keys[0].clone()), store(layer.values[0].clone())) for layer in whole.layers
    ]
    wanted = read([_TRIED_TOKEN + place for place in range(_TRIED_TAIL)], whole)
    try:
        found = read([_TRIED_TOKEN + place for place in range(_TRIED_TAIL)], new_cache(_TRIED_TAIL, prefix))
    except (TypeError, AttributeError, ValueError, RuntimeError, IndexError):
        # A family whose attention goes its own way.
        return False
    return bool((found - wanted).abs().max() <= _TOLERANCE * max(1.0, float(wanted.abs().max())))
