"""Prompts in a model's own chat format, in two parts: the memory at the beginning, and the rest.

Both parts are tokenised apart, always: so the tokens are the same whether the beginning is text in the prompt or a KV
cache that was made from it. In chat formats the cut lies at a special token, where the whole text would be cut too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jinja2 import TemplateError

from memporium_platform.errors import invalid
from memporium_services.inference.domain.prompt import frame, without_special

if TYPE_CHECKING:
    from collections.abc import Sequence

    from memporium_services.inference.domain.values import TextMemory, Turn

_PROBE_MEMORY = [{"role": "system", "content": "memory"}]
_PROBE_TURNS = [{"role": "system", "content": "rules"}, {"role": "user", "content": "question"}]


class ChatFormat:
    """Renders prompts for one tokenizer."""

    def __init__(self, tokenizer: Any) -> None:
        """Find out whether the chat format can have memory as a system message of its own before the others."""
        self._tokenizer = tokenizer
        self._special = tuple(token.content for token in tokenizer.added_tokens_decoder.values() if token.special)
        self._memory_as_turn = bool(tokenizer.chat_template) and self._probe()

    def _probe(self) -> bool:
        try:
            prefix = self._render(_PROBE_MEMORY, answer=False)
            return self._render(_PROBE_MEMORY + _PROBE_TURNS, answer=True).startswith(prefix)
        except TemplateError:
            return False

    def memory_ids(self, memories: Sequence[TextMemory]) -> list[int]:
        """Return the tokens of the memories as the beginning of a prompt; none for no memories."""
        text = frame(memories)
        if not text:
            return []
        text = without_special(text, self._special)
        if self._memory_as_turn:
            return self._ids(self._render([{"role": "system", "content": text}], answer=False))
        return self._ids(f"{text}\n\n", begin=True)

    def rest_ids(self, turns: Sequence[Turn], prompt: str, *, after_memory: bool) -> list[int]:
        """Return the tokens that follow the memory: the dialogue up to where the answer begins, or the prompt."""
        if not turns:
            return self._ids(prompt, begin=not after_memory)
        messages = [
            {"role": turn.speaker.value, "content": without_special(turn.content, self._special)} for turn in turns
        ]
        if not self._tokenizer.chat_template:
            lines = [f"{message['role'].capitalize()}: {message['content']}" for message in messages]
            return self._ids("\n".join([*lines, "Assistant:"]), begin=not after_memory)
        try:
            if not (after_memory and self._memory_as_turn):
                return self._ids(self._render(messages, answer=True))
            # Rendered behind a memory and cut there: some formats add a greeting where no system message comes first.
            prefix = self._render(_PROBE_MEMORY, answer=False)
            return self._ids(self._render(_PROBE_MEMORY + messages, answer=True)[len(prefix) :])
        except TemplateError as err:
            raise invalid("messages", "the model's chat format does not take this order of roles") from err

    def answer_ids(self, text: str, *, of_turns: bool) -> list[int]:
        """Return the tokens of a text that stands behind a prompt; as a dialogue's answer it is plain text alone."""
        return self._ids(without_special(text, self._special) if of_turns else text)

    def text_ids(self, text: str) -> list[int]:
        """Return the tokens of a text."""
        return self._ids(text)

    def count(self, text: str) -> int:
        """Return the number of tokens of a text."""
        return len(self._ids(text))

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of tokens, without special ones."""
        return str(self._tokenizer.decode(list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False))

    def _render(self, messages: list[dict[str, str]], *, answer: bool) -> str:
        return str(self._tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=answer))

    def _ids(self, text: str, *, begin: bool = False) -> list[int]:
        return list(self._tokenizer(text, add_special_tokens=begin)["input_ids"])
