"""Whose statement goes before whose, where none is read as a claim."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memporium_services.reader.domain.candidates import Candidate
from memporium_services.reader.domain.caution import Told, cautious, may_be_first, newness, tells_other
from memporium_services.reader.domain.claims import Claim

USER, TOOL = 0.9, 0.5


def test_a_more_trusted_source_goes_before_one_that_fits_a_little_better():
    about = {0: Told(1.3, TOOL, 1.0), 2: Told(1.1, USER, 0.0)}
    assert cautious([0, 1, 2], about) == [2, 1, 0]


def test_but_not_before_one_that_fits_far_better():
    about = {0: Told(1.6, TOOL, 1.0), 2: Told(1.1, USER, 0.0)}
    assert cautious([0, 1, 2], about) == [0, 1, 2]


def test_of_equal_trust_the_newer_has_a_small_advantage():
    about = {0: Told(1.05, USER, 0.0), 1: Told(1.0, USER, 1.0)}
    assert cautious([0, 1], about) == [1, 0]
    assert cautious([0, 1], {0: Told(1.2, USER, 0.0), 1: Told(1.0, USER, 1.0)}) == [0, 1]


def test_a_claim_is_not_put_before_a_more_trusted_statement_that_fits_about_as_well():
    assert not may_be_first(TOOL, 1.0, {0: Told(0.9, USER, 0.0)})
    assert may_be_first(TOOL, 1.0, {0: Told(0.6, USER, 0.0)})
    assert may_be_first(USER, 0.0, {0: Told(0.9, USER, 1.0)})


def test_newness_lies_between_the_oldest_and_the_newest():
    assert newness({1: 10.0, 2: 30.0, 3: 20.0}) == {1: 0.0, 2: 1.0, 3: 0.5}
    assert newness({1: 10.0}) == {1: 0.0}
    assert newness({}) == {}


_TOLD = st.builds(Told, st.floats(0, 2), st.floats(0, 1), st.floats(0, 1))


@given(st.permutations(range(8)), st.dictionaries(st.integers(0, 7), _TOLD))
def test_the_others_keep_their_places(order, about):
    found = cautious(order, about)
    assert sorted(found) == sorted(order)
    assert all(one == other for one, other in zip(order, found, strict=True) if one not in about)


@pytest.mark.parametrize(
    ("claims", "text", "other"),
    [
        (("phone",), "Ada: My phone number is 555-0101.", True),
        (("hobby", "email"), "Ada: I play chess, mail me at a@b.example.", True),
        # Words for one attribute are easily read as those for another, where the value does not tell.
        (("employer",), "Ada: I work for Ben Stone.", False),
        (("phone", "employer"), "Ada: Call me at Acme, 555-0101.", False),
        (("job",), "Ada: I'm a nurse.", False),
        ((), "Ada: I sell bread.", False),
        (("phone",), f"Ada: {'I have so much to tell you about my new work. ' * 3} Call 555-0101.", False),
    ],
)
def test_what_tells_of_something_else_stands_in_no_claims_way(claims, text, other):
    told = tuple(Claim("ada", attribute, "x") for attribute in claims)
    assert tells_other(Candidate("c", 0, text, speaker="Ada", claims=told), {"ada/job"}) is other
