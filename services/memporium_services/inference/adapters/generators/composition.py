"""Several KV memories before one prompt.

A cache was computed alone: its keys stand at positions from 0 on, and its tokens have not seen the memories before it.
Moving the keys mends the first; computing some tokens again, those whose keys and values differ most, mends most of the
second (Yao et al., CacheBlend, arXiv 2405.16444, section 4).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch

from memporium_platform.errors import PlatformError, Reason
from memporium_services.inference.adapters.generators.kv_files import OpenKv
from memporium_services.inference.adapters.generators.torch_cache import EnoughLayersError
from memporium_services.inference.domain.values import Composition

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from memporium_services.inference.adapters.generators.rotary import KeyMover
    from memporium_services.inference.adapters.generators.torch_cache import PreallocatedCache
    from memporium_services.inference.domain.values import ComposePlan

# The layer whose keys and values are compared: the first that has seen the memories before.
_COMPARED_LAYER = 1
# A cache's first tokens took all the attention that it had nowhere else to put (Xiao et al., attention sinks, arXiv
# 2309.17453); behind another memory they must not.
_SINK_TOKENS = 16
_PIECE_TOKENS = 256
_TRIED = (1, 2, 3, 4, 5, 6, 7)
_TRIED_BEGIN = 3
_TOLERANCE = {torch.float32: 1e-3}
_LOOSE_TOLERANCE = 5e-2


class Composer:
    """Mounts memories one behind the other."""

    def __init__(self, model: Any, mover: KeyMover) -> None:
        """Compose for this model."""
        self._model = model
        self._mover = mover
        self._selects: bool | None = None

    def check(self, plan: ComposePlan, new_cache: Callable[[int], PreallocatedCache]) -> None:
        """Refuse a way of composing that the model does not allow, as tried out on it at first use.

        Args:
            plan: The way.
            new_cache: Returns an empty cache with room for so many tokens.

        Raises:
            PlatformError: MODEL_MISMATCH.
        """
        if plan.composition is not Composition.EXACT and not self._mover.works:
            raise PlatformError(
                Reason.MODEL_MISMATCH, "the model's positions cannot be moved: compose its KV memories as EXACT"
            )
        if plan.composition is not Composition.SELECTIVE:
            return
        if self._selects is None:
            self._selects = self._try(new_cache)
        if not self._selects:
            raise PlatformError(
                Reason.MODEL_MISMATCH,
                "the model cannot compute chosen tokens again: compose its KV memories as EXACT or RE_ROTATED",
            )

    def mount(
        self,
        cache: PreallocatedCache,
        kvs: Sequence[OpenKv],
        plan: ComposePlan,
        read: Callable[[Sequence[int]], Generator[None, None, Any]],
    ) -> Generator[None, None, int]:
        """Mount memories in their order, pausing after each piece; return how many tokens were not computed again.

        Args:
            cache: An empty cache with room for all of them.
            kvs: The memories.
            plan: How those behind the first are mended.
            read: Reads tokens behind all that is in the cache.
        """
        kept = 0
        for kv in kvs:
            if cache.length == 0:
                cache.mount(kv.layers)
                kept += len(kv.ids)
            elif plan.composition is Composition.EXACT:
                yield from read(kv.ids)
            else:
                kept += len(kv.ids) - (yield from self._behind(cache, kv, plan))
        return kept

    def _behind(self, cache: PreallocatedCache, kv: OpenKv, plan: ComposePlan) -> Generator[None, None, int]:
        """Mount a memory behind others; return how many of its tokens were computed again."""
        begin = cache.length
        mounted = cache.mount(kv.layers)
        for layer, (keys, _) in enumerate(mounted):
            self._mover.move(keys, begin, layer=layer)
        count = math.ceil(plan.recompute_share * len(kv.ids)) if plan.composition is Composition.SELECTIVE else 0
        if count == 0:
            return 0
        chosen: Sequence[int] = range(len(kv.ids))
        if count < len(kv.ids) and len(mounted) > _COMPARED_LAYER:
            chosen = yield from self._most_changed(cache, kv, begin, mounted[_COMPARED_LAYER], count)
        for start in range(0, len(chosen), _PIECE_TOKENS):
            self._compute(cache, kv, begin, chosen[start : start + _PIECE_TOKENS])
            yield
        return len(chosen)

    def _most_changed(
        self, cache: PreallocatedCache, kv: OpenKv, begin: int, mounted: tuple[Any, Any], count: int
    ) -> Generator[None, None, Sequence[int]]:
        """Return the tokens to compute again, in order; the layers that were computed to find out stay as computed."""
        before = [part.clone() for part in mounted]
        layer = cache.layers[_COMPARED_LAYER]
        layer.last = True
        for start in range(0, len(kv.ids), _PIECE_TOKENS):
            self._compute(cache, kv, begin, range(start, min(start + _PIECE_TOKENS, len(kv.ids))))
            yield
        layer.last = False
        change = torch.zeros(len(kv.ids), device=before[0].device)
        for old, new in zip(before, mounted, strict=True):
            change += (new - old).float().square().sum(dim=(0, 2)) / old.float().square().sum(dim=(0, 2)).clamp(
                min=1e-6
            )
        change[: min(_SINK_TOKENS, count)] = math.inf
        return sorted(int(place) for place in change.topk(count).indices)

    def _try(self, new_cache: Callable[[int], PreallocatedCache]) -> bool:
        """Return whether tokens computed again, all of them and over wrong ones, are as those that are read."""
        count = len(_TRIED)
        read, again = new_cache(count), new_cache(count)
        with torch.inference_mode():
            for cache in (read, again):
                self._model(
                    input_ids=torch.tensor([_TRIED], device=self._model.device), past_key_values=cache, use_cache=True
                )
            for layer in again.layers:
                layer.keys[:, :, _TRIED_BEGIN:] = 0
                layer.values[:, :, _TRIED_BEGIN:] = 0
            try:
                self._compute(again, OpenKv(_TRIED, ()), 0, range(_TRIED_BEGIN, count))
            except (TypeError, ValueError, AttributeError, RuntimeError, IndexError):
                # A family that makes its own mask.
                return False
            tolerance = _TOLERANCE.get(self._model.dtype, _LOOSE_TOLERANCE)
            return all(
                bool((one - other).abs().max() <= tolerance * max(1.0, float(other.abs().max())))
                for ours, theirs in zip(again.layers, read.layers, strict=True)
                for one, other in ((ours.keys, theirs.keys), (ours.values, theirs.values))
            )

    def _compute(self, cache: PreallocatedCache, kv: OpenKv, begin: int, chosen: Sequence[int]) -> None:
        """Compute some of a mounted memory's tokens again, over what is in the cache up to each of them."""
        device = self._model.device
        places = torch.tensor([begin + place for place in chosen], device=device)
        seen = torch.arange(cache.length, device=device)[None, :] <= places[:, None]
        cache.write_at(places)
        try:
            with torch.inference_mode():
                self._model(
                    input_ids=torch.tensor([[kv.ids[place] for place in chosen]], device=device),
                    position_ids=places[None],
                    attention_mask=seen[None, None],
                    past_key_values=cache,
                    use_cache=True,
                    logits_to_keep=1,
                )
        except EnoughLayersError:
            pass
        finally:
            cache.write_at(None)
