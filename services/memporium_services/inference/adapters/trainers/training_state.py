"""The state of a training between two steps, as bytes: what is needed to go on with the same result."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import load, save

if TYPE_CHECKING:
    from collections.abc import Sequence

    from memporium_services.inference.domain.trainings import Example, TrainingPlan

_FORMAT = "memporium-training-1"
_LENGTH_BYTES = 8


@dataclass(frozen=True)
class TrainingState:
    """Where a training stands.

    Attributes:
        step: Steps done.
        loss_before: Mean loss before the first, in nats a token.
        compute_s: Seconds of computation so far.
        replay: What the bare model answered to the replay questions, as (question, answer).
        epoch_loss: Sum of the losses of the memory's tokens in the epoch that goes on.
        epoch_tokens: Number of those tokens.
    """

    step: int
    loss_before: float
    compute_s: float
    replay: tuple[tuple[str, str], ...]
    epoch_loss: float = 0.0
    epoch_tokens: int = 0


def pack(state: TrainingState, optimiser: Any, *, task: str) -> bytes:
    """Return the state with the weights and moments of an AdamW."""
    tensors: dict[str, Any] = {}
    for group in optimiser.param_groups:
        for index, weight in enumerate(group["params"]):
            tensors[f"weight.{index}"] = weight.detach().cpu().contiguous()
            for name, value in optimiser.state.get(weight, {}).items():
                tensors[f"{name}.{index}"] = value.detach().cpu().contiguous()
    head = json.dumps({"format": _FORMAT, "task": task, **asdict(state)}).encode()
    return len(head).to_bytes(_LENGTH_BYTES, "little") + head + bytes(save(tensors))


def unpack(data: bytes, optimiser: Any, *, task: str) -> TrainingState | None:
    """Bring an AdamW to a packed state and return it; None for that of another task, or of another release."""
    end = _LENGTH_BYTES + int.from_bytes(data[:_LENGTH_BYTES], "little")
    head = json.loads(data[_LENGTH_BYTES:end])
    if head.pop("format", "") != _FORMAT or head.pop("task", "") != task:
        return None
    tensors = load(data[end:])
    with torch.no_grad():
        for group in optimiser.param_groups:
            for index, weight in enumerate(group["params"]):
                weight.copy_(tensors[f"weight.{index}"])
                moments = {name: tensors.get(f"{name}.{index}") for name in ("step", "exp_avg", "exp_avg_sq")}
                if all(value is not None for value in moments.values()):
                    # AdamW counts steps on the CPU; the moments lie with the weight.
                    there = {name: value if name == "step" else value.to(weight) for name, value in moments.items()}
                    optimiser.state[weight] = there
    head["replay"] = tuple((question, answer) for question, answer in head["replay"])
    return TrainingState(**head)


def task_digest(fingerprint: str, examples: Sequence[Example], plan: TrainingPlan) -> str:
    """Return what tells a training from others: model, examples and plan."""
    told = [fingerprint, [asdict(one) for one in examples], asdict(plan)]
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()
