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


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Forget everything except what Ana said about Rome.", "except"),
        ("Forget everything but the recipes.", "but"),
        ("Delete all notes other than those about work.", "other than"),
        ("Forget all about Ana Meyer last week but keep Ana Schmidt", "but"),
        ("Forget everything that isn't about the project", "isn't"),
        ("Forget everything not about Ana", "not"),
        ("Forget nothing.", "nothing"),
        ("Forget all memories older than two weeks", "older than"),
        ("Forget what we did two weeks before my birthday", "two weeks"),
        ("Forget the last note about Ana", "note about Ana"),
        ("Forget it.", "it."),
        ("Please delete them all!", "them all!"),
        ("Show me everything not tagged work", "not"),
        ("List all notes except those about work", "except"),
        ("Vergiss alles über Anna.", "Vergiss"),
        ("Lösche bitte: alle Notizen", "Lösche"),
        ("Por favor, olvida todo sobre Paul", "Por favor, olvida"),
        ("忘记关于安娜的一切", "忘记"),
    ],
)
def test_what_no_field_says_is_unclear_and_not_to_be_done(text, words):
    call = parse(text, NOW)
    assert words in call.unclear
    assert call.confidence <= 0.3
    assert call.kind not in {CallKind.REMEMBER, CallKind.UPDATE}
    [span] = [one for one in call.spans if one.field == "unclear"]
    assert words in text[span.start : span.end]


def test_what_is_clear_is_not_held_up():
    for one in (*REQUESTS, *LATER):
        assert not parse(one.text, NOW).unclear, one.text
    for text in ("Forget everything since yesterday", "I no longer want you to keep my address", "Olvidé mi paraguas"):
        assert not parse(text, NOW).unclear, text


@pytest.mark.parametrize(("text", "limit"), [("Forget the last note", 1), ("Forget the last three notes", 3)])
def test_the_newest_are_forgotten_by_number(text, limit):
    call = parse(text, NOW)
    assert (call.query, call.limit, call.output, call.unclear) == ("", limit, "LATEST", "")


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("What happened between March and May?", "2026-03-01", "2026-06-01"),
        ("Forget everything from before March", None, "2026-03-01"),
        ("What did we do between October and March?", "2025-10-01", "2026-04-01"),
        ("What did we do between March and November?", "2026-03-01", "2026-12-01"),
        ("What will happen in March?", "2027-03-01", "2027-04-01"),
        ("Which appointments are there on 3 March?", "2027-03-03", "2027-03-04"),
        ("What happened on 3 March 2027?", "2027-03-03", "2027-03-04"),
        ("What happened in February?", "2026-02-01", "2026-03-01"),
    ],
)
def test_months_without_a_year_have_been(text, start, end):
    call = parse(text, datetime(2026, 11, 22, 11, tzinfo=UTC))
    assert (call.start.strftime("%Y-%m-%d") if call.start else None) == start
    assert (call.end.strftime("%Y-%m-%d") if call.end else None) == end


@pytest.mark.parametrize("month", [1, 7, 12])
def test_at_the_beginning_of_all_calendars_there_is_no_year_before(month):
    for text in ("What happened in March?", "What happened between November and March?"):
        assert parse(text, datetime(1, month, 2, tzinfo=UTC)).kind is CallKind.RECALL


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
