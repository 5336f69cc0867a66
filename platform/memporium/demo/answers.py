"""Answers of the story's model, with memories mounted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from memporium.demo.stage import UnexpectedError
from memporium.inference.v1 import generate_pb2

if TYPE_CHECKING:
    from collections.abc import Sequence

    from memporium.demo.world import World

_NEW_TOKENS = 24


@dataclass(frozen=True)
class Answer:
    """One answer: its tokens, its text, seconds to the first token, tokens that came from a cache."""

    tokens: tuple[int, ...]
    text: str
    first_token_s: float
    cached_tokens: int


def generate(agent: Any, world: World, mounts: Sequence[str]) -> Answer:
    """Answer the story's question as a client's principal, with memories mounted."""
    tokens: list[int] = []
    pieces: list[str] = []
    finished = None
    for response in agent.inference.generate(
        model=world.model,
        messages=[generate_pb2.Message(role=generate_pb2.ROLE_USER, content=world.question)],
        mounts=[generate_pb2.MemoryMount(cube=cube) for cube in mounts],
        max_tokens=_NEW_TOKENS,
        timeout_s=600.0,
    ):
        tokens.extend(response.delta.token_ids)
        pieces.append(response.delta.text)
        if response.HasField("finished"):
            finished = response.finished
    if finished is None:
        raise UnexpectedError("the answer did not end")
    return Answer(
        tokens=tuple(tokens),
        text="".join(pieces),
        first_token_s=finished.timings.time_to_first_token.ToTimedelta().total_seconds(),
        cached_tokens=finished.usage.cached_tokens,
    )
