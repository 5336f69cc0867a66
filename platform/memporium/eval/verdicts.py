"""Verdicts of a judging model: strict JSON, asked for twice; none is none, and counts neither way."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from memporium.eval import metrics, prompts

if TYPE_CHECKING:
    from memporium.eval.models import Model
    from memporium.eval.samples import Question

_ATTEMPTS = 2


def plain(question: Question, answer: str) -> dict[str, Any] | None:
    """Return a verdict for which nobody need be asked; None where somebody must be.

    An answer in the words of the right one is right, as is the agreed `not mentioned` to what is asked in vain; to any
    other question that is wrong. Small models hold another order of day and month to be another day.
    """
    right: bool | None = None
    if metrics.same_words(answer, question.answer):
        right = True
    elif metrics.same_words(answer, prompts.UNKNOWN):
        right = question.unanswerable or (None if metrics.says_unknown(question.answer) else False)
    return None if right is None else {"right": right, "tokens_in": 0, "tokens_out": 0, "seconds": 0.0}


def judged(model: Model, instructions: str, material: str, *, max_tokens: int) -> dict[str, Any]:
    """Return whether a model holds an answer right (None: it does not say), with the tokens of all attempts."""
    record: dict[str, Any] = {"right": None, "tokens_in": 0, "tokens_out": 0, "seconds": 0.0}
    for _ in range(_ATTEMPTS):
        reply = model.ask(instructions, material, max_tokens=max_tokens)
        record["tokens_in"] += reply.tokens_in
        record["tokens_out"] += reply.tokens_out
        record["seconds"] = round(record["seconds"] + reply.seconds, 4)
        record["right"] = verdict(reply.text)
        if record["right"] is not None:
            break
    return record


def verdict(text: str) -> bool | None:
    """Return the verdict in a model's answer; None where there is none."""
    start = text.find("{")
    if start < 0:
        return None
    try:
        found, _end = json.JSONDecoder().raw_decode(text, start)
    except (ValueError, RecursionError):
        return None
    right = found.get("right") if isinstance(found, dict) else None
    return right if isinstance(right, bool) else None
