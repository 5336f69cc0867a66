"""The canonical form: the same for what says the same, another for whatever differs in a fact."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memporium_services.vault.domain.canonical import canonical


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Ada moved to Oslo in May 2024.", "In May 2024, ada moved to  OSLO"),
        ("The deadline is 5 May 2026.", "deadline is May 5th, 2026!"),
        ("I don't eat three eggs", "I do not eat 3 eggs."),
        ("The price is $1,200", "price is $1200."),
        ("Please note that Ada's phone is 555-0101.", "Ada's telephone is 555-0101"),
        ("FYI: the favorite color is gray", "The favourite colour is grey."),
        ("\u00abOslo\u00bb is nice", 'oslo is "nice"'),
        ("It's not there", "It is not there"),
        ("WE HAVE A BUDGET OF A MILLION", "We Have A Budget Of A Million"),
        ("With A Budget", "with a budget"),
    ],
)
def test_the_writing_does_not_count(one, other):
    assert canonical(one) == canonical(other) != ""


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("The price is 3.5", "The price is 35"),
        ("It is -5 degrees", "It is 5 degrees"),
        ("Version 1.2.3 is out", "Version 1.2.4 is out"),
        ("Meet at 10:30", "Meet at 1030"),
        ("She likes C++", "She likes C"),
        ("He has a few friends", "He has few friends"),
        ("Plan A is ready", "The plan is ready"),
        ("Ada called Ben", "Ben called Ada"),
        ("It is done", "Is it done?"),
        ("She smokes", "She does not smoke"),
        ("50 % of them", "50 of them"),
        ("Ada lives in Oslo", "Ada lived in Oslo"),
        ("The deadline is 5 May 2026", "The deadline is 6 May 2026"),
        ("1,20 euros", "120 euros"),
    ],
)
def test_whatever_differs_in_a_fact_differs(one, other):
    assert canonical(one) != canonical(other)


@given(st.text())
def test_any_text_has_a_form_that_is_its_own_form_but_for_blanks(text):
    form = canonical(text)
    assert canonical(f"  {text}\n") == form


@given(st.integers(0, 10**9), st.integers(0, 10**9))
def test_other_numbers_are_another_form(one, other):
    assert (canonical(f"the code is {one}") == canonical(f"The code is {other:,}!")) == (one == other)
