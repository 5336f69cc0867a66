"""What a model knows, measured: questions asked, values ranked by likelihood, general text found likely or not."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from memporium_services.inference.adapters.generators.chat import ChatFormat
from memporium_services.inference.domain.admission import Evaluation, ParentRecall
from memporium_services.inference.domain.general_text import GENERAL_PASSAGES, control_questions
from memporium_services.inference.domain.lessons import others, plain, says
from memporium_services.inference.domain.values import Speaker, Turn

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from memporium_services.inference.domain.lessons import Lesson

# Questions that are asked together, and most tokens of an answer beyond those of the one that is expected.
_BATCH_QUESTIONS = 8
_SPARE_TOKENS, _MOST_TOKENS = 4, 48
# Most questions of each kind: a larger memory is measured by an even sample.
_MOST_QUESTIONS = 64
# Of a dozen questions a leak of one in four was as likely not seen as seen.
_MOST_CONTROLS = 48
_MOST_DISTRACTORS = 7
_PASSAGE_TOKENS = 256
# Nats a token whose perplexity is a number still.
_LARGEST_MEAN = 700.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model answered: its text, and the mean probability of its tokens."""

    text: str
    confidence: float


class Examiner:
    """Asks one model."""

    def __init__(
        self, model: Any, tokenizer: Any, report: Callable[[int, int], None] = lambda _done, _all: None
    ) -> None:
        """Ask this model; `report` gets questions asked and in all, and may raise to end the work."""
        self._model, self._tokenizer, self._report = model, tokenizer, report
        self._chat = ChatFormat(tokenizer)
        ends = getattr(model.generation_config, "eos_token_id", None)
        known = ends if isinstance(ends, list) else [ends]
        self._ends = sorted({one for one in [*known, tokenizer.eos_token_id] if isinstance(one, int)})
        self._done = self._total = 0

    def evaluate(
        self,
        lessons: Sequence[Lesson],
        *,
        bare: Callable[[], Any],
        parents: Mapping[str, Sequence[Lesson]] | None = None,
    ) -> Evaluation:
        """Return what the model knows of the lessons.

        Args:
            lessons: What it was taught.
            bare: Returns a context in which the model is without its adapter.
            parents: Lessons by the cube that teaches them, whose recall is told apart.
        """
        held = _sample([(lesson, question) for lesson in lessons for question in lesson.held_out])
        seen = _sample([(lesson, lesson.seen[place % len(lesson.seen)]) for place, lesson in enumerate(lessons)])
        controls = control_questions(lessons, _MOST_CONTROLS)
        ranked = [lesson for lesson in _sample(lessons) if others(lesson, lessons, _MOST_DISTRACTORS)]
        self._done, self._total = 0, 2 * len(held) + len(seen) + len(controls) + len(ranked)
        answers = self.ask([question for _, question in held], self._room(held))
        with bare():
            before = self.ask([question for _, question in held], self._room(held))
            perplexity_before = self.perplexity()
        again = self.ask([question for _, question in seen], self._room(seen))
        said = self.ask(controls, self._room(held))
        hits = [says(one.text, lesson.value) for one, (lesson, _) in zip(answers, held, strict=True)]
        ranks = [self.rank(lesson, others(lesson, lessons, _MOST_DISTRACTORS)) for lesson in ranked]
        return Evaluation(
            facts=len(lessons),
            questions=len(held),
            recall=_share(hits),
            recall_before=_share([says(one.text, lesson.value) for one, (lesson, _) in zip(before, held, strict=True)]),
            exact=_share(
                [plain(one.text) == plain(lesson.answer) for one, (lesson, _) in zip(answers, held, strict=True)]
            ),
            recall_seen=_share([says(one.text, lesson.value) for one, (lesson, _) in zip(again, seen, strict=True)]),
            ranked=len(ranks),
            mean_reciprocal_rank=_share([1 / rank for rank in ranks]),
            perplexity_before=perplexity_before,
            perplexity_after=self.perplexity(),
            control_questions=len(controls),
            leakage=_share([any(says(one.text, lesson.value) for lesson in lessons) for one in said]),
            parents=tuple(_of_parent(cube, taught, held, hits) for cube, taught in (parents or {}).items()),
        )

    def ask(self, questions: Sequence[str], max_tokens: int) -> list[Answer]:
        """Return the greedy answers to questions, in their order."""
        found: list[Answer] = []
        for start in range(0, len(questions), _BATCH_QUESTIONS):
            found += self._answers(questions[start : start + _BATCH_QUESTIONS], max_tokens)
            self._done += len(questions[start : start + _BATCH_QUESTIONS])
            self._report(self._done, max(self._done, self._total))
        return found

    def rank(self, lesson: Lesson, distractors: Sequence[str]) -> int:
        """Return at which place, from 1, the right value stands by likelihood among others, for a held-out question."""
        candidates = [lesson.answer, *(lesson.with_value(value) for value in distractors)]
        prompt = self._ids(lesson.held_out[0])
        rows = [self._tokenizer(text, add_special_tokens=False)["input_ids"] for text in candidates]
        # What all begin with says nothing about the value.
        common = next((at for at, column in enumerate(zip(*rows, strict=False)) if len(set(column)) > 1), 0)
        scores = self._likelihoods(prompt, rows, common)
        self._done += 1
        self._report(self._done, max(self._done, self._total))
        return 1 + sum(score > scores[0] for score in scores[1:])

    def perplexity(self, passages: Sequence[str] = GENERAL_PASSAGES) -> float:
        """Return the perplexity on text, over all its tokens."""
        total, count = 0.0, 0
        with torch.inference_mode():
            for passage in passages:
                ids = self._tokenizer(passage, add_special_tokens=False)["input_ids"][:_PASSAGE_TOKENS]
                row = torch.tensor([ids], device=self._model.device)
                total += float(self._model(input_ids=row, labels=row).loss) * (len(ids) - 1)
                count += len(ids) - 1
        mean = total / max(count, 1)
        return math.exp(mean) if mean < _LARGEST_MEAN else mean if math.isnan(mean) else math.inf

    def _likelihoods(self, prompt: list[int], rows: Sequence[list[int]], common: int) -> list[float]:
        """Return the mean log probability of each row's tokens from `common` on, all behind one prompt."""
        width = max(map(len, rows))
        ids = torch.tensor([prompt + row + [0] * (width - len(row)) for row in rows], device=self._model.device)
        with torch.inference_mode():
            # The last tokens alone are scored: a whole vocabulary for each token of the prompt would be much.
            logits = self._model(input_ids=ids, logits_to_keep=width + 1).logits.float().log_softmax(-1)
        found = []
        for index, row in enumerate(rows):
            told = [float(logits[index, place, row[place]]) for place in range(common, len(row))]
            found.append(sum(told) / max(len(told), 1))
        return found

    def _answers(self, questions: Sequence[str], max_tokens: int) -> list[Answer]:
        prompts = [self._ids(question) for question in questions]
        width = max(map(len, prompts))
        ids = torch.tensor([[0] * (width - len(row)) + row for row in prompts], device=self._model.device)
        mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in prompts], device=self._model.device)
        with torch.inference_mode():
            out = self._model.generate(
                input_ids=ids, attention_mask=mask, max_new_tokens=max_tokens, do_sample=False, pad_token_id=0,
                eos_token_id=self._ends, return_dict_in_generate=True, output_logits=True,
            )  # fmt: skip
        found = []
        for row, tokens in enumerate(out.sequences[:, width:].tolist()):
            end = next((place for place, token in enumerate(tokens) if token in self._ends), len(tokens))
            told = [float(out.logits[place][row].float().softmax(-1)[tokens[place]]) for place in range(end)]
            mean = math.exp(sum(math.log(max(one, 1e-9)) for one in told) / len(told)) if told else 0.0
            found.append(Answer(self._chat.decode(tokens[:end]).strip(), mean))
        return found

    def _ids(self, question: str) -> list[int]:
        return self._chat.rest_ids((Turn(Speaker.USER, question),), "", after_memory=False)

    def _room(self, asked: Sequence[tuple[Lesson, str]]) -> int:
        lengths = [self._chat.count(lesson.answer) for lesson, _ in asked]
        return min(max(lengths, default=0) + _SPARE_TOKENS, _MOST_TOKENS)


def _of_parent(
    cube: str, taught: Sequence[Lesson], held: Sequence[tuple[Lesson, str]], hits: Sequence[bool]
) -> ParentRecall:
    own = [hit for hit, (lesson, _) in zip(hits, held, strict=True) if lesson in taught]
    return ParentRecall(cube, len(own), _share(own))


def _share(hits: Sequence[float]) -> float:
    return sum(hits) / len(hits) if hits else 0.0


def _sample(items: Sequence[Any]) -> list[Any]:
    """Return at most so many items, evenly over all."""
    if len(items) <= _MOST_QUESTIONS:
        return list(items)
    return [items[place * len(items) // _MOST_QUESTIONS] for place in range(_MOST_QUESTIONS)]
