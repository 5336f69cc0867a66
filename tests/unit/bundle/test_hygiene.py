"""Characters that nobody sees."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memporium_platform.bundle.hygiene import visible


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("plain", "plain"),
        ("two\n\tlines\r\n", "two\n\tlines\r\n"),
        ("zero\u200bwidth\u2060joiner\ufeff", "zerowidthjoiner"),
        ("tags\U000e0049\U000e0047\U000e004e", "tags"),
        ("variation\ufe0f\U000e0101", "variation"),
        ("\u202ereversed\u2066", "reversed"),
        ("soft\u00adhyphen", "softhyphen"),
        ("nul\x00bell\x07escape\x1b", "nulbellescape"),
        ("Hangul\u3164\u115f filler", "Hangul filler"),
        ("naïve 日本語 Ωμέγα 😀", "naïve 日本語 Ωμέγα 😀"),
    ],
)
def test_hidden_characters_go_and_others_stay(text, clean):
    assert visible(text) == (clean, len(text) - len(clean))


@given(st.text(max_size=200))
def test_nothing_hidden_is_left_and_cleaning_again_changes_nothing(text):
    clean, removed = visible(text)
    assert removed == len(text) - len(clean)
    assert not any(unicodedata.category(char) == "Cf" for char in clean)
    assert visible(clean) == (clean, 0)
