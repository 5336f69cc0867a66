"""Log-probabilities of texts from OpenAI-compatible endpoints.

Two ways are spoken. `echo` with `logprobs`, of the completions protocol: the endpoint gives each token of the prompt
back with its log-probability and where it begins. And vLLM's `prompt_logprobs`, where prompts go as tokens. Many
endpoints offer neither; that is told, and who asked goes on without.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from memporium_services.inference.domain.scoring import TextScore

if TYPE_CHECKING:
    from collections.abc import Sequence

    from memporium_services.inference.domain.scoring import ScoreTask


def asked_text(task: ScoreTask) -> str:
    """Return the prompt as one text; a dialogue in lines, for the model's own chat format is not here."""
    if not task.turns:
        return task.prompt
    lines = [f"{turn.speaker.value.capitalize()}: {turn.content}" for turn in task.turns]
    return "\n".join([*lines, "Assistant:"])


def joined(prompt: str, continuation: str) -> str:
    """Return prompt and continuation as one text, a dialogue's answer behind a blank."""
    apart = prompt.endswith(":") and not continuation.startswith((" ", "\n"))
    return f"{prompt} {continuation}" if apart else prompt + continuation


def echo_request(tasks: Sequence[ScoreTask]) -> dict[str, Any]:
    """Return the fields of a request that asks for every prompt back."""
    prompts = [joined(asked_text(task), task.continuation) for task in tasks]
    # One token is written, since some endpoints refuse to write none.
    return {"prompt": prompts, "echo": True, "logprobs": 1, "max_tokens": 1, "temperature": 0, "stream": False}


def read_echo(answer: Any, tasks: Sequence[ScoreTask]) -> list[TextScore]:
    """Return the scores in the tasks' order.

    Raises:
        ValueError, KeyError, TypeError, IndexError, AttributeError: The answer tells none.
    """
    choices = {int(choice["index"]): choice["logprobs"] for choice in answer["choices"]}
    return [_echoed(choices[place], task) for place, task in enumerate(tasks)]


def _echoed(told: Any, task: ScoreTask) -> TextScore:
    prompt = asked_text(task)
    whole = joined(prompt, task.continuation)
    if "".join(told["tokens"])[: len(whole)] != whole:
        raise ValueError("the prompt was not given back")
    # A token over the border counts as the text's: most vocabularies put the blank before a word into it.
    places = zip(told["text_offset"], told["tokens"], told["token_logprobs"], strict=True)
    within = [(int(at) + len(token) > len(prompt), value) for at, token, value in places if int(at) < len(whole)]
    values = [value for inside, value in within if inside]
    # A missing value raises: no probability is made up.
    return TextScore(sum(map(float, values)), len(values), len(within) - len(values))


def read_prompt_logprobs(answer: Any, rows: Sequence[tuple[Sequence[int], Sequence[int]]]) -> list[TextScore]:
    """Return the scores of texts that were asked as tokens, (prompt, text), in their order.

    Raises:
        ValueError, KeyError, TypeError, IndexError, AttributeError: The answer tells none.
    """
    choices = {int(choice["index"]): choice["prompt_logprobs"] for choice in answer["choices"]}
    found = []
    for place, (prompt, text) in enumerate(rows):
        told = choices[place][len(prompt) : len(prompt) + len(text)]
        values = [float(at[str(token)]["logprob"]) for at, token in zip(told, text, strict=True)]
        found.append(TextScore(sum(values), len(text), len(prompt)))
    return found
