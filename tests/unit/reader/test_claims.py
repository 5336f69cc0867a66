"""What statements assert, by rules: read where it is said, and nothing where it is not."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memporium_services.reader.domain.claim_questions import asked_key, asked_keys
from memporium_services.reader.domain.claim_words import normal, same
from memporium_services.reader.domain.claims import MOST, claims_of
from memporium_services.reader.domain.facts import facts_of
from memporium_services.reader.domain.values import Turn

NOW = datetime(2024, 6, 10, 12, tzinfo=UTC)


def read(text, speaker="Ada", listener="Ben"):
    return [
        (one.subject, one.attribute, one.value, one.ended)
        for one in claims_of(text, NOW, speaker=speaker, listener=listener)
    ]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("I live in Oslo now.", ("ada", "home", "Oslo", False)),
        ("By the way, I moved from Oslo to Berlin last month.", ("ada", "home", "Berlin", False)),
        ("My older sister lives in Rome.", ("ada's older sister", "home", "Rome", False)),
        ("My sister Clara lives in New York these days.", ("clara", "home", "New York", False)),
        ("You live in Paris.", ("ben", "home", "Paris", False)),
        ("I no longer live in Oslo.", ("ada", "home", "Oslo", True)),
        ("I don't work at Acme anymore.", ("ada", "employer", "Acme", True)),
        ("Oslo is where I live now.", ("ada", "home", "Oslo", False)),
        ("I'm a software engineer.", ("ada", "job", "software engineer", False)),
        ("I work at Acme as a nurse.", ("ada", "employer", "Acme", False)),
        ("My new cell phone number is +47 555 0101.", ("ada", "phone", "+47 555 0101", False)),
        ("My favorite color is blue, not red.", ("ada", "favourite colour", "blue", False)),
        ("Blue is my favourite colour.", ("ada", "favourite colour", "Blue", False)),
        ("I changed my email to ada@x.org.", ("ada", "email", "ada@x.org", False)),
        ("The deadline of Project Apollo is 5 May 2026.", ("project apollo", "deadline", "5 May 2026", False)),
        ("Apollo's deadline has been extended from 5 May to 9 June.", ("apollo", "deadline", "9 June", False)),
        ("The deadline for Apollo was moved to 9 June 2026.", ("apollo", "deadline", "9 June 2026", False)),
        ("The office door code is 4711.", ("office", "door code", "4711", False)),
        ("The CEO of Initech is Jane Roe.", ("initech", "ceo", "Jane Roe", False)),
        ("I hate jazz now.", ("ada", "feeling about jazz", "dislikes", False)),
        ("I prefer tea over coffee.", ("ada", "choice of coffee and tea", "tea", False)),
        ("I have two kids.", ("ada", "number of kids", "two", False)),
        ("My husband is Ben Stone.", ("ada", "spouse", "Ben Stone", False)),
        ("- **Ada** reports to Carol.", ("ada", "manager", "Carol", False)),
        ("I'm no longer allergic to nuts.", ("ada", "allergy", "nuts", True)),
    ],
)
def test_what_is_asserted_is_read(text, found):
    assert found in read(text)


@pytest.mark.parametrize(
    "text",
    [
        "Do I live in Oslo?",
        "Maybe I live in Oslo.",
        "I think Ada lives in Rome.",
        "I'm going to move to Berlin.",
        "If I live in Oslo, all is well.",
        "Ben says Ada lives in Rome.",
        "I lived in Rome in 2003.",
        "I moved on.",
        "I moved to a new flat.",
        "My sister is coming tomorrow.",
        "What a wonderful day it was at the lake with all of them!",
        "She lives in Rome.",
    ],
)
def test_what_is_not_asserted_is_not_read(text):
    assert read(text) == []


@pytest.mark.parametrize(
    ("question", "key"),
    [
        ("Where does Ada Rossi live now?", "ada rossi/home"),
        ("What's Ada's favorite color?", "ada/favourite colour"),
        ("Which company does Ada work for?", "ada/employer"),
        ("When is the due date of Project Apollo?", "project apollo/deadline"),
        ("Who is Ada's boss?", "ada/manager"),
        ("How many kids does Ada have?", "ada/number of kids"),
        ("What did Ada say about Rome?", ""),
        ("When did Ada move?", ""),
        ("", ""),
    ],
)
def test_a_question_asks_for_a_claim(question, key):
    assert asked_key(question) == key


@pytest.mark.parametrize(
    ("question", "statement"),
    [
        ("When does Ada get up?", "I get up at 6:30."),
        ("When does Ada go home?", "Ada goes home at 5:30 pm."),
        ("When does Ada catch the bus?", "Ada catches the bus at 7:10."),
        ("Which bus does Ada take to work?", "I take the 8:15 bus to work."),
        ("How many laps does Ada swim?", "I now swim 40 laps."),
        ("What is Ada's tax adviser?", "My tax adviser is Eva Klein."),
        ("Which gym does Ada use?", "My gym is FitFab."),
    ],
)
def test_a_question_asks_for_what_a_statement_claims(question, statement):
    [claim] = claims_of(statement, NOW, speaker="Ada")
    assert claim.key in asked_keys(question)


def test_a_change_is_true_since_it_was_made():
    [moved] = claims_of("I moved to Berlin last month.", NOW, speaker="Ada")
    [lives] = claims_of("I live in Berlin.", NOW, speaker="Ada")
    assert moved.start == datetime(2024, 5, 1, tzinfo=UTC)
    assert lives.start is None


def test_several_clauses_assert_several_things():
    assert len(read("I live in Oslo and I work at Acme; my phone is 555-0101.")) == 3
    assert (
        len(read("I live in Oslo. " + " ".join(f"My favourite sort{chr(97 + i)} is x{i}." for i in range(20)))) == MOST
    )


def test_the_user_is_the_one_speaker_with_that_role():
    turns = [
        Turn("1", "Ada", "user", "Hi!", NOW),
        Turn("2", "Bot", "assistant", "The user lives in Oslo. You work at Acme.", NOW),
    ]
    claims = facts_of(turns, 1, source="s")[0].claims
    assert [(one.subject, one.value) for one in claims] == [("ada", "Oslo"), ("ada", "Acme")]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("the blue drawer", "Blue drawer"),
        ("5 May 2026", "May 5th, 2026"),
        ("three", "3"),
        ("555-0101", "555 0101"),
        ("Acme", "Acme Corp"),
        ("$40,000", "$40,000."),
    ],
)
def test_values_that_agree(one, other):
    assert same(one, other)
    assert same(other, one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("York", "New York"),
        ("5 May 2026", "6 May 2026"),
        ("555-0101", "555-0102"),
        ("1.5", "15"),
        ("blue", "dark blue"),
        ("Room", "Room 5"),
        ("ada@x.org", "ada@y.org"),
    ],
)
def test_values_that_differ(one, other):
    assert not same(one, other)


@settings(max_examples=200)
@given(st.text(max_size=300))
def test_any_text_is_read_without_harm(text):
    for one in claims_of(text, NOW, speaker="Ada", listener="Ben"):
        assert one.subject
        assert one.attribute
        assert normal(one.value)
        assert len(one.value) <= 120
