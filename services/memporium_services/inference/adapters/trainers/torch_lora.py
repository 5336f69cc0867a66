"""One LoRA training: examples to tokens, AdamW on the deltas of all linear layers, and an examination at its end.

With the same model, examples and plan every step is the same, so a training that goes on from a kept state ends with
the very bytes that it would have ended with uninterrupted (on one thread of a CPU; other devices promise less).
"""

from __future__ import annotations

import math
import os
import random
import time
import warnings
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from peft import LoraConfig, get_peft_model, get_peft_model_state_dict
from safetensors.torch import save

from memporium_platform.errors import invalid
from memporium_services.inference.adapters.generators.chat import ChatFormat
from memporium_services.inference.adapters.trainers.torch_evaluation import Examiner
from memporium_services.inference.adapters.trainers.training_state import TrainingState, pack, task_digest, unpack
from memporium_services.inference.domain.general_text import REPLAY_PASSAGES, replay_questions
from memporium_services.inference.domain.trainings import Example, TrainedAdapter
from memporium_services.inference.domain.values import Speaker, Turn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from memporium_services.inference.adapters.generators.torch_loading import LoadedModel
    from memporium_services.inference.domain.lessons import Lesson
    from memporium_services.inference.domain.trainings import TrainingPlan

# What peft and transformers say of each other's next versions is nothing for a server's output.
warnings.filterwarnings("ignore", category=FutureWarning, module=r"(transformers|peft)\.")

# Longest example in tokens; a longer one is cut into several where it is plain text, and shortened as an answer.
_EXAMPLE_TOKENS = 256
_BATCH_EXAMPLES = 4
_MAX_GRADIENT_NORM = 1.0
# Of all steps, the share in which the step size rises from zero: a cold AdamW overshoots.
_WARM_UP = 0.1
# Labels of this value do not count towards the loss (PyTorch's convention).
_IGNORED = -100
# Replay: so many questions for a row of the memory, within these bounds, and the length of an answer. With one a row a
# small model tells a third of all strangers what it learned, with two a tenth (docs/benchmarks.md, "LoRA memory").
_REPLAY_A_ROW, _LEAST_REPLAY, _MOST_REPLAY = 2, 9, 96
_REPLAY_TOKENS = 24
_ROWS_FOR_PASSAGE = 12
# Mean loss of an epoch, in nats a token, below which there is no further one.
_LEARNED = 0.05
# Set by the crash test: the process ends after this step, for instance `training.step.7`.
_FAULT = "MEMPORIUM_FAULT"


@dataclass(frozen=True)
class _Row:
    ids: list[int]
    labels: list[int]
    replayed: bool = False


@dataclass(frozen=True)
class Hooks:
    """Who hears of a training's steps, and where its state is kept.

    Attributes:
        stepped: Called with steps done, steps in all and the loss; may raise to end the work.
        evaluating: Called with questions asked and in all; may raise.
        load: Returns the state that was kept last, None for none.
        keep: Keeps a state.
        keep_every_s: How often; 0: after each step.
    """

    stepped: Callable[[int, int, float], None]
    evaluating: Callable[[int, int], None] = lambda _done, _total: None
    load: Callable[[], bytes | None] = lambda: None
    keep: Callable[[bytes], None] | None = None
    keep_every_s: float = 30.0


def train_adapter(
    loaded: LoadedModel,
    examples: Sequence[Example],
    plan: TrainingPlan,
    hooks: Hooks,
    lessons: Sequence[Lesson] | None = None,
) -> TrainedAdapter:
    """Return an adapter trained on the examples. The loaded model is changed and must not be used any more.

    Args:
        loaded: The base model.
        examples: What to learn.
        plan: How.
        hooks: Who hears of it.
        lessons: What to ask afterwards; then the model's own answers to other questions are learned too, so that it
            keeps them. None: nothing is asked and kept.
    """
    rows = _rows(loaded.tokenizer, examples)
    tokens = sum(len(row.ids) for row in rows)
    if tokens > plan.max_tokens:
        raise invalid("cubes", f"have {tokens} tokens to train on; at most {plan.max_tokens}")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(plan.seed % (1 << 63))
        model = _with_deltas(loaded.model, plan)
        examiner = Examiner(model, loaded.tokenizer, hooks.evaluating)
        run = _Run(model, plan, hooks, task_digest(loaded.fingerprint, examples, plan))
        state = run.resumed()
        if state is None:
            replay = run.replay(loaded.tokenizer, rows, lessons)
            state = TrainingState(0, _mean_loss(model, rows), 0.0, replay)
        kept = [Example(answer, question) for question, answer in state.replay]
        if kept:
            kept += [Example(text) for text in REPLAY_PASSAGES[: -(-len(rows) // _ROWS_FOR_PASSAGE)]]
        again = [replace(row, replayed=True) for row in _rows(loaded.tokenizer, kept)] if kept else []
        state = run.optimise([*rows, *again], state)
        after = _mean_loss(model, rows)
    tensors = {
        name: tensor.detach().to("cpu", torch.float16).contiguous()
        for name, tensor in get_peft_model_state_dict(model).items()
    }
    config = model.peft_config["default"]
    evaluation = examiner.evaluate(lessons, bare=model.disable_adapter) if lessons is not None else None
    return TrainedAdapter(
        # One entry: the library writes several in an order of chance, and equal adapters should be equal files.
        data=save(tensors, {"model_fingerprint": loaded.fingerprint}),
        rank=plan.rank,
        alpha=plan.alpha,
        target_modules=tuple(sorted(config.target_modules)),
        loss_before=state.loss_before,
        loss_after=after,
        steps=state.step,
        compute_s=state.compute_s,
        evaluation=evaluation,
        resumed_steps=run.resumed_steps,
    )


def _with_deltas(base: Any, plan: TrainingPlan) -> Any:
    config = LoraConfig(
        r=plan.rank, lora_alpha=plan.alpha, target_modules="all-linear", lora_dropout=0.0, task_type="CAUSAL_LM"
    )
    return get_peft_model(base.float(), config)


class _Run:
    """The steps of one training."""

    def __init__(self, model: Any, plan: TrainingPlan, hooks: Hooks, task: str) -> None:
        self._model, self._plan, self._hooks, self._task = model, plan, hooks, task
        self._weights = [weight for weight in model.parameters() if weight.requires_grad]
        self._optimiser = torch.optim.AdamW(self._weights, lr=plan.learning_rate, weight_decay=0.0)
        self.resumed_steps = 0

    def resumed(self) -> TrainingState | None:
        """Return the state that an earlier call kept, the weights and moments brought to it."""
        data = self._hooks.load()
        state = unpack(data, self._optimiser, task=self._task) if data is not None else None
        if state is not None:
            self.resumed_steps = state.step
        return state

    def replay(
        self, tokenizer: Any, rows: Sequence[_Row], lessons: Sequence[Lesson] | None
    ) -> tuple[tuple[str, str], ...]:
        """Return what the bare model answers to questions whose answers should stay."""
        if not lessons:
            return ()
        most = min(_MOST_REPLAY, max(_LEAST_REPLAY, len(rows) * _REPLAY_A_ROW))
        questions = replay_questions(lessons, most)
        self._model.eval()
        examiner = Examiner(self._model, tokenizer, lambda _done, _total: self._hooks.stepped(0, 0, 0.0))
        with self._model.disable_adapter():
            answers = examiner.ask(questions, _REPLAY_TOKENS)
        return tuple((question, one.text) for question, one in zip(questions, answers, strict=True) if one.text)

    def optimise(self, rows: Sequence[_Row], state: TrainingState) -> TrainingState:
        """Go on from a state to the last step; the order of the rows is drawn anew, and as before."""
        plan, order = self._plan, random.Random(self._plan.seed)
        steps = plan.epochs * -(-len(rows) // _BATCH_EXAMPLES)
        warm_up = max(1, round(steps * _WARM_UP))
        began, kept = time.perf_counter() - state.compute_s, time.monotonic()
        self._hooks.stepped(state.step, steps, 0.0)
        self._model.train()
        step, told, tokens = 0, 0.0, 0
        for _ in range(plan.epochs):
            shuffled = list(rows)
            order.shuffle(shuffled)
            for batch in _batches(shuffled):
                step += 1
                if step <= state.step:
                    told, tokens = state.epoch_loss, state.epoch_tokens
                    continue
                loss, more, count = self._step(batch, plan.learning_rate * min(1.0, step / warm_up))
                if not math.isfinite(loss):
                    raise invalid("options.learning_rate", f"is too high: the loss is {loss} after {step} steps")
                told, tokens = told + more, tokens + count
                self._hooks.stepped(step, steps, loss)
                if self._hooks.keep is not None and time.monotonic() - kept >= self._hooks.keep_every_s:
                    spent = time.perf_counter() - began
                    now = replace(state, step=step, compute_s=spent, epoch_loss=told, epoch_tokens=tokens)
                    self._hooks.keep(pack(now, self._optimiser, task=self._task))
                    kept = time.monotonic()
                if os.environ.get(_FAULT) == f"training.step.{step}":
                    os._exit(137)
            # What is known is not learned again and again: the rest of the model would pay for it.
            if step >= state.step and told < _LEARNED * tokens:
                break
            told, tokens = 0.0, 0
        return replace(state, step=step, compute_s=time.perf_counter() - began)

    def _step(self, batch: Sequence[_Row], learning_rate: float) -> tuple[float, float, int]:
        """Take a step; return its loss, and the sum of losses over the memory's own tokens with their number."""
        for group in self._optimiser.param_groups:
            group["lr"] = learning_rate
        tensors = _tensors(batch, self._model.device)
        out = self._model(**tensors)
        out.loss.backward()
        torch.nn.utils.clip_grad_norm_(self._weights, _MAX_GRADIENT_NORM)
        self._optimiser.step()
        self._optimiser.zero_grad(set_to_none=True)
        own = torch.tensor([not row.replayed for row in batch], device=self._model.device)
        labels, logits = tensors["labels"][own, 1:], out.logits.detach()[own, :-1]
        learned = labels != _IGNORED
        told = torch.nn.functional.cross_entropy(logits[learned].float(), labels[learned], reduction="sum")
        return float(out.loss.detach()), float(told), int(learned.sum())


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
        # What a memory says is never one of the model's own marks, for instance the end of a turn.
        answer = chat.answer_ids(example.answer, of_turns=True)
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
