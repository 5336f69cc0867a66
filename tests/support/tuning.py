"""Chooses the ranking's levers and weights anew on all dialogues but one, and asks on that one.

What a question's candidates say is recorded once, while the platform is asked; after that no search is needed, since
weights change the order of candidates alone. From equal weights, one value after the other is set to nothing, to half or
to the double, and kept where the dialogues that are chosen on gain; twice over. What stands in the product is not looked
at, so a dialogue's figures owe nothing to its own questions but the form of the ranking itself.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import asdict, dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, Self

from memporium_services.reader.app import weighing
from memporium_services.reader.domain.budget import distinct
from memporium_services.reader.domain.ranking import Levers, Weights, weigh
from memporium_services.reader.domain.signals import Signals, read
from support import retrieval

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from memporium_services.reader.domain.candidates import Candidate
    from memporium_services.reader.domain.question import Question
    from memporium_services.reader.domain.ranking import Ranked

# What the mean of is made as great as can be: the figures that there are aims for.
AIMS = ("recall@5", "recall@10", "recall@20", "all@10", "session@1", "session@3")
_LEGS = ("dense", "focus", "own", "context")
_LEVERS = ("adaptive_fusion", "first_named")
_PASSES = 2
_RANKED = 50


@dataclass(frozen=True, slots=True)
class Chosen:
    """Levers and weights."""

    weights: Weights
    levers: Levers = field(default_factory=Levers)


@dataclass(frozen=True, slots=True)
class Recorded:
    """A question and what its candidates say: `signals` with the lever `first_named` on and off."""

    dialogue: str
    asked: Any
    question: Question
    signals: Mapping[bool, Signals]
    locators: Sequence[str]
    session_of: Mapping[str, str]


class Recorder:
    """Notes what Recall weighs last, while it is entered; for a platform in this process."""

    def __enter__(self) -> Self:
        self._rank, weighing.rank = weighing.rank, self
        return self

    def __exit__(self, *error: object) -> None:
        weighing.rank = self._rank

    def __call__(
        self, candidates: Sequence[Candidate], question: Question, *, names: Sequence[str], levers: Levers
    ) -> Ranked:
        """Rank, and note of what."""
        self._last = tuple(candidates), question, tuple(names)
        return self._rank(candidates, question, names=names, levers=levers)

    def last(self, dialogue: str, asked: Any, session_of: Mapping[str, str]) -> Recorded:
        """Return what was weighed last, for a question of a dialogue."""
        candidates, question, names = self._last
        signals = {first: read(candidates, question, names, first_named=first) for first in (True, False)}
        return Recorded(dialogue, asked, question, signals, [one.locator for one in candidates], session_of)


def result(one: Recorded, chosen: Chosen, *, apart: bool = True) -> retrieval.Result:
    """Return where a question's evidence stands; not `apart`: nearly equal statements stay where they are."""
    signals = one.signals[chosen.levers.first_named]
    ranked = weigh(signals, one.question, levers=chosen.levers, weights=chosen.weights)
    order = [int(index) for index in ranked.order]
    order = distinct(order, lambda index: ranked.words[index]) if apart else order
    ranking = [one.locators[index] for index in order[:_RANKED]]
    return retrieval.result_of(one.asked, one.dialogue, ranking, one.session_of)


def by_folds(recorded: Sequence[Recorded], *, every: int = 1) -> dict[str, Any]:
    """Return the figures of each dialogue with what was chosen on the others, and what that was.

    Args:
        recorded: The questions.
        every: Choose on each so-manieth question; all are asked.
    """
    of_dialogue: dict[str, list[Recorded]] = defaultdict(list)
    for one in recorded:
        of_dialogue[one.dialogue].append(one)
    known: dict[tuple[str, Chosen], tuple[float, int]] = {}

    def value(dialogue: str, chosen: Chosen) -> tuple[float, int]:
        if (dialogue, chosen) not in known:
            results = [result(one, chosen, apart=False) for one in of_dialogue[dialogue][::every]]
            figures = retrieval.brief(results)
            known[dialogue, chosen] = math.fsum(figures[aim] for aim in AIMS) / len(AIMS) * len(results), len(results)
        return known[dialogue, chosen]

    def objective(chosen: Chosen, others: Sequence[str]) -> float:
        values = [value(dialogue, chosen) for dialogue in others]
        return math.fsum(one for one, _count in values) / sum(count for _one, count in values)

    found: list[retrieval.Result] = []
    rows: dict[str, Any] = {}
    for dialogue, questions in of_dialogue.items():
        others = [other for other in of_dialogue if other != dialogue]
        chosen, best = start(), objective(start(), others)
        for _ in range(_PASSES):
            for name in (*_LEVERS, *asdict(chosen.weights)):
                for other in moves(chosen, name):
                    gained = objective(other, others)
                    if gained > best:
                        chosen, best = other, gained
        found += [result(one, chosen) for one in questions]
        off = [name for name in _LEVERS if not getattr(chosen.levers, name)]
        rows[dialogue] = {"weights": {k: round(v, 4) for k, v in asdict(chosen.weights).items()}, "off": off}
    return {"figures": retrieval.brief(found), "n": len(found), "chosen": rows}


def start() -> Chosen:
    """Return what choosing starts from: each leg alike, and each other part half of that."""
    return Chosen(Weights(**{one.name: 0.2 if one.name in _LEGS else 0.1 for one in fields(Weights)}))


def moves(chosen: Chosen, name: str) -> Iterator[Chosen]:
    """Yield what a lever or weight could be instead."""
    if name in _LEVERS:
        yield replace(chosen, levers=replace(chosen.levers, **{name: not getattr(chosen.levers, name)}))
        return
    now = getattr(chosen.weights, name)
    for other in (0.0, now / 2, now * 2) if now else (0.05, 0.1):
        yield replace(chosen, weights=replace(chosen.weights, **{name: other}))
