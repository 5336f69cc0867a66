"""LoRA adapters into one, on their factors alone: no model is needed until the result is measured.

SVD adds the deltas themselves and keeps the largest singular values; the sum of low-rank deltas is found without ever
making a whole one. The others work on the factors A and B apart, each with the root of its weight, as peft's
`add_weighted_adapter` does, and by its functions: what they give is near the sum, not the sum.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch
from peft.utils.merge_utils import dare_linear, dare_ties, task_arithmetic, ties
from safetensors.torch import save

from memporium_platform.errors import PlatformError, Reason
from memporium_services.inference.adapters.generators.safetensors_views import view
from memporium_services.inference.domain.trainings import MergeMethod

if TYPE_CHECKING:
    from collections.abc import Sequence

    from memporium_services.inference.domain.trainings import MergePlan
    from memporium_services.inference.domain.values import AdapterBlob

_A, _B = ".lora_A.weight", ".lora_B.weight"
MOST_RANK = 64


def merge(adapters: Sequence[AdapterBlob], plan: MergePlan, *, fingerprint: str) -> tuple[bytes, int]:
    """Return the merged adapter's file and rank; its scaling numerator is the rank.

    Raises:
        PlatformError: MODEL_MISMATCH or INTEGRITY_FAILURE, where they are not adapters of one model.
    """
    files = [view(adapter.data) for adapter in adapters]
    if any(file.metadata.get("model_fingerprint", fingerprint) != fingerprint for file in files):
        raise PlatformError(Reason.MODEL_MISMATCH, "an adapter was made for another model")
    modules = sorted({name.removesuffix(_A).removesuffix(_B) for file in files for name in file.tensors})
    widest = sum(adapter.rank for adapter in adapters)
    rank = min(plan.rank or widest, MOST_RANK) if plan.method is MergeMethod.SVD else max(a.rank for a in adapters)
    tensors: dict[str, Any] = {}
    with torch.random.fork_rng(devices=[]), torch.inference_mode():
        torch.manual_seed(plan.seed % (1 << 63))
        for module in modules:
            pairs = [_pair(file.tensors, module, adapter) for file, adapter in zip(files, adapters, strict=True)]
            shape = _shape(pairs)
            scales = [
                weight * adapter.alpha / adapter.rank for weight, adapter in zip(plan.weights, adapters, strict=True)
            ]
            down, up = (
                _svd(pairs, scales, rank)
                if plan.method is MergeMethod.SVD
                else _factors(pairs, scales, rank, shape, plan)
            )
            tensors[module + _A], tensors[module + _B] = _stored(down), _stored(up)
    return save(tensors, {"model_fingerprint": fingerprint}), rank


def _pair(tensors: dict[str, Any], module: str, adapter: AdapterBlob) -> tuple[Any, Any] | None:
    """Return an adapter's A (r, in) and B (out, r) of a module, None where it has none there."""
    down, up = tensors.get(module + _A), tensors.get(module + _B)
    if down is None and up is None:
        return None
    if down is None or up is None or down.dim() != 2 or up.dim() != 2:  # noqa: PLR2004 - matrices
        raise _broken()
    if down.shape[0] != adapter.rank or up.shape[1] != adapter.rank:
        raise _broken()
    down, up = down.float(), up.float()
    # Numbers that are none would make all of the result such, and some decompositions fail on them.
    if not (down.isfinite().all() and up.isfinite().all()):
        raise _broken()
    return down, up


def _stored(factor: Any) -> Any:
    """Return a factor in the numbers that are stored."""
    found = factor.half().contiguous()
    if not found.isfinite().all():
        raise PlatformError(Reason.FAILED_PRECONDITION, "merged with these weights the adapters' numbers are too large")
    return found


def _shape(pairs: Sequence[tuple[Any, Any] | None]) -> tuple[int, int]:
    """Return (out, in), the same for all."""
    shapes = {(up.shape[0], down.shape[1]) for down, up in filter(None, pairs)}
    if len(shapes) != 1:
        raise PlatformError(Reason.MODEL_MISMATCH, "the adapters are not for one model")
    return next(iter(shapes))


def _svd(pairs: Sequence[tuple[Any, Any] | None], scales: Sequence[float], rank: int) -> tuple[Any, Any]:
    """Return the factors of the best approximation of this rank to the weighted sum of the deltas."""
    held = [(pair, scale) for pair, scale in zip(pairs, scales, strict=True) if pair is not None]
    downs = torch.cat([down for (down, _), _ in held])
    ups = torch.cat([up * scale for (_, up), scale in held], dim=1)
    # ups @ downs = (Q R) (P S)^T with orthogonal Q and P: the singular values are those of the small R S^T.
    left, inner_left = torch.linalg.qr(ups)
    right, inner_right = torch.linalg.qr(downs.t())
    turned, values, back = torch.linalg.svd(inner_left @ inner_right.t())
    kept = min(rank, len(values))
    roots = values[:kept].sqrt()
    up = left @ (turned[:, :kept] * roots)
    down = (roots[:, None] * back[:kept]) @ right.t()
    missing = rank - kept
    return torch.nn.functional.pad(down, (0, 0, 0, missing)), torch.nn.functional.pad(up, (0, missing))


def _factors(
    pairs: Sequence[tuple[Any, Any] | None], scales: Sequence[float], rank: int, shape: tuple[int, int], plan: MergePlan
) -> tuple[Any, Any]:
    """Return A and B, each merged apart; lower ranks are filled up with zeros, which changes no delta."""
    downs, ups = [], []
    for pair in pairs:
        down, up = pair if pair is not None else (torch.zeros(0, shape[1]), torch.zeros(shape[0], 0))
        downs.append(torch.nn.functional.pad(down, (0, 0, 0, rank - down.shape[0])))
        ups.append(torch.nn.functional.pad(up, (0, rank - up.shape[1])))
    weights = torch.tensor([math.sqrt(scale) for scale in scales])
    return _merged(downs, weights, plan), _merged(ups, weights, plan)


def _merged(tensors: list[Any], weights: Any, plan: MergePlan) -> Any:
    if plan.method is MergeMethod.TIES and plan.density < 1:
        return ties(tensors, weights, plan.density)
    if plan.method is MergeMethod.DARE_LINEAR and plan.density < 1:
        return dare_linear(tensors, weights, plan.density)
    if plan.method is MergeMethod.DARE_TIES and plan.density < 1:
        return dare_ties(tensors, weights, plan.density)
    return task_arithmetic(tensors, weights)


def _broken() -> PlatformError:
    return PlatformError(Reason.INTEGRITY_FAILURE, "an adapter's tensors are not those that its cube names")
