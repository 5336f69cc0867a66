"""What questions are answered from: Recall, or what it is measured beside at the same budget.

`none` is what a model knows by itself, `evidence` what it makes of the labelled turns alone: nothing that chooses turns
can do better than about that. `bm25` and `vectors` fill the budget with the best turns of the dialogue, each with its
speaker and its day; `full` takes them all, whatever the budget.
"""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from google.protobuf.timestamp_pb2 import Timestamp

from memporium.eval.bm25 import Bm25
from memporium.eval.patience import patiently
from memporium.vault.v1 import search_pb2

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from memporium.client import Client
    from memporium.eval.samples import Question, Said, Sample, Talk

    _Place = tuple[str, str]
    _Ranking = Callable[[Question], Iterable[_Place]]

KINDS = ("recall", "none", "bm25", "vectors", "full", "evidence")
# Those that ask the platform, so that it must have been told the dialogue.
_OF_THE_PLATFORM = frozenset({"recall", "vectors"})
_MOST_QUERY_CHARS = 4_096
# More than fill any budget that is worth comparing.
_RANKED = 200
# How Recall counts a context's tokens, so that all are held to the same budget.
_PIECE = re.compile(r"[A-Za-z]{1,4}|\d{1,2}|[^\sA-Za-z\d]|\n")


@dataclass(frozen=True, slots=True)
class Found:
    """A context, its tokens, and the turns in it, best first, each as session and turn."""

    context: str
    tokens: int
    places: tuple[tuple[str, str], ...]


class Memory(Protocol):
    """What is found for a question on one sample."""

    def find(self, question: Question) -> Found:
        """Return what a question is answered from.

        Raises:
            MemporiumError: The platform refuses.
        """
        ...


@dataclass(frozen=True, slots=True)
class Choice:
    """Which memory, and how much of it.

    Attributes:
        kind: One of `KINDS`.
        budget_tokens: Most tokens of a context; `full` and `evidence` take what there is.
        limit: Most items.
    """

    kind: str = "recall"
    budget_tokens: int = 2_000
    limit: int = 20

    @property
    def remembers(self) -> bool:
        """Whether the platform must have been told the dialogue."""
        return self.kind in _OF_THE_PLATFORM

    def over(self, sample: Sample, vault: str, client: Client) -> Memory:
        """Return the memory of a sample, which the vault holds where `remembers`."""
        if self.kind == "recall":
            return _Recall(client, vault, self)
        if self.kind == "vectors":
            return _Turns(sample, self, lambda _talks: _by_meaning(client, vault))
        rankings = {"none": _nothing, "bm25": _by_words, "full": _everything, "evidence": _labelled}
        return _Turns(sample, self, rankings[self.kind])


class _Recall:
    def __init__(self, client: Client, vault: str, choice: Choice) -> None:
        self._client, self._vault, self._choice = client, vault, choice

    def find(self, question: Question) -> Found:
        fields: dict[str, Any] = {"query": question.text[:_MOST_QUERY_CHARS]}
        if question.now is not None:
            fields["now"] = _timestamp(question.now)
        answer = patiently(
            lambda: self._client.reader.recall(
                parent=self._vault, limit=self._choice.limit, budget_tokens=self._choice.budget_tokens, **fields
            )
        )
        places = tuple((item.source.source, item.source.locator) for item in answer.items)
        return Found(answer.context, answer.context_tokens, places)


class _Turns:
    """Turns of the dialogue in the order that a ranking gives, as many as there is room for."""

    def __init__(self, sample: Sample, choice: Choice, made: Callable[[tuple[Talk, ...]], _Ranking]) -> None:
        self._sample, self._choice, self._made = sample, choice, made
        self._lock = threading.Lock()
        # By how many sessions were before the question.
        self._known: dict[int | None, tuple[dict[_Place, str], _Ranking]] = {}

    def find(self, question: Question) -> Found:
        with self._lock:
            if question.after not in self._known:
                talks = self._sample.talks[: question.after]
                lines = {(talk.id, turn.id): line_of(turn, talk.start) for talk in talks for turn in talk.turns}
                self._known[question.after] = lines, self._made(talks)
        lines, ranking = self._known[question.after]
        bounded = self._choice.kind in {"bm25", "vectors"}
        left = self._choice.budget_tokens
        held: list[_Place] = []
        for place in dict.fromkeys(ranking(question)):
            if place not in lines or (bounded and len(held) == self._choice.limit):
                continue
            # One more for the end of the line.
            tokens = count_tokens(lines[place]) + 1
            # One that does not fit is passed over for a shorter one.
            if not bounded or tokens <= left:
                left -= tokens
                held.append(place)
        context = "\n".join(lines[place] for place in held)
        return Found(context, count_tokens(context), tuple(held))


def line_of(turn: Said, day: datetime) -> str:
    """Return a turn as a line of a context."""
    shared = f" [shares {turn.caption}]" if turn.caption else ""
    return f"{turn.speaker}: {turn.text}{shared} ({day:%-d %B %Y})"


def count_tokens(text: str) -> int:
    """Return about how many tokens a text has, as Recall counts those of its context."""
    return len(_PIECE.findall(text))


def _nothing(_talks: tuple[Talk, ...]) -> _Ranking:
    return lambda _question: ()


def _everything(talks: tuple[Talk, ...]) -> _Ranking:
    places = [(talk.id, turn.id) for talk in talks for turn in talk.turns]
    return lambda _question: places


def _labelled(_talks: tuple[Talk, ...]) -> _Ranking:
    return lambda question: question.evidence


def _by_words(talks: tuple[Talk, ...]) -> _Ranking:
    turns = {(talk.id, turn.id): line_of(turn, talk.start) for talk in talks for turn in talk.turns}
    places, index = list(turns), Bm25(list(turns.values()))
    return lambda question: [places[number] for number in index.rank(question.text)]


def _by_meaning(client: Client, vault: str) -> _Ranking:
    def ranking(question: Question) -> list[_Place]:
        found = patiently(
            lambda: list(
                client.vault.search_cubes(
                    parent=vault,
                    query=question.text[:_MOST_QUERY_CHARS],
                    mode=search_pb2.SEARCH_MODE_SEMANTIC,
                    limit=_RANKED,
                )
            )
        )
        return [(hit.unit.source.source, hit.unit.source.locator) for one in found for hit in one.hits]

    return ranking


def _timestamp(moment: datetime) -> Timestamp:
    found = Timestamp()
    found.FromDatetime(moment)
    return found
