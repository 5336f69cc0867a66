"""Log-probabilities of texts behind prompts, several at once.

Texts of like length go together, padded on the right: under causal attention nothing sees what stands behind it, so
the padding needs no mask. A long text goes alone, in pieces behind a cache of its own. Logits are made for the scored
tokens alone, as far as rows allow.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from memporium_platform.errors import invalid
from memporium_services.inference.domain.scoring import TextScore

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from memporium_services.inference.adapters.generators.chat import ChatFormat
    from memporium_services.inference.domain.scoring import ScoreTask

# Tokens of one pass, padding included: between two passes a cancelled call ends, and others go on.
_PASS_TOKENS = 512


@dataclass(frozen=True, slots=True)
class ScoredIds:
    """Tokens of a prompt and of the text behind it, at least one of each."""

    prompt: Sequence[int]
    text: Sequence[int]

    @property
    def size(self) -> int:
        """Tokens in all."""
        return len(self.prompt) + len(self.text)


def score(
    model: Any, texts: Sequence[ScoredIds], new_cache: Callable[[int], Any]
) -> Generator[None, None, list[TextScore]]:
    """Return the score of each text in their order, pausing after each pass of the model.

    Args:
        model: A causal language model.
        texts: What to score.
        new_cache: Returns an empty cache with room for so many tokens.
    """
    found: dict[int, float] = {}
    for places in _batches(texts):
        rows = [texts[place] for place in places]
        if rows[0].size > _PASS_TOKENS:
            found[places[0]] = yield from _alone(model, rows[0], new_cache(rows[0].size))
        else:
            found.update(zip(places, _together(model, rows), strict=True))
            yield
    return [TextScore(found[place], len(one.text), len(one.prompt)) for place, one in enumerate(texts)]


def scored_ids(chat: ChatFormat, tasks: Sequence[ScoreTask], *, most: int) -> list[ScoredIds]:
    """Return the tokens of texts and prompts.

    Raises:
        PlatformError: INVALID_FIELD for an empty one, and for more than `most` tokens (0: any number).
    """
    found = []
    for place, task in enumerate(tasks):
        prompt = chat.rest_ids(task.turns, task.prompt, after_memory=False)
        one = ScoredIds(prompt, chat.answer_ids(task.continuation, of_turns=bool(task.turns)))
        if not one.prompt or not one.text:
            raise invalid(f"texts[{place}]", "needs a prompt and a continuation of a token each, at least")
        if most and one.size > most:
            raise invalid(f"texts[{place}]", f"has {one.size} tokens; the model reads {most}, and none is cut")
        found.append(one)
    return found


def most_tokens(texts: Sequence[ScoredIds]) -> int:
    """Return the tokens that are held at once."""
    return max((min(max(one.size, _PASS_TOKENS), sum(other.size for other in texts)) for one in texts), default=0)


def _batches(texts: Sequence[ScoredIds]) -> list[list[int]]:
    """Return the texts' places in groups of like length, each within one pass, or a longer text alone."""
    groups: list[list[int]] = []
    # The longest first: the first of a group says how wide it is.
    for place in sorted(range(len(texts)), key=lambda place: -texts[place].size):
        if groups and texts[groups[-1][0]].size * (len(groups[-1]) + 1) <= _PASS_TOKENS:
            groups[-1].append(place)
        else:
            groups.append([place])
    return groups


def _together(model: Any, rows: Sequence[ScoredIds]) -> list[float]:
    width = max(one.size for one in rows)
    # The logits at a position are of the token behind it.
    first = min(len(one.prompt) for one in rows) - 1
    with torch.inference_mode():
        tokens = torch.zeros((len(rows), width), dtype=torch.long, device=model.device)
        for row, one in enumerate(rows):
            tokens[row, : one.size] = torch.tensor([*one.prompt, *one.text])
        logits = model(input_ids=tokens, use_cache=False, logits_to_keep=width - first).logits
        return [
            _sum(logits[row, len(one.prompt) - 1 - first : one.size - 1 - first], one.text)
            for row, one in enumerate(rows)
        ]


def _alone(model: Any, one: ScoredIds, cache: Any) -> Generator[None, None, float]:
    ids, total = [*one.prompt, *one.text], 0.0
    # The last token is scored, and nothing behind it.
    for start in range(0, one.size - 1, _PASS_TOKENS):
        end = min(start + _PASS_TOKENS, one.size - 1)
        first = max(start, len(one.prompt) - 1)
        keep = max(1, end - first)
        with torch.inference_mode():
            tokens = torch.tensor([ids[start:end]], device=model.device)
            logits = model(input_ids=tokens, past_key_values=cache, use_cache=True, logits_to_keep=keep).logits[0]
            if first < end:
                total += _sum(logits, ids[first + 1 : end + 1])
        yield
    return total


def _sum(logits: Any, tokens: Sequence[int]) -> float:
    """Return the sum of the tokens' log-probabilities; the k-th row of the logits is of the k-th token."""
    numbers = logits.float()
    chosen = numbers.gather(-1, torch.tensor(tokens, device=numbers.device)[:, None])[:, 0]
    return float((chosen - numbers.logsumexp(-1)).sum())
