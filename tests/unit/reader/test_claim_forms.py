"""Forms of sentences that name an attribute, coordinate two statements, or say in passing who somebody is."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from memporium_services.reader.domain.claim_questions import asked_keys
from memporium_services.reader.domain.claims import claims_of
from memporium_services.reader.domain.clauses import shared_parts

NOW = datetime(2026, 2, 3, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "subject", "attribute", "value"),
    [
        ("My number one dish is paella.", "ada", "favourite dish", "paella"),
        ("My favourite dish turned out to be paella.", "ada", "favourite dish", "paella"),
        ("Ben considers paella the best dish.", "ben", "favourite dish", "paella"),
        ("I sold the flat and now live in Cork.", "ada", "home", "Cork"),
        ("Ben quit and works at Globex now.", "ben", "employer", "Globex"),
        ("Ben sold the house; he lives in Cork now.", "ben", "home", "Cork"),
        ("I work for Carol Danvers, my boss.", "ada", "manager", "Carol Danvers"),
        ("Carol has become the manager of Ben.", "ben", "manager", "Carol"),
        ("Initech has just hired Ben.", "ben", "employer", "Initech"),
        ("Ben (based in Cork) sends regards.", "ben", "home", "Cork"),
        ("Ben is a trained carpenter and works as one.", "ben", "job", "carpenter"),
        ("Bedtime for me is 10:30 pm.", "ada", "bedtime", "10:30 pm"),
        ("I go to bed at 10:30 pm.", "ada", "bedtime", "10:30 pm"),
        ("My locker number is 17.", "ada", "locker", "17"),
        ("They gave me locker 17.", "ada", "locker", "17"),
        ("Locker 17 belongs to Ben.", "ben", "locker", "17"),
        ("Ben has chosen Carol Danvers as his tutor.", "ben", "tutor", "Carol Danvers"),
        ("Ben writes a thesis about coral reefs.", "ben", "thesis topic", "coral reefs"),
        ("The delivery date of Project Zephyr is 3 May.", "project zephyr", "deadline", "3 May"),
        ("Ben has the address ben@mail.example.", "ben", "email", "ben@mail.example"),
        ("I catch the 8:15 train to work.", "ada", "time of train work", "8:15"),
    ],
)
def test_forms_are_read(text, subject, attribute, value):
    found = [(one.subject, one.attribute, one.value) for one in claims_of(text, NOW, speaker="Ada")]
    assert (subject, attribute, value) in found


@pytest.mark.parametrize(
    "text",
    [
        "Ben took the bus as a joke.",
        "My lucky number is a secret.",
        "The view for me is wonderful.",
        "I had Rex as a puppy and loved him.",
    ],
)
def test_what_only_sounds_alike_claims_nothing_that_could_be_replaced(text):
    found = claims_of(text, NOW, speaker="Ada")
    assert not [one for one in found if not one.several and not one.attribute.startswith("feeling about ")]


def test_who_works_for_somebody_named_as_the_boss_has_no_such_employer():
    found = claims_of("I work for Carol Danvers, my boss.", NOW, speaker="Ada")
    assert [one.attribute for one in found] == ["manager"]


def test_questions_and_statements_mean_the_same_habit():
    assert "ada/bedtime" in asked_keys("When does Ada go to bed?")
    assert "ada/time of train work" in asked_keys("Which train does Ada take to work?")
    assert asked_keys("Which parking bay does Ada have?")[0] == "ada/parking bay"


def test_only_clauses_of_one_with_two_verbs_are_shared():
    assert shared_parts("Ben Stone quit and works at Acme") == ("Ben Stone quit", "Ben Stone works at Acme")
    assert shared_parts("Ben likes tea and coffee") == ("Ben likes tea and coffee",)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Ben lives in Cork.", "A new flat in Cork is where Ben lives now."),
        ("Ben lives in Cork.", "Ben has lived in Cork for a good while."),
        ("Ben works for Globex.", "Ben's job is at Globex."),
    ],
)
def test_what_is_said_in_other_words_is_the_same(one, other):
    first, second = (claims_of(text, NOW)[0] for text in (one, other))
    assert (first.key, first.value) == (second.key, second.value)
