"""Which claims hold: trust before time, both sides of a conflict, and the same by any order of arrival."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memporium_services.reader.domain.budget import Entry, Mark, compose, count_tokens
from memporium_services.reader.domain.claims import Claim
from memporium_services.reader.domain.contradiction import Statement, disagree, standings
from memporium_services.reader.domain.trust import TrustPolicy, trust_in

DAY = datetime(2024, 1, 1, tzinfo=UTC)


def said(value, day, trust=0.9, *, ended=False, several=False, true_day=None):
    claim = Claim("ada", "home", value, several=several, ended=ended)
    known = DAY + timedelta(days=day)
    since = known if true_day is None else DAY + timedelta(days=true_day)
    return Statement(f"c{day}", 0, claim, trust, since, known, DAY)


def outcome(*statements):
    """Return for each value: the values that supersede it, and those it is in conflict with."""
    return [
        ([one.claim.value for one in found.superseded_by], [one.claim.value for one in found.in_conflict_with])
        for found in standings(statements)
    ]


def test_the_newer_supersedes_from_equal_trust():
    assert outcome(said("Oslo", 1), said("Rome", 2)) == [(["Rome"], []), ([], [])]


def test_the_newer_of_less_trust_is_in_conflict():
    found = standings([said("Oslo", 1), said("Rome", 2, 0.5)])
    assert [[one.claim.value for one in each.in_conflict_with] for each in found] == [["Rome"], ["Oslo"]]
    assert [each.most_trusted for each in found] == [True, False]


def test_the_older_of_less_trust_is_superseded():
    assert outcome(said("Oslo", 1, 0.5), said("Rome", 2)) == [(["Rome"], []), ([], [])]


def test_a_trusted_update_ends_the_conflict():
    assert outcome(said("Oslo", 1), said("Rome", 2, 0.5), said("Bonn", 3)) == [
        (["Bonn"], []),
        (["Bonn"], []),
        ([], []),
    ]


def test_a_value_that_comes_back_holds_from_its_first_statement():
    assert outcome(said("Oslo", 1), said("Rome", 2), said("Oslo", 3)) == [([], []), (["Oslo"], []), ([], [])]


def test_what_is_told_late_but_was_true_early_supersedes_nothing():
    assert outcome(said("Oslo", 1), said("Rome", 2, true_day=-400)) == [([], []), (["Oslo"], [])]


def test_an_end_supersedes_the_value_alone():
    assert outcome(said("Oslo", 1), said("Oslo", 2, ended=True)) == [(["Oslo"], []), ([], [])]
    assert outcome(said("Oslo", 1), said("Rome", 2, ended=True)) == [([], []), ([], [])]


def test_several_values_stand_side_by_side():
    assert not disagree(said("chess", 1, several=True).claim, said("tennis", 2, several=True).claim)
    assert disagree(said("chess", 1, several=True).claim, said("chess", 2, several=True, ended=True).claim)


@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.integers(0, 9), st.sampled_from([0.4, 0.6, 0.9]), st.booleans()),
        max_size=9,
        unique_by=lambda one: one[1],
    ),
    st.integers(),
)
def test_the_rules_hold_whatever_comes_in_any_order(made, seed):
    statements = [said(value, day, trust, ended=ended) for value, day, trust, ended in made]
    found = {one.statement: one for one in standings(statements)}
    mixed = list(statements)
    Random(seed).shuffle(mixed)
    again = {one.statement: one for one in standings(mixed)}
    for one in statements:
        mine = found[one]
        assert set(mine.superseded_by) == set(again[one].superseded_by)
        assert not (mine.superseded_by and mine.in_conflict_with)
        for other in mine.superseded_by:
            assert other.trust >= one.trust
            assert other.age > one.age
            assert not found[other].superseded_by
        for other in mine.in_conflict_with:
            assert one in found[other].in_conflict_with
    # Poison never wins: of the most trusted statements the newest is never superseded.
    if statements:
        best = max(statements, key=lambda one: (one.trust, one.age))
        assert not found[best].superseded_by


@pytest.mark.parametrize(
    ("asked", "trust"),
    [
        ({"role": "user"}, 0.9),
        ({"role": "tool"}, 0.5),
        ({"role": "a role of one's own"}, 0.5),
        ({"source": "https://x.example/a"}, 0.4),
        ({"source": "memo.md", "origin": 3}, 0.7),
        ({"origin": 2}, 0.6),
        ({"given": 0.3, "role": "user"}, 0.3),
        ({"role": "user", "foreign": True}, 0.5),
        ({"given": 1.0, "foreign": True}, 0.5),
        ({"given": 0.2, "foreign": True}, 0.2),
    ],
)
def test_trust_by_default(asked, trust):
    told = {"given": None, "role": "", "source": "", "origin": 0, "foreign": False} | asked
    assert trust_in(TrustPolicy(), **told) == trust


def test_trust_as_the_vault_sets_it():
    policy = TrustPolicy({"pack": 0.95, "user": 0.8, "other": 0.1}, {"https://a/*": 0.6, "https://a/b*": 0.7, "s": 1.0})
    told = {"given": None, "role": "", "source": "", "origin": 0, "foreign": False}
    assert trust_in(policy, **told | {"role": "user"}) == 0.8
    assert trust_in(policy, **told | {"role": "plugin"}) == 0.1
    assert trust_in(policy, **told | {"source": "https://a/bc"}) == 0.7
    assert trust_in(policy, **told | {"source": "s", "foreign": True}) == 1.0
    assert trust_in(policy, **told | {"given": 1.0, "foreign": True}) == 0.95


def test_marks_name_entries_by_their_numbers_or_by_their_words():
    entries = [
        Entry("first", "here", marks=(Mark("against {}", 1, '"second"'),)),
        Entry("second", "", marks=(Mark("against {}", 0, '"first"'), Mark("and {}", 2, '"third"'))),
        Entry("third " * 50, "there"),
    ]
    context = compose(entries, budget_tokens=120, limit=10)
    assert "[1] (here; against [2]) first" in context.text
    assert '[2] (against [1]; and "third") second' in context.text
    assert context.tokens <= 120
    assert context.tokens == count_tokens(context.text)
