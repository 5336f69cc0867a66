"""Which words carry a mark, and that a mark changes nothing else."""

from __future__ import annotations

import re
from collections import Counter
from pydoc_data import topics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memporium_platform.tracing.carriers import carriers, forms
from memporium_platform.tracing.guards import NEGATIONS
from memporium_platform.tracing.slots import context_of, marked, slots_of
from memporium_platform.tracing.tokens import readable, tokens
from support.leaks import with_invisible, without_case_and_punctuation

TEXTS = [part for topic in list(topics.topics.values())[:40] for part in topic.split("\n\n")]
TALK = [
    "Hey Ana! I'm glad you made it. We've got three kids and a dog; they're awesome.",
    "I bought a lot of stuff on 12 May 2023, because the store was open until 9 pm.",
    "Thanks for the photo! I think we should talk about the movie, maybe tomorrow.",
    "I hope that they will buy a new bike. It is really nice that everyone likes my favorite color.",
    "I can't believe he didn't buy it; nobody really likes it, and I don't think we need a lot of them.",
]
DIGITS = {"two": "2", "three": "3", "four": "4", "five": "5", "six": "6", "seven": "7", "eight": "8", "nine": "9"}
DIGITS |= {"ten": "10", "eleven": "11", "twelve": "12"}


def flipped(text):
    slots = slots_of(text)[1]
    other = {slot.context: 1 - slot.variant for slot in slots}
    return marked(text, slots, other.__getitem__)


def values(text):
    """Return every number in a text, whatever its form."""
    return Counter(
        DIGITS.get(token.text, token.text)
        for token in tokens(text)
        if re.search(r"\d", token.text) or token.text in DIGITS
    )


def negations(text):
    return Counter(token.text for token in tokens(text) if token.text in NEGATIONS)


@pytest.mark.parametrize(
    ("text", "other"),
    [
        ("Maybe we should try to do it.", "Perhaps we should attempt to do it."),
        ("I'm glad you came.", "I am happy you came."),
        ("I know we will win", "I know that we'll win"),
        ("Here's a photo.", "Here is a photo."),
        ("They are going home", "They're going home"),
        ("We have been there for 3 years.", "We've been there for three years."),
        ("It was on 12 May 2023, in Rome.", "It was on May 12, 2023, in Rome."),
        ("See if the object is given.", "See whether the object is specified."),
        ("an awesome idea", "an amazing idea"),
        ("all the time and these days", "constantly and nowadays"),
    ],
)
def test_a_carrier_says_the_same_in_other_words(text, other):
    assert flipped(text) == other
    assert flipped(other).lower() == text.lower()


@pytest.mark.parametrize(
    "text",
    [
        "I don't really like it.",
        "Nobody bought a lot of it.",
        "The band Maybe Perhaps are from Wow Hey.",
        "It weighs 3 kg and costs $3 at 3 pm.",
        "version 3 of chapter 4, Python 3 and 2.5 of 7",
        "the `maybe` of >>> maybe(thanks)",
        "x = maybe_thanks + thanks.often",
        'the word "thanks" and the "while" loop',
        "Who you are and what I am.",
        "It's been done.",
        "a kind of unique lovely",
        "I knew the others",
        "MAYBE WOW",
        "an hour a day, for instance variables",
    ],
)
def test_names_negations_values_units_code_and_quotes_stay(text):
    assert flipped(text).replace("sort of", "kind of").replace("beautiful", "lovely") == text


@pytest.mark.parametrize("text", [*TALK, *TEXTS], ids=lambda text: text[:12])
def test_marks_touch_no_value_name_or_negation_and_keep_the_slots(text):
    items, slots = slots_of(text)
    other = flipped(text)
    assert values(other) == values(text)
    assert negations(other) == negations(text)
    named = re.compile(r"(?<=[a-z,;] )[A-Z]\w*")
    months = {"May", "March", "April"}
    assert [n for n in named.findall(other) if n not in months] == [n for n in named.findall(text) if n not in months]
    # The copy is read as the same sequence, only its variants differ.
    again = carriers(other)[1]
    assert [item.key for item in again] == [item.key for item in items]
    for slot in slots:
        assert again[slot.index].variant == 1 - items[slot.index].variant


def test_slots_are_found_without_case_punctuation_and_visible_tricks(tmp_path):
    from support.leaks import generator

    for text in TALK:
        items = carriers(text)[1]
        for changed in (without_case_and_punctuation(text), text.upper(), with_invisible(text, generator(1))):
            assert [item.key for item in carriers(readable(changed))[1]] == [item.key for item in items]


def test_a_slot_is_known_by_what_stands_around_it_and_not_by_its_place():
    text = "I met the kids at the lake and we had a really good time there."
    items, slots = slots_of(text)
    more, later = slots_of(f"Yesterday was fine for us all. {text} It was late.")
    assert {slot.context for slot in slots} <= {slot.context for slot in later} | {context_of(items, 3)}
    assert len(more) > len(items)


def test_every_form_of_the_rules_is_one_word_of_one_class():
    # forms() itself refuses a form of two rules.
    assert len(forms()) > 250
    assert not any(set(words) & NEGATIONS for words in forms())


@given(st.text(alphabet=st.sampled_from("aA'.,!\n 12thanks maybe I am we 've May \u200b\u2019"), max_size=80))
def test_any_text_can_be_marked_and_read(text):
    items, slots = slots_of(text)
    assert marked(text, slots, {slot.context: slot.variant for slot in slots}.__getitem__) == text
    assert all(item.start <= item.end for item in items)
    flipped(text)


@pytest.mark.parametrize("between", [" - ", " (", "/", " \u2014 ", ") ", ' "'])
def test_a_month_and_a_number_with_more_than_a_blank_between_are_no_date(between):
    _, slots = slots_of(f"She told us that it came out in May{between}5 of them went to Oslo with her.")
    assert not [slot for slot in slots if "May" in slot.other]
