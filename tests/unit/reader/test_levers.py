"""Each lever has a switch, and off it is as if it had no weight."""

from __future__ import annotations

from dataclasses import asdict, fields, replace
from datetime import UTC, datetime

import numpy as np
import pytest

from memporium.reader.v1 import recall_pb2
from memporium_services.reader.convert import asked_in
from memporium_services.reader.domain.candidates import Candidate
from memporium_services.reader.domain.question import analyse
from memporium_services.reader.domain.ranking import Levers, Weights, rank

NOW = datetime(2024, 5, 1, tzinfo=UTC)
_NAMES = ("Ann", "Bob")
_SAID = (
    "I baked rye bread.",
    "We ate it.",
    "The oven broke.",
    "Bob liked the bread.",
    "It rained.",
    "What did you bake?",
)


def _candidates() -> list[Candidate]:
    return [
        Candidate(
            f"cube-{number // 3}",
            number,
            f"{_NAMES[number % 2]}: {text} {number}",
            source=f"session-{number // 6}",
            speaker=_NAMES[number % 2],
            event_time=datetime(2023 + number % 2, 3, 1, tzinfo=UTC),
            legs={"dense": 0.9 - number / 40, "own": 5.0 - number / 8, "context": 6.0 - number / 9},
        )
        for number, text in enumerate(_SAID * 3)
    ]


@pytest.mark.parametrize(
    ("lever", "weights"),
    [
        ("covering", ("covering",)),
        ("session_evidence", ("evidence",)),
        ("spread", ("spread",)),
        ("semantic", ("dense", "focus")),
        ("lexical", ("own",)),
        ("windows", ("context",)),
        ("speakers", ("speaker",)),
        ("times", ("period", "timed")),
        ("form", ("asking", "telling", "substance")),
    ],
)
def test_a_lever_that_is_off_is_one_without_weight(lever, weights):
    asked = "When in 2024 did Ann bake for Bob?" if lever == "times" else "Which breads did Ann bake for Bob?"
    question = analyse(asked, NOW)
    on, off, bare = (
        rank(_candidates(), question, names=_NAMES, levers=levers, weights=weights)
        for levers, weights in (
            (Levers(), Weights()),
            (Levers(**{lever: False}), Weights()),
            (Levers(), replace(Weights(), **dict.fromkeys(weights, 0.0))),
        )
    )
    assert off.scores.tolist() == bare.scores.tolist()
    assert list(off.order) == list(bare.order)
    assert not np.array_equal(on.scores, off.scores)


def test_of_several_who_are_named_none_is_told_apart_where_that_is_off():
    question = analyse("Which breads did Ann bake for Bob?", NOW)
    on = rank(_candidates(), question, names=_NAMES, levers=Levers())
    off = rank(_candidates(), question, names=_NAMES, levers=Levers(first_named=False))
    gained = on.parts["analysis"] - off.parts["analysis"]
    assert gained[::2].min() > gained[1::2].max()
    # Where one alone is named, it is the one asked about.
    single = [
        rank(_candidates(), question, names=("Bob",), levers=Levers(first_named=first)).scores.tolist()
        for first in (True, False)
    ]
    assert single[0] == single[1]


def test_among_an_assistants_answers_meaning_counts_more_and_what_stands_around_less():
    question = analyse("Which breads did Ann bake for Bob?", NOW)
    chat = [one._replace(role="assistant") if number % 2 else one for number, one in enumerate(_candidates())]
    plain = {name: value for name, value in asdict(Weights()).items() if name in {"dense", "focus", "context"}}
    weights = replace(Weights(), **{n: v * (0.5 if n == "context" else 1.5) for n, v in plain.items()})
    on, off, by_hand = (
        rank(chat, question, names=_NAMES, levers=levers, weights=given)
        for levers, given in (
            (Levers(), Weights()),
            (Levers(assisted=False), Weights()),
            (Levers(assisted=False), weights),
        )
    )
    assert on.scores.tolist() == pytest.approx(by_hand.scores.tolist())
    assert not np.array_equal(on.scores, off.scores)
    # Where people talk with each other nothing is changed.
    people = [rank(_candidates(), question, names=_NAMES, levers=Levers(assisted=given)) for given in (True, False)]
    assert people[0].scores.tolist() == people[1].scores.tolist()


def test_each_lever_can_be_switched_off_in_a_request():
    levers = {field.name for field in fields(Levers)}
    assert levers <= set(recall_pb2.RecallOptions.DESCRIPTOR.fields_by_name)
    for name in sorted(levers):
        request = recall_pb2.RecallRequest(parent="orgs/o/vaults/v", query="Why?")
        assert getattr(asked_in(request, NOW).levers, name) is True
        setattr(request.options, name, False)
        assert asked_in(request, NOW).levers == replace(Levers(), **{name: False})
