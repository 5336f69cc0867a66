"""What is done for each of hundreds of candidates is done fast, and says the same."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given
from hypothesis import strategies as st

from memporium.vault.v1 import cubes_pb2, search_pb2
from memporium_services.reader.convert_cubes import time_of
from memporium_services.reader.convert_units import found_in
from memporium_services.reader.domain import features, terms
from memporium_services.reader.domain.candidates import Candidate


@given(st.text(st.sampled_from("ab9'' _-\n\x1c") | st.characters(max_codepoint=127), max_size=80))
def test_words_of_ascii_are_those_of_any_text(text):
    assert terms._words(text) == terms._WORD.findall(text.lower())


def test_stems_are_forgotten_when_there_are_too_many_of_them(monkeypatch):
    monkeypatch.setattr(terms, "_MOST_STEMS", 3)
    text = "kettles boiled while ravens were nesting in gardens"
    first = terms.terms(text)
    assert first == terms.terms(text) == ["kettl", "boil", "raven", "nest", "garden"]
    assert len(terms._STEMS) <= 3


@given(st.datetimes())
def test_times_are_those_of_the_message(moment):
    unit = cubes_pb2.Unit()
    unit.event_time.FromDatetime(moment)
    assert time_of(unit, "event_time") == unit.event_time.ToDatetime(tzinfo=UTC)
    assert time_of(cubes_pb2.Unit(event_time=Timestamp(seconds=-1, nanos=999_999_999)), "event_time") == datetime(
        1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC
    )


def test_a_hit_has_the_legs_that_say_something_of_it():
    ranking = search_pb2.UnitRanking(
        hits=[search_pb2.UnitHit(cube=0, ordinal=number) for number in range(4)],
        scores=[0.9, 0.8, 0.7, 0.6],
        legs=[
            search_pb2.LegColumn(leg="dense", scores=[0.5, 0.4, 0.0, 0.0], ranks=[1, 0, 0, -1]),
            search_pb2.LegColumn(leg="own", scores=[3.0, 0.0, 0.0, 0.0], ranks=[1, 0, 0, -1]),
        ],
    )
    message = search_pb2.SearchUnitsResponse(cubes=[search_pb2.UnitCube(name="c")], rankings=[ranking])
    found = found_in([message], 1)[0].candidates
    assert [dict(one.legs) for one in found] == [
        {"dense": 0.5, "own": 3.0},
        {"dense": 0.4, "own": 0.0},
        {"own": 0.0},
        {},
    ]
    del message.rankings[0].legs[:]
    assert [dict(one.legs) for one in found_in([message], 1)[0].candidates] == [{}] * 4


def test_what_stands_beside_is_of_the_same_cube():
    some = [Candidate("a", 1, ""), Candidate("b", 2, ""), Candidate("a", 0, ""), Candidate("a", 3, "")]
    before, after = features.beside(some)
    assert before.tolist() == [2, -1, -1, -1]
    assert after.tolist() == [-1, -1, 0, -1]
    assert features.at(np.array([0.1, 0.2, 0.3, 0.4]), before).tolist() == [0.3, 0.0, 0.0, 0.0]
