"""From text to terms: what is found alike must be analysed alike."""

from __future__ import annotations

import pytest
import snowballstemmer
from hypothesis import assume, example, given
from hypothesis import strategies as st
from snowballstemmer.english_stemmer import EnglishStemmer

from memporium_services.vault.domain.passages import MAX_CHARS, passages
from memporium_services.vault.domain.simhash import BANDS, BITS, MAX_DISTANCE, MIN_TERMS, bands, distance, simhash
from memporium_services.vault.domain.text import terms_of


@pytest.mark.parametrize(
    ("text", "language", "terms"),
    [
        ("The runners were running", "", ["runner", "run"]),
        ("running", "en-GB", ["run"]),
        ("It's Anna's dog", "", ["anna", "dog"]),
        ("Anna\u2019s dog", "", ["anna", "dog"]),
        ("Kinder spielen", "de", ["kind", "spiel"]),
        ("spielen", "tlh", ["spielen"]),
        ("\uff28\uff45\uff4c\uff4c\uff4f", "", ["hello"]),
        ("he\u200bllo", "", ["hello"]),
        ("STRASSE stra\u00dfe", "de", ["strass", "strass"]),
        ("room 12b, 2nd floor", "", ["room", "12b", "2nd", "floor"]),
        ("\u6771\u4eac\u90fd", "ja", ["\u6771\u4eac", "\u4eac\u90fd"]),
        ("\u732b", "", ["\u732b"]),
        ("snake_case", "", ["snake", "case"]),
        ("the of and", "", []),
        ("", "", []),
        ("!?", "", []),
    ],
)
def test_terms(text: str, language: str, terms: list[str]) -> None:
    assert terms_of(text, language) == terms


@given(st.text(max_size=200))
@example("\u0390")
def test_case_and_width_do_not_matter(text: str) -> None:
    # Some letters share their capital with another letter, as the dotless i of Turkish does with i.
    assume(text.upper().casefold() == text.casefold())
    assert terms_of(text) == terms_of(text.upper())
    assert all(0 < len(term) <= 64 for term in terms_of(text))


@given(st.text(alphabet="ab \n.!?xyz\u3002", max_size=4000))
def test_passages_hold_every_word_in_order(text: str) -> None:
    found = passages(text)
    assert "".join("".join(found).split()) == "".join(text.split())
    assert all(piece.strip() and len(piece) <= MAX_CHARS for piece in found)


def test_a_letter_with_two_marks_stays_in_its_word() -> None:
    assert terms_of("\u03c0\u03c1\u03bf\u0390\u03ba\u03b1", "el") == terms_of(
        "\u03c0\u03c1\u03bf\u03b9\u0308\u0301\u03ba\u03b1", "el"
    )
    assert len(terms_of("\u03c0\u03c1\u03bf\u0390\u03ba\u03b1", "el")) == 1


def test_paragraphs_stay_whole_and_short_ones_are_joined() -> None:
    assert passages("one\n\ntwo\n \nthree") == ["one\n\ntwo\n\nthree"]
    long = "word " * 150
    assert passages(f"{long}\n\n{long}") == [long.strip(), long.strip()]
    assert passages(" \n\n ") == []


@given(st.integers(0, (1 << BITS) - 1), st.sets(st.integers(0, BITS - 1), max_size=MAX_DISTANCE))
def test_hashes_that_are_near_share_a_band(value: int, flipped: set[int]) -> None:
    other = value
    for bit in flipped:
        other ^= 1 << bit
    assert distance(value, other) == len(flipped)
    assert len(bands(value)) == BANDS
    assert any(a == b for a, b in zip(bands(value), bands(other), strict=True))


def test_like_texts_have_like_hashes_and_short_ones_none() -> None:
    text = [f"word{number}" for number in range(200)]
    near = distance(simhash(text), simhash([*text[:-1], "other"]))
    far = distance(simhash(text), simhash([f"else{number}" for number in range(200)]))
    assert near < 8 < far
    assert simhash(text[: MIN_TERMS - 1]) == 0
    assert simhash(text) == simhash(list(text)) != 0


def test_the_fast_stemmer_gives_the_stems_of_the_slow_one():
    fast, slow = snowballstemmer.stemmer("english"), EnglishStemmer()
    assert type(fast).__module__ == "Stemmer"
    endings = (
        "",
        "s",
        "es",
        "ed",
        "ing",
        "ly",
        "ness",
        "ational",
        "izer",
        "iveness",
        "'s",
        "ies",
        "eed",
        "ogi",
        "less",
    )
    for base in ("relate", "happy", "gener", "ski", "dying", "proceed", "bridge", "univers", "commun", "naïv"):
        for ending in endings:
            assert fast.stemWord(base + ending) == slow.stemWord(base + ending)
