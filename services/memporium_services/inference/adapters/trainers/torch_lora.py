"""One LoRA training: examples to tokens, AdamW on the deltas of all linear layers, losses before and after."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from peft import LoraConfig, get_peft_model, get_peft_model_state_dict
from safetensors.torch import save

from memporium_platform.errors import invalid
from memporium_services.inference.adapters.generators.chat import ChatFormat
from memporium_services.inference.domain.values import Speaker, TrainedAdapter, Turn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from memporium_services.inference.adapters.generators.torch_loading import LoadedModel
    from memporium_services.inference.domain.values import Example, TrainingPlan

# Longest example in tokens; a longer one is cut into several where it is plain text, and shortened as an answer.
_EXAMPLE_TOKENS = 256
_BATCH_EXAMPLES = 4
_MAX_GRADIENT_NORM = 1.0
# Of all steps, the share in which the step size rises from zero: a cold AdamW overshoots.
_WARM_UP = 0.1
# Labels of this value do not count towards the loss (PyTorch's convention).
_IGNORED = -100


@dataclass(frozen=True)
class _Row:
    ids: list[int]
    labels: list[int]


def train_adapter(
    loaded: LoadedModel,
    examples: Sequence[Example],
    plan: TrainingPlan,
    report: Callable[[int, int, float], None],
) -> TrainedAdapter:
    """Return an adapter trained on the examples. The loaded model is changed and must not be used any more.

    Args:
        loaded: The base model.
        examples: What to learn.
        plan: How.
        report: Called with steps done, steps in all and the loss; may raise to end the work.
    """
    rows = _rows(loaded.tokenizer, examples)
    tokens = sum(len(row.ids) for row in rows)
    if tokens > plan.max_tokens:
        raise invalid("cubes", f"have {tokens} tokens to train on; at most {plan.max_tokens}")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(plan.seed % (1 << 63))
        model = _with_deltas(loaded.model, plan)
        began = time.perf_counter()
        steps = plan.epochs * -(-len(rows) // _BATCH_EXAMPLES)
        report(0, steps, 0.0)
        before = _mean_loss(model, rows)
        _optimise(model, rows, plan, steps, report)
        after = _mean_loss(model, rows)
    tensors = {
        name: tensor.detach().to("cpu", torch.float16).contiguous()
        for name, tensor in get_peft_model_state_dict(model).items()
    }
    config = model.peft_config["default"]
    return TrainedAdapter(
        data=save(tensors, {"format": "memporium-lora-1", "model_fingerprint": loaded.fingerprint}),
        rank=plan.rank,
        alpha=plan.alpha,
        target_modules=tuple(sorted(config.target_modules)),
        loss_before=before,
        loss_after=after,
        steps=steps,
        compute_s=time.perf_counter() - began,
    )


def _with_deltas(base: Any, plan: TrainingPlan) -> Any:
    config = LoraConfig(
        r=plan.rank, lora_alpha=plan.alpha, target_modules="all-linear", lora_dropout=0.0, task_type="CAUSAL_LM"
    )
    return get_peft_model(base.float(), config)


def _optimise(
    model: Any, rows: Sequence[_Row], plan: TrainingPlan, steps: int, report: Callable[[int, int, float], None]
) -> None:
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    optimiser = torch.optim.AdamW(weights, lr=plan.learning_rate, weight_decay=0.0)
    warm_up = max(1, round(steps * _WARM_UP))
    order, step = random.Random(plan.seed), 0
    model.train()
    for _ in range(plan.epochs):
        shuffled = list(rows)
        order.shuffle(shuffled)
        for batch in _batches(shuffled):
            step += 1
            for group in optimiser.param_groups:
                group["lr"] = plan.learning_rate * min(1.0, step / warm_up)
            loss = model(**_tensors(batch, model.device)).loss
            loss.backward()
            torch.nn.utils.clip_grad_norm_(weights, _MAX_GRADIENT_NORM)
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
            report(step, steps, float(loss.detach()))


def _mean_loss(model: Any, rows: Sequence[_Row]) -> float:
    """Return the mean loss over all tokens that are learned, in nats."""
    model.eval()
    total, count = 0.0, 0
    with torch.inference_mode():
        for batch in _batches(rows):
            # The first label of a row has nothing before it to be predicted from.
            learned = sum(label != _IGNORED for row in batch for label in row.labels[1:])
            total += float(model(**_tensors(batch, model.device)).loss) * learned
            count += learned
    return total / max(count, 1)


def _rows(tokenizer: Any, examples: Sequence[Example]) -> list[_Row]:
    chat = ChatFormat(tokenizer)
    end = [tokenizer.eos_token_id] if isinstance(tokenizer.eos_token_id, int) else []
    rows: list[_Row] = []
    for example in examples:
        answer = list(tokenizer(example.answer, add_special_tokens=False)["input_ids"])
        if example.question:
            turn = Turn(Speaker.USER, example.question)
            asked = chat.rest_ids((turn,), "", after_memory=False)[-_EXAMPLE_TOKENS // 2 :]
            said = answer[: _EXAMPLE_TOKENS - len(asked) - 1] + end
            rows.append(_Row(asked + said, [_IGNORED] * len(asked) + said))
            continue
        pieces = [answer[start : start + _EXAMPLE_TOKENS] for start in range(0, len(answer), _EXAMPLE_TOKENS)]
        # A single token has nothing to be predicted from.
        rows.extend(_Row(piece, list(piece)) for piece in pieces if len(piece) > 1)
    if not rows:
        raise invalid("cubes", "hold no text to train on")
    return rows


def _batches(rows: Sequence[_Row]) -> Iterator[Sequence[_Row]]:
    for start in range(0, len(rows), _BATCH_EXAMPLES):
        yield rows[start : start + _BATCH_EXAMPLES]


def _tensors(batch: Sequence[_Row], device: Any) -> dict[str, Any]:
    width = max(len(row.ids) for row in batch)
    ids = torch.zeros((len(batch), width), dtype=torch.long)
    mask = torch.zeros((len(batch), width), dtype=torch.long)
    labels = torch.full((len(batch), width), _IGNORED, dtype=torch.long)
    for index, row in enumerate(batch):
        ids[index, : len(row.ids)] = torch.tensor(row.ids)
        mask[index, : len(row.ids)] = 1
        labels[index, : len(row.ids)] = torch.tensor(row.labels)
    return {"input_ids": ids.to(device), "attention_mask": mask.to(device), "labels": labels.to(device)}
