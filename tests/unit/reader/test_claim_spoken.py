"""What is read of sentences as people speak them: with a reason, a request, a hedge and something else in one."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import pytest

from memporium_services.reader.domain.claim_questions import asked_keys
from memporium_services.reader.domain.claims import read
from memporium_services.reader.domain.spoken import parts_of

NOW = datetime(2024, 6, 10, 12, tzinfo=UTC)


def told(text: str) -> list[tuple[str, str, str]]:
    return [(one.subject, one.attribute, one.value) for one in read(text, NOW, speaker="Ada").claims]


@pytest.mark.parametrize(
    ("text", "claim"),
    [
        # A request, a question, a hedge or a condition is of its own part alone.
        ("My bike lock code is 4711, could you put that into the list?", ("ada", "bike lock code", "4711")),
        ("Please fix the list, Kim Lee has locker 18 now.", ("kim lee", "locker", "18")),
        ("Kim Lee goes to Eva Klein for yoga, twice a week I think.", ("kim lee", "yoga", "Eva Klein")),
        ("When you meet her, Kim Lee's tutor is Eva Klein.", ("kim lee", "tutor", "Eva Klein")),
        ("If you are there, my locker is 18, thanks.", ("ada", "locker", "18")),
        # Reasons, remarks in passing, brackets, sentences without capitals.
        ("my tutor is Eva Klein because the old one moved away, so tell her", ("ada", "tutor", "Eva Klein")),
        ("oh and btw my locker is 18 since last week, lol", ("ada", "locker", "18")),
        ("After the move Kim Lee was given locker 18, next to the door.", ("kim lee", "locker", "18")),
        ("My tutor (the third one this year) is Eva Klein, she is strict.", ("ada", "tutor", "Eva Klein")),
        # What follows the value is no part of it.
        ("I've got desk 18 at work, so leave it there.", ("ada", "desk", "18")),
        # Whoever was the subject still is.
        ("Kim Lee got fed up with the noise and works at Globex now, much happier.", ("kim lee", "employer", "Globex")),
        # "It" and "the new one" are of what was named before.
        ("I switched tutors over the summer, the new one is Eva Klein.", ("ada", "tutor", "Eva Klein")),
        ("Kim Lee swapped desks with a colleague and has B12 now.", ("kim lee", "desk", "B12")),
        ("Kim Lee's router broke, so the wifi password is ramen42, tell the guests.", ("kim lee", "wifi password", "ramen42")),
        ("I found another tutor, Eva Klein, because mine left.", ("ada", "tutor", "Eva Klein")),
        # Said in passing.
        ("so Eva Klein, that's my tutor, wants the slides by tomorrow", ("ada", "tutor", "Eva Klein")),
        ("I asked my tutor, Eva Klein, for two more days, was that wrong?", ("ada", "tutor", "Eva Klein")),
        ("The lady in the blue hat is Eva Klein, she's the tutor of Kim Lee.", ("kim lee", "tutor", "Eva Klein")),
        ("please put Eva Klein down as my tutor, the other one left", ("ada", "tutor", "Eva Klein")),
    ],
)  # fmt: skip
def test_what_a_part_of_a_spoken_sentence_asserts_is_read(text, claim):
    assert claim in told(text)


@pytest.mark.parametrize(
    "text",
    [
        "If I win, my tutor is Eva Klein, and then I am happy.",
        "Unless it rains, my car is a Fiat, of course.",
        "Should I change, or is my tutor Eva Klein, who was nice?",
        "Is my tutor Eva Klein, or Tom Bird?",
        "My tutor is Eva Klein, I think.",
        "Maybe, my tutor is Eva Klein.",
        "I met Eva Klein, she's my tutor's wife.",
        "I was in room 101, because I was late.",
        "I ran in lane 4, because I was late.",
        "I used to have locker 18, so I know the place.",
        "I don't have locker 18, because it broke.",
        "It isn't Eva Klein who is my tutor, so ask.",
        "They offered me a new bay, A14, and I said no.",
        "I want to see Eva Klein, my tutor's friend, because of the noise.",
        "I'm not with Eva Klein, she's my tutor's sister.",
        "Don't put 555-0101 down as my number, it's wrong.",
        "Let's say, hypothetically, that my tutor is Eva Klein, then what.",
        "Last Friday, my tutor and I talked, because he asked.",
    ],
)
def test_what_is_asked_denied_guessed_wanted_or_over_is_not_read(text):
    assert told(text) == []


def test_what_somebody_else_has_is_not_the_speakers():
    assert told("My sister has moved to another tutor, Tom Bird, because she was bored.") == []
    assert told("She lives in Rome, so my sister has locker 5.") == [("ada's sister", "locker", "5")]


def test_words_about_a_value_that_is_over_leave_the_one_that_holds():
    assert told("I had locker 18, now I have locker 20.") == [("ada", "locker", "20")]


def test_words_that_are_no_names_are_no_subjects():
    assert told("the courier wants a phone number, mine is 555-0101, and tell them the bell is broken") == []
    assert told("turns out Kim Lee changed jobs and works at Globex now, lol") == [("kim lee", "employer", "Globex")]
    subjects = {
        one.subject for one in read("Total budget is 72,000 euros, travel is apart", NOW, speaker="Ada").readings
    }
    assert "total" not in subjects


def test_what_is_read_as_a_whole_is_not_cut():
    assert told("I live in Oslo, so my tutor, Eva Klein, comes by train.") == [("ada", "home", "Oslo")]


def test_a_club_with_an_article_is_a_value_and_can_be_asked_for():
    assert told("My rowing club is the Early Larks, they meet on Mondays.") == [
        ("ada", "rowing club", "the Early Larks")
    ]
    assert "ada/rowing club" in asked_keys("Which rowing club is Ada in?")


@pytest.mark.parametrize(
    "unit", ["my new locker, ", "and so I have ", "A B, ", "the the ", "Eva Klein, that's ", "((", "aa "]
)
def test_long_sentences_take_time_in_proportion(unit):
    began = time.process_time()
    for _ in range(3):
        parts_of((unit * 600)[:600], speaker=True)
        parts_of((unit * 600)[:100_000], speaker=True)
    assert time.process_time() - began < 30
