"""A KV cache with its memory set aside at once, so that neither a mounted prefix nor a step of decoding is copied.

`DynamicLayer` concatenates: each step copies everything before it. Here a layer has room for the whole generation; a
mounted prefix is converted into its beginning in one pass, and each step writes only its own keys and values.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from transformers.cache_utils import Cache, DynamicLayer

if TYPE_CHECKING:
    from collections.abc import Sequence


class _PreallocatedLayer(DynamicLayer):  # type: ignore[misc]
    """One layer's keys and values, (1, heads, capacity, head size); the first `length` positions are in use."""

    def __init__(self, room: Any, length: int) -> None:
        super().__init__()
        self._keys, self._values = room
        self.length = length
        self.dtype, self.device = self._keys.dtype, self._keys.device
        self.is_initialized = True
        self._show()

    def update(self, key_states: Any, value_states: Any, *_args: Any, **_kwargs: Any) -> tuple[Any, Any]:
        """Write the new keys and values behind the others; return all of them."""
        end = self.length + key_states.shape[-2]
        self._keys[:, :, self.length : end] = key_states
        self._values[:, :, self.length : end] = value_states
        self.length = end
        self._show()
        return self.keys, self.values

    def get_seq_length(self) -> int:
        """Return the number of positions in use."""
        return self.length

    def _show(self) -> None:
        self.keys, self.values = self._keys[:, :, : self.length], self._values[:, :, : self.length]


def preallocated_cache(
    shape: tuple[int, int, int],
    capacity: int,
    *,
    like: Any,
    prefix: Sequence[tuple[Any, Any]] = (),
) -> Any:
    """Return a cache with room for `capacity` tokens that begins with `prefix`.

    Args:
        shape: Layers, KV heads, head size.
        capacity: Tokens.
        like: A tensor whose type and device the cache has.
        prefix: Keys and values of each layer, (heads, tokens, head size) in any type; they are read, never changed.
    """
    layers, heads, head_size = shape
    length = prefix[0][0].shape[-2] if prefix else 0
    made = []
    for index in range(layers):
        room = torch.empty((2, 1, heads, capacity, head_size), dtype=like.dtype, device=like.device)
        if prefix:
            room[0, 0, :, :length] = prefix[index][0]
            room[1, 0, :, :length] = prefix[index][1]
        made.append(_PreallocatedLayer(room, length))
    return Cache(layers=made)
