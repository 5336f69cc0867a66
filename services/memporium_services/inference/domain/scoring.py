"""How likely a model holds a text to be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from memporium_services.inference.domain.values import Turn


@dataclass(frozen=True, slots=True)
class ScoreTask:
    """A text to score behind another: `turns`, or `prompt` as it is."""

    continuation: str
    turns: tuple[Turn, ...] = ()
    prompt: str = ""


@dataclass(frozen=True, slots=True)
class TextScore:
    """What a model says of a text.

    Attributes:
        log_probability: Natural logarithm of the text's probability behind its prompt: the sum over its tokens.
        token_count: Tokens of the text.
        prompt_token_count: Tokens of the prompt.
    """

    log_probability: float
    token_count: int
    prompt_token_count: int
