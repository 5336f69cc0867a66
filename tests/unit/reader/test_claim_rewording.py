"""Sentences that say something in a roundabout way are read as those that say it plainly."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from memporium_services.reader.domain.claim_kinds import KINDS
from memporium_services.reader.domain.claim_meaning import Bank, prototypes
from memporium_services.reader.domain.claim_prototypes import NAME, PROTOTYPES, STAND_INS
from memporium_services.reader.domain.claim_questions import asked_keys
from memporium_services.reader.domain.claim_shapes import Reading, readings_of
from memporium_services.reader.domain.claims import Claim, claims_of
from memporium_services.reader.domain.rewording import answered, plainly

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)


def told(text):
    return [(one.subject, one.attribute, one.value) for one in claims_of(text, NOW, speaker="Ada", listener="")]


@pytest.mark.parametrize(
    ("text", "attribute", "value"),
    [
        ("I changed barbers, it is Eva Klein now.", "barber", "Eva Klein"),
        ("I reset the safe code, it's 4711 now.", "safe code", "4711"),
        ("I've moved jobs, it's Cybertech now.", "employer", "Cybertech"),
        ("Moved to Ghent last month.", "home", "Ghent"),
        ("Since the reshuffle my boss is Eva Klein.", "manager", "Eva Klein"),
        ("My cell's 555-0199.", "phone", "555-0199"),
        ("My favourite dish? It has to be ramen.", "favourite dish", "ramen"),
        ("If I could only eat one dish, it would be ramen.", "favourite dish", "ramen"),
        ("I think my favourite dish is ramen.", "favourite dish", "ramen"),
        ("My favourite food is ramen.", "favourite dish", "ramen"),
        ("Home is Lyon, so mornings are quiet.", "home", "Lyon"),
        ("The boxes are unpacked and Bonn is home now.", "home", "Bonn"),
        ("The family car is a Volvo.", "car", "Volvo"),
        ("I drive an old Volvo.", "car", "Volvo"),
        ("To get in, use this, and my gate code is 1234.", "gate code", "1234"),
        ("My team's manager is Eva Klein.", "manager", "Eva Klein"),
        ("I have a new manager now, Eva Klein.", "manager", "Eva Klein"),
        ("I've worked at Globex since college.", "employer", "Globex"),
        ("My company is called Globex.", "employer", "Globex"),
        ("The gym I go to is Bodyline.", "gym", "Bodyline"),
        ("I take the dog to Eva Klein, our vet.", "vet", "Eva Klein"),
        ("New job: I'm a nurse.", "job", "nurse"),
        ("My bus is number 22.", "bus", "22"),
        ("They moved me to seat B15.", "seat", "B15"),
        ("My usual coffee order is iced latte.", "coffee order", "iced latte"),
    ],
)
def test_what_the_speaker_says_in_other_words_is_read(text, attribute, value):
    assert ("ada", attribute, value) in told(text)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Update on Ann Lee: the new home is in Cork.", ("ann lee", "home", "Cork")),
        ("Ann Lee has piano lessons, the piano teacher is Eva Klein.", ("ann lee", "piano teacher", "Eva Klein")),
        ("Ann Lee switched dentists to Eva Klein.", ("ann lee", "dentist", "Eva Klein")),
        ("Project Indigo 5 got more time, it is now due 3 May 2027.", ("project indigo 5", "deadline", "3 May 2027")),
        ("Project Indigo 5 has had its budget cut to 9,000 euros.", ("project indigo 5", "budget", "9,000 euros")),
    ],
)
def test_what_is_said_of_another_is_read(text, found):
    assert found in told(text)


@pytest.mark.parametrize(
    "text",
    [
        "I would be a nurse.",
        "If I had one wish, it would be rain.",
        "My phone is an old thing.",
        "I took up work as a translator, they say.",
        "I discovered ramen and it's now my favourite dish.",
        "My favourite dish isn't what it was.",
        "I swapped seats, I'm in C51 now.",
        "Where I moved to? Ask Ben.",
        "I left the old club and am with the Early Larks now.",
        "Yes, I'm the only driver.",
        "The lady in the blue hat is Eva Klein, she's the aunt of Tom Bird.",
        "The old bedtime wasn't working for me any more, it's 9:49 pm these days.",
    ],
)
def test_what_holds_no_value_is_not_read_as_one(text):
    wrong = {"job", "phone", "favourite dish", "home", "favourite wish", "hobby", "employer", "blue hat is"}
    assert [one for one in told(text) if one[1] in wrong or one[0] == "the"] == []


def test_an_answer_joins_its_question_and_no_other():
    assert list(answered(["My job?", "It's nurse."])) == ["My job?", "My job is nurse."]
    assert list(answered(["My job?", "Nobody ever asked me that before."])) == [
        "My job?",
        "Nobody ever asked me that before.",
    ]
    assert plainly("Ann Lee says the best dish is ramen.", speaker=False) == "The best dish is ramen, for Ann Lee."
    assert (
        plainly("Of all the dishes I know, I like ramen best.", speaker=True) == "I like ramen best of all the dishes."
    )


def test_a_question_also_asks_for_what_is_told_in_fewer_words():
    assert asked_keys("What is Ann Lee's favourite dish?") == ("ann lee/favourite dish", "ann lee/favourite")
    assert asked_keys("Which parking bay does Ann Lee have?")[:2] == ("ann lee/parking bay", "ann lee/bay")
    assert asked_keys("Where does Ann Lee live?") == ("ann lee/home",)


def test_the_words_that_may_be_liked_are_found_behind_a_preposition():
    found = list(readings_of("For Ann Lee there is no better dish than ramen"))
    assert ("Ann Lee", "taste", "ramen") in [(one.subject, one.shape, one.value) for one in found]


def rows_at(place, size=64):
    row = np.zeros(size, np.float32)
    row[place] = 1
    return row


class TestKinds:
    """A bank whose prototypes are one direction an attribute, and whose names one a kind."""

    @pytest.fixture(scope="class")
    def bank(self):
        names = [name for some in PROTOTYPES.values() for name, said in some.items() for _ in said]
        names += [f"kind {kind}" for kind, some in KINDS.items() for _ in some]
        self.places = {name: place for place, name in enumerate(dict.fromkeys(names))}
        type(self).known = self.places
        assert len(names) == len(prototypes())
        return Bank(np.stack([rows_at(self.places[name]) for name in names]))

    def meant(self, bank, attribute, kind, value="Tamworth"):
        reading = Reading(f"{NAME} is in {STAND_INS['proper']}.", "proper", "ann lee", value, named=True)
        rows = {
            reading.masked: 0.8 * rows_at(self.known[attribute]) + 0.6 * rows_at(60),
            reading.value: rows_at(self.known[f"kind {kind}"]),
            reading.subject: rows_at(self.known["kind person"]),
        }
        return [one.attribute for one in bank.claims([reading], rows)]

    def test_a_name_of_the_kind_is_a_value(self, bank):
        assert self.meant(bank, "home", "place") == ["home"]
        assert self.meant(bank, "employer", "company") == ["employer"]

    def test_a_name_of_another_kind_is_none(self, bank):
        assert self.meant(bank, "home", "other") == []
        assert self.meant(bank, "home", "company") == []

    def test_a_code_is_no_place(self, bank):
        assert self.meant(bank, "home", "place", value="C51") == []

    def test_what_the_speaker_has_to_spend_is_no_budget_of_theirs(self, bank):
        spent = Reading(f"{NAME} has {STAND_INS['money']}.", "money", "ada", "5,000 euros")
        rows = {spent.masked: rows_at(self.known["budget"])}
        assert bank.claims([spent], rows) == []
        assert bank.claims([replace(spent, named=True)], rows) == [Claim("ada", "budget", "5,000 euros")]

    def test_what_tells_nothing_lasting_is_no_claim(self, bank):
        assert self.meant(bank, "", "place") == []
