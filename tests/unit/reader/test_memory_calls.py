"""Requests in plain language: fields, reasons, and talks that go on."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memporium_services.reader.domain.memory_call_kinds import CallKind
from memporium_services.reader.domain.memory_calls import parse
from support.memory_requests import LATER, NOW, REQUESTS, read_as


def _share(some, *fields):
    right = 0
    for one in some:
        wanted, got = read_as(one, parse(one.text, NOW))
        right += all(wanted[name] == got[name] for name in (fields or wanted))
    return right / len(some)


def test_requests_are_read_as_they_were_meant():
    assert len(REQUESTS) + len(LATER) >= 200
    held = [one for one in REQUESTS if one.held_back]
    assert len(held) == len(REQUESTS) // 3
    assert _share(held, "kind") >= 0.95
    assert _share(held) >= 0.9
    assert _share(REQUESTS) >= 0.95
    assert _share(LATER, "kind") >= 0.9


def test_nothing_but_a_request_to_forget_is_read_as_one():
    """The costly mistake: to destroy what somebody only asked about or wanted kept."""
    for one in (*REQUESTS, *LATER):
        if one.kind != "FORGET":
            assert parse(one.text, NOW).kind is not CallKind.FORGET, one.text


@given(st.text(max_size=300))
def test_any_text_is_read_as_something_with_spans_inside_it(text):
    call = parse(text, NOW)
    assert 0 <= call.confidence <= 1
    assert all(0 <= one.start <= one.end <= len(text) for one in call.spans)


def test_each_field_says_where_it_was_read():
    text = "In my work persona, what did Ana say about Rome last week?"
    call = parse(text, NOW)
    told = {one.field: text[one.start : one.end].strip(" ,") for one in call.spans}
    assert told["persona"] == "In my work persona"
    assert told["time"] == "last week"
    assert told["speaker"] == "Ana"
    assert {text[one.start : one.end] for one in call.spans if one.field == "entities"} == {"Ana", "Rome"}


def test_a_talk_goes_on():
    first = parse("What did Ana say about Rome last week?", NOW)
    march = parse("And in March?", NOW, first)
    assert (march.kind, march.speaker, march.start) == (CallKind.RECALL, "Ana", datetime(2024, 3, 1, tzinfo=UTC))
    ben = parse("What about Ben?", NOW, march)
    assert (ben.speaker, ben.entities[0], ben.start) == ("Ben", "Ben", march.start)
    assert "Ben" in ben.query
    assert "Ana" not in ben.query
    assert parse("What about Ben?", NOW).kind is CallKind.RECALL


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("what happened before 2020?", None, "2020-01-01"),
        ("what happened after April?", "2024-05-01", None),
        ("what happened from April to May?", "2024-04-01", "2024-06-01"),
        ("what happened on Friday last week?", "2024-05-10", "2024-05-11"),
        ("what happened?", None, None),
    ],
)
def test_words_before_a_time_open_the_window(text, start, end):
    call = parse(text, NOW)
    assert (call.start.strftime("%Y-%m-%d") if call.start else None) == start
    assert (call.end.strftime("%Y-%m-%d") if call.end else None) == end


@pytest.mark.parametrize(
    "text",
    [
        "change " + "x from " * 580,
        "Aa " * 1300,
        "i want " * 580,
        "3 April " * 500,
        " " * 4000 + "x",
        "take " + "out of " * 500,
    ],
)
def test_no_text_takes_long(text):
    began = time.process_time()
    parse(text[:4096], NOW)
    assert time.process_time() - began < 5
