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
    long, short, other = Entry("word " * 300, ""), Entry("The code is 4711.", ""), Entry("Ada lives in Oslo.", "")
    entries, worth = [long, short, other], [1.3, 1.2, 1.1]
    assert compose(entries, budget_tokens=400, limit=2, worth=worth).chosen == (1, 2)
    assert compose(entries, budget_tokens=400, limit=2).chosen == (0, 1)
    assert compose(entries, budget_tokens=4_000, limit=2, worth=worth).chosen == (0, 1)
    assert compose(entries, budget_tokens=400, limit=2, worth=[2.5, 1.2, 1.1]).chosen == (0, 1)


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
