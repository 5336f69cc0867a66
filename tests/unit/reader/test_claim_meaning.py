"""What statements assert by their meaning, and of attributes that no list names."""

from __future__ import annotations

import re
from collections import Counter
from datetime import UTC, datetime
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memporium_platform.errors import PlatformError, Reason
from memporium_services.reader.app.understanding import Understanding
from memporium_services.reader.domain.claim_meaning import Bank, prototypes, texts_of
from memporium_services.reader.domain.claim_prototypes import STAND_INS
from memporium_services.reader.domain.claims import MOST, read
from memporium_services.reader.domain.documents import PLAIN, Source
from memporium_services.reader.domain.documents import read as read_document

NOW = datetime(2024, 6, 10, 12, tzinfo=UTC)
_PLACES: dict[str, int] = {}


def embed(texts):
    """Return counts of words and pairs of words, at unit length: near is what says the same in the same words."""
    rows = np.zeros((len(texts), 4_096), np.float32)
    for place, text in enumerate(texts):
        words = re.findall(r"[\w@.]+", text.rstrip(".").lower())
        for word, count in Counter([*words, *map(" ".join, pairwise(words))]).items():
            rows[place, _PLACES.setdefault(word, len(_PLACES) % 4_096)] += count
        rows[place] /= np.linalg.norm(rows[place]) or 1
    return rows


BANK = Bank(embed(prototypes()))


def slots(text):
    return [(one.subject, one.attribute, one.value) for one in read(text, NOW, speaker="Ada", listener="Ben").claims]


def meant(text):
    readings = read(text, NOW, speaker="Ada", listener="Ben").readings
    texts = [text for one in readings for text in texts_of(one)]
    found = BANK.claims(readings, dict(zip(texts, embed(texts), strict=True)))
    return [(one.subject, one.attribute, one.value) for one in found]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("My tax adviser is Eva Klein.", ("ada", "tax adviser", "Eva Klein")),
        ("My tax adviser is now Tom Bird.", ("ada", "tax adviser", "Tom Bird")),
        ("The tax adviser of Kim Lee is Tom Bird.", ("kim lee", "tax adviser", "Tom Bird")),
        ("The code of my bike lock is 4711.", ("ada", "bike lock code", "4711")),
        ("I changed the code of my bike lock to 1234.", ("ada", "bike lock code", "1234")),
        ("My research subject is soil erosion.", ("ada", "research subject", "soil erosion")),
        ("I have a new hairdresser, Paula.", ("ada", "hairdresser", "Paula")),
        ("Paula is my hairdresser.", ("ada", "hairdresser", "Paula")),
        ("The cake I like best is apple pie.", ("ada", "favourite cake", "apple pie")),
        ("My bus leaves at 7:10.", ("ada", "time of bus leav", "7:10")),
        ("Kim Lee swims 40 laps every morning.", ("kim lee", "number of lap swim", "40")),
        ("Scratch that, I live in Turin.", ("ada", "home", "Turin")),
        ("No, actually, I work at Initech.", ("ada", "employer", "Initech")),
        ("Kim Lee lives in Rome. She works at Acme. Her boss is Tom Bird.", ("kim lee", "employer", "Acme")),
        ("Kim Lee lives in Rome. She works at Acme. Her boss is Tom Bird.", ("kim lee", "manager", "Tom Bird")),
        ("Kim Lee, as you know, lives in Rome.", ("kim lee", "home", "Rome")),
        ("I live in Rome with my two cats.", ("ada", "home", "Rome")),
        ("I was given a new desk, number 42.", ("ada", "desk", "42")),
        ("My old car broke down, my new car is a Volvo.", ("ada", "car", "Volvo")),
        ("After the summer Kim Lee works for Initech.", ("kim lee", "employer", "Initech")),
        ("My boss's name is Tom Bird.", ("ada", "manager", "Tom Bird")),
        ("Project Apollo has been postponed to 9 June 2026.", ("project apollo", "deadline", "9 June 2026")),
    ],
)
def test_what_no_list_names_is_read(text, found):
    assert found in slots(text)


@pytest.mark.parametrize(
    "text",
    [
        "My garden is beautiful in summer.",
        "My bike is broken.",
        "My sister is pregnant.",
        "My weekend was great.",
        "My hairdresser moved to Rome.",
        "My plans are Rome and Paris.",
        "I ran 5 km yesterday.",
        "I read 3 books last month.",
        "I have 3 meetings.",
        "Is my tax adviser Eva Klein?",
        "Maybe my tax adviser is Eva Klein.",
        "She works at Acme.",
        "Look at that! She works at Acme.",
    ],
)
def test_how_things_are_is_no_value(text):
    assert slots(text) == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Our apartment is in Lyon, with a garden.", ("ada", "home", "Lyon")),
        ("I was recruited by Globex.", ("ada", "employer", "Globex")),
        ("Kim Lee was recruited by Globex.", ("kim lee", "employer", "Globex")),
        ("Tom Bird supervises me.", ("ada", "manager", "Tom Bird")),
        ("Tom Bird supervises Kim Lee.", ("kim lee", "manager", "Tom Bird")),
        ("Kim Lee does the work of a data analyst.", ("kim lee", "job", "data analyst")),
        ("Dial 555-01234 for Kim Lee.", ("kim lee", "phone", "555-01234")),
        ("I read mail at ada@x.example.", ("ada", "email", "ada@x.example")),
        ("Project Apollo needs to be handed in by 9 June 2026.", ("project apollo", "deadline", "9 June 2026")),
        ("If anything is unclear, dial 555-01234.", ("ada", "phone", "555-01234")),
        ("Kim Lee likes goulash more than any other soup.", ("kim lee", "favourite soup", "goulash")),
        ("They gave Project Apollo 40,000 euros.", ("project apollo", "budget", "40,000 euros")),
    ],
)
def test_what_no_rule_reads_is_read_by_what_it_means(text, found):
    assert found in [*slots(text), *meant(text)]


@pytest.mark.parametrize(
    "text",
    [
        "I visited Lyon.",
        "I met Tom Bird.",
        "I was not recruited by Globex.",
        "Kim says Tom Bird supervises me.",
        "Tom Bird used to supervise me.",
        "I talked to a data analyst.",
        "My adviser was recruited by Globex.",
        "My cousin's friend was recruited by Globex.",
        "Hiking is home to me, Ben.",
        "Tom Bird, Kim Lee and Eva Klein work together.",
        "Tom Bird's plumber is Kim Lee.",
        "Kim Lee is my adviser.",
        "Kim Lee is away; dial 555-01234 instead.",
        "One of my favourite soups is goulash.",
        "Tom Bird supervises Chicago.",
    ],
)
def test_what_tells_nothing_lasting_of_the_subject_is_left(text):
    assert meant(text) == []


def test_a_clause_is_read_once_with_the_subject_that_fits_better():
    assert meant("Globex employs Kim Lee.") == [("kim lee", "employer", "Globex")]
    assert meant("Kim Lee was recruited by Globex.") == [("kim lee", "employer", "Globex")]


class Model:
    """An embedder; `fails`: it is not there."""

    def __init__(self, *, fails=False, hashing=False):
        self.fails, self.hashing, self.asked = fails, hashing, []

    async def tells_meaning(self, parent):
        return not self.hashing

    async def embed(self, model, texts):
        self.asked.append(list(texts))
        if self.fails:
            raise PlatformError(Reason.MODEL_UNAVAILABLE, "is not there")
        return embed(texts)


async def claims_by(model):
    text = "Kim Lee was recruited by Globex. Eva Klein was recruited by Globex."
    episodes = read_document(Source("notes.txt", "", text, PLAIN, NOW))
    told = await Understanding(model).understood("orgs/acme/vaults/notes", episodes)
    assert [one.cube_id for one in told] == [one.cube_id for one in episodes]
    return {(one.subject, one.value) for one in told[0].facts[0].claims}


async def test_claims_by_meaning_join_those_by_rules_and_change_no_name():
    model = Model()
    assert await claims_by(model) == {("kim lee", "Globex"), ("eva klein", "Globex")}
    assert model.asked[0] == prototypes()
    assert len(model.asked[1]) == len(set(model.asked[1]))


@pytest.mark.parametrize("model", [Model(fails=True), Model(hashing=True)])
async def test_without_a_model_rules_alone_read(model):
    assert await claims_by(model) == set()


_WORDS = ["I", "my", "Kim", "Lee", "is", "the", "boss", "of", "Acme", "5", "May", "9", "euros"]


_WORDS = ["I", "my", "Kim", "Lee", "is", "the", "boss", "of", "Acme", "5", "May", "9", "euros"]


@settings(deadline=None)
@given(st.text(max_size=200) | st.lists(st.sampled_from(_WORDS)).map(" ".join))
def test_any_text_is_read(text):
    told = read(text, NOW, speaker="Ada", listener="Ben")
    assert len(told.claims) <= MOST
    assert len(told.readings) <= MOST
    for one in told.readings:
        assert one.subject
        assert one.value
        assert one.shape in STAND_INS
