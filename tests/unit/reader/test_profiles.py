"""What people say of themselves is read, what was superseded is told apart, and topics stand out by repetition."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from memporium.cube.v1 import cube_pb2
from memporium_services.reader.convert_cells import stated_of
from memporium_services.reader.domain.claims import claims_of
from memporium_services.reader.domain.profiles import MOST_EVIDENCE, Standing, Told, facts_of, traits_of
from memporium_services.reader.domain.self_statements import stated_in
from memporium_services.reader.domain.values import Span

START = datetime(2023, 5, 1, tzinfo=UTC)


def told(text, *, day=0, speaker="Ada", trust=1.0, claims=()):
    time = START + timedelta(days=day)
    span = Span(f"s{day}", "t1", speaker, time)
    return Told(f"cube-{day}", 0, f"{speaker}: {text}", text, span, time, trust=trust, claims=tuple(claims))


def standings(*statements):
    return {(fact.attribute, fact.value): fact.standing for fact in facts_of(statements)}


@pytest.mark.parametrize(
    ("text", "attribute", "value"),
    [
        ("My name is Ada Lovelace.", "name", "Ada Lovelace"),
        ("I live in New York, by the park.", "lives in", "New York"),
        ("We just moved to Lisbon.", "lives in", "Lisbon"),
        ("I'm originally from Sweden.", "comes from", "Sweden"),
        ("I work as a nurse because I like people.", "work", "a nurse"),
        ("I'm a vegetarian.", "is", "a vegetarian"),
        ("I\u2019m allergic to peanuts.", "is allergic to", "peanuts"),
        ("My favourite colour is green.", "favourite colour", "green"),
        ("my favorite band is Radiohead!", "favourite band", "Radiohead"),
        ("My sister Clara called.", "sister", "Clara"),
        ("My dog's name is Biscuit.", "dog", "Biscuit"),
        ("I have two cats.", "has", "two cats"),
        ("I play the violin.", "plays", "the violin"),
        ("I really love hiking - it clears my head.", "likes", "hiking"),
        ("I'm a big fan of jazz.", "likes", "jazz"),
        ("I don't really like coriander.", "dislikes", "coriander"),
        ("I can't stand noise.", "dislikes", "noise"),
    ],
)
def test_statements_in_the_first_person_are_read(text, attribute, value):
    assert (attribute, value) in {(one.attribute, one.value) for one in stated_in(text)}


@pytest.mark.parametrize(
    "text",
    ["Do I live in Lisbon?", "I like it.", "I love that!", "You live in Lisbon.", "I love to.", "I'm a bit tired.", ""],
)
def test_what_states_nothing_is_not_read(text):
    assert stated_in(text) == ()


def test_the_last_of_two_values_that_cannot_both_hold_supersedes():
    found = standings(told("I live in Oslo."), told("I live in Bergen.", day=9))
    assert found == {("lives in", "Oslo"): Standing.SUPERSEDED, ("lives in", "Bergen"): Standing.CURRENT}


def test_a_less_trusted_source_supersedes_nothing():
    found = standings(told("I live in Oslo."), told("I live in Bergen.", day=9, trust=0.2))
    assert set(found.values()) == {Standing.IN_CONFLICT}


def test_a_taste_may_turn_and_several_tastes_hold_together():
    found = standings(told("I love olives. I love figs."), told("I hate olives.", day=9))
    assert found["likes", "olives"] is Standing.SUPERSEDED
    assert found["dislikes", "olives"] is Standing.CURRENT
    assert found["likes", "figs"] is Standing.CURRENT


def test_what_is_no_longer_so_is_superseded():
    assert standings(told("I live in Oslo no longer.")) == {("lives in", "Oslo"): Standing.SUPERSEDED}


def test_the_same_said_again_is_one_fact_with_all_its_turns():
    [fact] = facts_of([told("I live in Oslo.", day=day) for day in range(MOST_EVIDENCE + 2)])
    assert len(fact.evidence) == MOST_EVIDENCE
    assert (fact.first, fact.last) == (START, START + timedelta(days=MOST_EVIDENCE + 1))


def test_claims_of_formation_go_before_patterns_and_tastes_stay():
    home = stated_of(cube_pb2.Claim(subject="ada", attribute="home", value="Oslo"))
    taste = stated_of(cube_pb2.Claim(subject="ada", attribute="feeling about figs", value="likes"))
    empty = stated_of(cube_pb2.Claim(subject="ada", attribute="feeling about it", value="likes"))
    said = "I live in Oslo. I love my figs. I love it."
    assert set(standings(told(said, claims=[home, taste, empty]))) == {("home", "Oslo"), ("likes", "figs")}
    assert set(standings(told(said, claims=[home, empty]))) == {("home", "Oslo"), ("likes", "my figs")}


def test_claims_name_the_speaker_where_they_said_my():
    [claim] = claims_of("I love my garden.", None, speaker="Ada")
    assert (claim.subject, claim.attribute) == ("ada", "feeling about ada's garden")


def test_what_somebody_made_is_no_job():
    assert claims_of("I made this bowl in class.", None, speaker="Ada") == ()
    assert claims_of("I was made head of design.", None, speaker="Ada")[0].value == "head of design"


def test_who_is_addressed_is_no_topic():
    often = [told("Ben, the orchestra!", day=day) for day in range(3)]
    assert [trait.topic for trait in traits_of(often, [told("Hi.", speaker="Benjamin")], START)] == ["orchestra"]
    often = [told("Benjamin, the orchestra!", day=day) for day in range(3)]
    assert [trait.topic for trait in traits_of(often, [told("Hi.", speaker="Benjamin")], START)] == ["orchestra"]


def test_days_and_months_are_no_topics():
    often = [told("The orchestra rehearsed on 3 October, a Saturday.", day=day) for day in range(3)]
    assert [trait.topic for trait in traits_of(often, [], START)] == ["orchestra", "rehearsed"]


def test_a_topic_needs_several_episodes_and_statements():
    often = [told("The orchestra rehearsed.", day=day) for day in range(3)]
    assert [trait.topic for trait in traits_of(often, [], START)] == ["orchestra", "rehearsed"]
    assert not traits_of(often[:2], [], START)
    assert not traits_of([told("Is the orchestra good?", day=day) for day in range(3)], [], START)


def test_recent_topics_and_ones_own_weigh_more():
    now = START + timedelta(days=720)
    old = [told("The orchestra.", day=day) for day in range(3)]
    new = [told("The greenhouse.", day=700 + day) for day in range(3)]
    assert [trait.topic for trait in traits_of([*old, *new], [], now)] == ["greenhouse", "orchestra"]
    theirs = [told("Our greenhouse.", day=day, speaker="Ben") for day in range(9)]
    both = [told("The orchestra and the greenhouse.", day=day) for day in range(3)]
    assert [trait.topic for trait in traits_of(both, theirs, START)] == ["orchestra", "greenhouse"]
    assert traits_of(both, theirs, START)[0].weight == 1.0
