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

    from memporium_services.inference.adapters.generators.kv_files import Stored


class EnoughLayersError(Exception):
    """The layers that were asked for are computed: the model need not go on."""


class _PreallocatedLayer(DynamicLayer):  # type: ignore[misc]
    """One layer's keys and values, (1, heads, capacity, head size); the first `length` positions are in use."""

    def __init__(self, room: Any) -> None:
        super().__init__()
        self._keys, self._values = room
        self.length = 0
        self.places: Any = None
        self.last = False
        self.dtype, self.device = self._keys.dtype, self._keys.device
        self.is_initialized = True
        self._show()

    def mount(self, keys: Stored, values: Stored) -> tuple[Any, Any]:
        """Write stored keys and values behind the others; return where they lie now, (heads, tokens, head size)."""
        end = self.length + keys.tokens
        here = self._keys[0, :, self.length : end], self._values[0, :, self.length : end]
        keys.write_into(here[0])
        values.write_into(here[1])
        self.length = end
        self._show()
        return here

    def update(self, key_states: Any, value_states: Any, *_args: Any, **_kwargs: Any) -> tuple[Any, Any]:
        """Write the new keys and values, behind the others or at `places`; return all of them."""
        if self.places is not None:
            self._keys[:, :, self.places] = key_states
            self._values[:, :, self.places] = value_states
            if self.last:
                raise EnoughLayersError
            return self.keys, self.values
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


class PreallocatedCache(Cache):  # type: ignore[misc]
    """A cache of such layers."""

    def __init__(self, shape: tuple[int, int, int], capacity: int, *, like: Any) -> None:
        """Set room aside.

        Args:
            shape: Layers, KV heads, head size.
            capacity: Tokens.
            like: A tensor whose type and device the cache has.
        """
        layers, heads, head_size = shape
        super().__init__(
            layers=[
                _PreallocatedLayer(
                    torch.empty((2, 1, heads, capacity, head_size), dtype=like.dtype, device=like.device)
                )
                for _ in range(layers)
            ]
        )

    @property
    def length(self) -> int:
        """Positions in use."""
        return int(self.layers[0].length)

    def mount(self, stored: Sequence[tuple[Stored, Stored]]) -> list[tuple[Any, Any]]:
        """Write stored keys and values behind the others; return where they lie, for each layer."""
        with torch.inference_mode():
            return [layer.mount(keys, values) for layer, (keys, values) in zip(self.layers, stored, strict=True)]

    def write_at(self, places: Any) -> None:
        """Make the next updates overwrite these positions instead of following the others; None: no longer."""
        for layer in self.layers:
            layer.places = places
