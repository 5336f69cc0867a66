"""A KV cache with its memory set aside at once, so that neither a mounted prefix nor a step of decoding is copied.

`DynamicLayer` concatenates: each step copies everything before it. Here a layer has room for the whole generation, and
each step writes only its own keys and values. A mounted prefix stays where it is stored, before that room, where the
model's attention can read it there (`shared_prefix`); else it is converted into the room's beginning in one pass.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from transformers.cache_utils import Cache, DynamicLayer

from memporium_services.inference.adapters.generators.shared_prefix import Behind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from memporium_services.inference.adapters.generators.kv_files import Stored


class EnoughLayersError(Exception):
    """The layers that were asked for are computed: the model need not go on."""


class _PreallocatedLayer(DynamicLayer):  # type: ignore[misc]
    """One layer's keys and values, (1, heads, capacity, head size), behind a prefix or not.

    Attributes:
        length: Positions in use, with those of the prefix.
        keys: Those in use, (1, heads, positions, head size); behind a prefix, without it.
        values: As `keys`.
    """

    def __init__(self, room: Any, prefix: tuple[Stored, Stored] | None) -> None:
        super().__init__()
        self._keys, self._values = room
        self._prefix = prefix
        self._begin = prefix[0].tokens if prefix is not None else 0
        self.length = self._begin
        self.places: Any = None
        self.last = False
        self.dtype, self.device = self._keys.dtype, self._keys.device
        self.is_initialized = True
        self._show(0)

    def mount(self, keys: Stored, values: Stored) -> tuple[Any, Any]:
        """Write stored keys and values behind the others; return where they lie now, (heads, tokens, head size)."""
        start = self.length - self._begin
        end = start + keys.tokens
        here = self._keys[0, :, start:end], self._values[0, :, start:end]
        keys.write_into(here[0])
        values.write_into(here[1])
        self._show(end)
        return here

    def update(self, key_states: Any, value_states: Any, *_args: Any, **_kwargs: Any) -> tuple[Any, Any]:
        """Write the new keys and values, behind the others or at `places`; return all of them."""
        if self.places is not None:
            self._keys[:, :, self.places - self._begin] = key_states
            self._values[:, :, self.places - self._begin] = value_states
            if self.last:
                raise EnoughLayersError
            return self._all()
        start = self.length - self._begin
        end = start + key_states.shape[-2]
        self._keys[:, :, start:end] = key_states
        self._values[:, :, start:end] = value_states
        self._show(end)
        return self._all()

    def get_seq_length(self) -> int:
        """Return the number of positions in use."""
        return self.length

    def _all(self) -> tuple[Any, Any]:
        if self._prefix is None:
            return self.keys, self.values
        return Behind(self._prefix[0], self.keys), Behind(self._prefix[1], self.values)

    def _show(self, end: int) -> None:
        self.length = self._begin + end
        self.keys, self.values = self._keys[:, :, :end], self._values[:, :, :end]


class PreallocatedCache(Cache):  # type: ignore[misc]
    """A cache of such layers."""

    def __init__(
        self,
        shape: tuple[int, int, int],
        capacity: int,
        *,
        like: Any,
        prefix: Sequence[tuple[Stored, Stored]] | None = None,
    ) -> None:
        """Set room aside.

        Args:
            shape: Layers, KV heads, head size.
            capacity: Tokens, without those of the prefix.
            like: A tensor whose type and device the cache has.
            prefix: What stands before, stored keys and values of each layer; it is read where it lies.
        """
        layers, heads, head_size = shape
        super().__init__(
            layers=[
                _PreallocatedLayer(
                    torch.empty((2, 1, heads, capacity, head_size), dtype=like.dtype, device=like.device),
                    prefix[index] if prefix is not None else None,
                )
                for index in range(layers)
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
