"""LoRA adapters with random numbers, large enough to change what a tiny model says."""

from __future__ import annotations

from typing import Any

import torch
from safetensors.torch import save

from memporium_services.inference.domain.values import AdapterBlob

_RANK = 4


def random_adapter(loaded: Any, key: str, *, agreements: frozenset[str] = frozenset()) -> AdapterBlob:
    """Return an adapter of a loaded model's query and value projections; the same for the same model."""
    random = torch.Generator().manual_seed(3)
    tensors = {}
    for name, module in loaded.model.named_modules():
        if name.endswith(("q_proj", "v_proj")):
            shapes = {"A": (_RANK, module.in_features), "B": (module.out_features, _RANK)}
            for factor, shape in shapes.items():
                tensors[f"base_model.model.{name}.lora_{factor}.weight"] = torch.randn(shape, generator=random)
    data = save(tensors, {"model_fingerprint": loaded.fingerprint})
    return AdapterBlob(key, bytearray(data), _RANK, 8.0, ("q_proj", "v_proj"), agreements)
