"""A line of a context says nothing twice: tokens are for statements."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from memporium_services.reader.app.weighing import entry_of
from memporium_services.reader.domain.budget import Entry, compose, count_tokens
from memporium_services.reader.domain.candidates import Candidate

MONDAY = datetime(2023, 5, 8, 13, 56, tzinfo=UTC)
SAID = "Ada: I made a bowl yesterday. (8 May 2023; yesterday = 7 May 2023)"


def line_of(text, **more):
    one = Candidate(cube="orgs/a/vaults/v/cubes/m1", ordinal=0, text=text, source_time=MONDAY, **more)
    return compose([entry_of(one)], budget_tokens=500, limit=5).text.splitlines()[2]


def test_a_statement_that_tells_speaker_and_day_stands_alone():
    assert line_of(SAID, speaker="Ada", source="session_1", locator="D1:3") == f"[1] {SAID}"


def test_a_statement_that_lacks_the_day_gets_it():
    assert (
        line_of("Ada: I made a bowl.", speaker="Ada", source="s", locator="t") == "[1] (8 May 2023) Ada: I made a bowl."
    )


def test_a_passage_of_a_document_names_its_source():
    line = line_of("Descale it on Mondays.", source="kitchen.md", locator="Coffee")
    assert line == "[1] (kitchen.md Coffee; 8 May 2023) Descale it on Mondays."


def test_what_has_neither_source_nor_speaker_names_its_cube():
    assert line_of("A fact.").startswith("[1] (orgs/a/vaults/v/cubes/m1; 8 May 2023)")


def test_the_frame_of_a_dialogue_line_costs_no_more_than_its_number():
    assert count_tokens(line_of(SAID, speaker="Ada", source="session_1", locator="D1:3")) == count_tokens(SAID) + 3


def test_in_a_small_budget_two_short_entries_go_before_a_long_one_that_fits_a_little_better():
    best, short, other = Entry("Ben likes tea.", ""), Entry("The code is 4711.", ""), Entry("Ada lives in Oslo.", "")
    entries, worth = [best, Entry("word " * 300, ""), short, other], [1.4, 1.3, 1.2, 1.1]
    assert compose(entries, budget_tokens=420, limit=3, worth=worth).chosen == (0, 2, 3)
    assert compose(entries, budget_tokens=420, limit=3).chosen == (0, 1, 2)
    assert compose(entries, budget_tokens=4_000, limit=3, worth=worth).chosen == (0, 1, 2)
    assert compose(entries, budget_tokens=420, limit=3, worth=[2.6, 2.5, 1.2, 1.1]).chosen == (0, 1, 2)


def test_the_best_entry_is_there_however_long_beside_short_ones():
    entries = [Entry("word " * 300, ""), Entry("The code is 4711.", ""), Entry("Ada lives in Oslo.", "")]
    assert compose(entries, budget_tokens=400, limit=2, worth=[1.3, 1.2, 1.1]).chosen == (0, 1)


@given(
    st.lists(st.tuples(st.text(max_size=200), st.floats(0, 2)), max_size=20),
    st.integers(64, 2_000),
    st.integers(1, 200),
)
def test_a_budget_holds_whatever_is_chosen(told, budget, limit):
    told.sort(key=lambda one: -one[1])
    context = compose(
        [Entry(text, "s1 t1") for text, _ in told], budget_tokens=budget, limit=limit, worth=[one for _, one in told]
    )
    assert context.tokens <= budget
    assert list(context.chosen) == sorted(set(context.chosen))
    assert len(context.chosen) <= limit


def test_a_passage_that_begins_with_its_headings_names_the_file_alone():
    text = "Manual > Coffee\nDescale it on Mondays."
    line = line_of(text, source="kitchen.md", locator="Manual > Coffee#3")
    assert line == "[1] (kitchen.md; 8 May 2023) Manual > Coffee"
    line = line_of("note:7\nDescale it.", source="note:7", locator="note:7#0")
    assert line == "[1] (8 May 2023) note:7"


_LONG = "Manual > Pumps\n" + "The shift lead looks at it. " * 30 + "The limit is 175 units. " + "Then they tell. " * 30


def test_the_best_entry_alone_is_never_passed_over_but_cut_to_what_is_asked_about():
    entries = [Entry(_LONG, "manual.md", "From Acme"), Entry("Deploy on Fridays.", "notes")]
    context = compose(entries, budget_tokens=128, limit=5, asked=frozenset({"limit", "unit"}))
    assert context.chosen[0] == 0
    assert context.tokens <= 128
    assert "Manual > Pumps" in context.text
    assert "\u2026 The shift lead" in context.text
    assert "The limit is 175 units." in context.text
    assert "(From Acme)" in context.text
    # In a budget that it fits into it is whole, however long.
    assert _LONG.replace("\n", "\n    ") in compose(entries, budget_tokens=4_000, limit=5).text


@given(st.text(min_size=1, max_size=600), st.integers(64, 300), st.sets(st.sampled_from(["a", "limit", "x"])))
def test_a_best_entry_is_there_in_part_in_any_budget_with_room_for_some_words(text, budget, asked):
    context = compose([Entry(text, "s " * 30, "credit"), Entry("b", "")], budget_tokens=budget, limit=3, asked=asked)
    assert context.tokens <= budget
    if budget > 160 and text.split() and max(map(len, text.split())) < 20:
        assert context.chosen[0] == 0


def test_scripts_without_blanks_and_long_words_are_cut_too():
    for text, asked in (
        ("\u4f1a\u8b70\u5ba4\u306f\u4e09\u968e\u3067\u3059\u3002" * 40, ""),
        ("K\u00fcche " * 200, "k\u00fcch"),
    ):
        context = compose([Entry(text, "a")], budget_tokens=90, limit=3, asked=frozenset({asked}))
        assert 70 < context.tokens <= 90
        assert text[:6] in context.text
