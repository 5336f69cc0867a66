"""Keys moved to other positions: rotary embeddings turn a key by its position, and turning twice adds the positions.

Where positions enter by what is added to the scores (ALiBi), or not at all (NoPE, in all layers or some), a key is the
same everywhere and stays as it is. Learned positions are in everything a layer computes and cannot be moved.

Su et al., RoFormer (arXiv 2104.09864), section 3.2. Whether a model's keys can be moved so is tried out on the model
itself, so a family with another way of rotating is refused instead of answering from scrambled memory.
"""

from __future__ import annotations

from typing import Any

import torch
from transformers import DynamicCache

# Their angles change with the length of the whole prompt: a stored key cannot know them.
_LENGTH_DEPENDENT = frozenset({"dynamic", "longrope"})
_TRIED_DISTANCE = 7
_TRIED_TOKEN = 1
_TOLERANCE = {torch.float32: 1e-3}
_LOOSE_TOLERANCE = 3e-2


class KeyMover:
    """Moves the keys of one model."""

    def __init__(self, model: Any) -> None:
        """Find the model's rotary embedding, if it has one."""
        self._model = model
        self._rotary: Any = next((module for module in model.modules() if hasattr(module, "inv_freq")), None)
        self._works: bool | None = None
        self._turned: list[bool] = []

    @property
    def works(self) -> bool:
        """Whether keys of this model can be moved; tried out at first use."""
        if self._works is None:
            self._works = self._try()
        return self._works

    def move(self, keys: Any, distance: int, *, layer: int) -> None:
        """Bring keys of a layer, (heads, tokens, head size), `distance` positions further, in place.

        Nothing is done where keys cannot be moved, see `works`, or need not.
        """
        if not distance or not self.works or not self._turned[layer]:
            return
        with torch.inference_mode():
            self._turn(keys, distance)

    def _turn(self, keys: Any, distance: int) -> None:
        position = torch.tensor([[distance]], device=keys.device)
        cos, sin = (part[0].to(torch.float32) for part in self._rotary(keys.to(torch.float32), position))
        scaling = float(getattr(self._rotary, "attention_scaling", 1.0))
        cos, sin = cos / scaling, sin / scaling
        turned = keys[..., : cos.shape[-1]].to(torch.float32)
        first, second = turned.chunk(2, dim=-1)
        keys[..., : cos.shape[-1]] = (turned * cos + torch.cat((-second, first), dim=-1) * sin).to(keys.dtype)

    def _try(self) -> bool:
        """Compare moved keys with those that the model computes at the other position; values must not depend on it."""
        if self._rotary is not None and getattr(self._rotary, "rope_type", "default") in _LENGTH_DEPENDENT:
            return False
        try:
            at_begin, at_distance = self._computed(0), self._computed(_TRIED_DISTANCE)
        except (TypeError, ValueError, AttributeError, RuntimeError, IndexError):
            # A family that is not told its positions, or keeps another state.
            return False
        tolerance = _TOLERANCE.get(self._model.dtype, _LOOSE_TOLERANCE)
        turned = []
        for (keys, values), (there, values_there) in zip(at_begin, at_distance, strict=True):
            if not _near(values, values_there, tolerance):
                return False
            turned.append(not _near(keys, there, tolerance))
            if turned[-1]:
                if self._rotary is None:
                    return False
                with torch.inference_mode():
                    self._turn(keys, _TRIED_DISTANCE)
                if not _near(keys, there, tolerance):
                    return False
        self._turned = turned
        return True

    def _computed(self, position: int) -> list[tuple[Any, Any]]:
        with torch.inference_mode():
            cache = DynamicCache(config=self._model.config)
            device = self._model.device
            self._model(
                input_ids=torch.tensor([[_TRIED_TOKEN]], device=device),
                position_ids=torch.tensor([[position]], device=device),
                past_key_values=cache,
                use_cache=True,
            )
            return [(layer.keys[0].clone(), layer.values[0].clone()) for layer in cache.layers]


def _near(one: Any, other: Any, tolerance: float) -> bool:
    difference = float((one.float() - other.float()).abs().max())
    return difference <= tolerance * max(1.0, float(other.float().abs().max()))
