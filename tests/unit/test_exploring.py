"""Property tests try the same examples each time, unless they explore."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.internal.conjecture import providers

from support import exploring

explores = pytest.mark.skipif(exploring.TIMES > 0, reason="what is shown holds for the suite alone")


def _drawn(test) -> list[tuple[int, str]]:
    seen: list[tuple[int, str]] = []

    @test
    @given(st.integers(), st.text())
    def tried(number, text):
        seen.append((number, text))

    tried()
    return seen


@explores
def test_examples_are_the_same_each_time():
    assert _drawn(settings()) == _drawn(settings())


@explores
def test_no_constant_of_the_code_is_drawn():
    assert not providers._get_local_constants().set_for_type("integer")
    assert not providers._get_local_constants().set_for_type("string")


@pytest.mark.parametrize("times", [0, 1, 5])
def test_a_number_of_its_own_is_multiplied(times):
    tries = 0

    @settings(max_examples=7)
    @given(st.integers())
    def tried(number):
        nonlocal tries
        tries += 1

    exploring.extend(tried, times=times)
    tried()
    assert tries == 7 * max(times, 1)
