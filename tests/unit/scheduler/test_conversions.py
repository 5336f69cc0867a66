"""Which memories move between text, KV and LoRA, and that nothing flaps."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memporium_platform.errors import PlatformError
from memporium_services.scheduler.domain.conversions import BUILD, CONVERTED, TRAIN, Memory, Rules, Target, conversions
from memporium_services.scheduler.domain.rules import rules_of

NOW = datetime(2026, 3, 10, tzinfo=UTC)
DAY = timedelta(days=1)


def text(name, heat=5.0, age=3 * DAY, **more):
    return Memory(name, 4_000, heat, NOW - age, NOW - age, **({"semantic_type": "FACT"} | more))


def kv(parent, heat=5.0, age=2 * DAY, **more):
    given_ = {"derivation": BUILD, "parents": (parent,), "labels": frozenset({CONVERTED}), "state": "GENERATED"}
    return Memory(f"kv-{parent}", 20_000_000, heat, NOW - age, NOW - age, **(given_ | more))


def moves(memories, **rules):
    plan = conversions(memories, Rules(**rules), NOW)
    return [(one.target, one.cubes) for one in plan.proposals if not one.blocked], plan


def test_stable_and_frequent_goes_to_kv_and_the_reason_says_so():
    (move,), plan = moves([text("often"), text("seldom", heat=1.0), text("new", age=DAY / 2)])
    assert move == (Target.ACTIVATION, ("often",))
    assert plan.proposals[0].reason == "stable for 3.0 days, heat 5.00 of at least 3"
    assert plan.staying == {"not frequent": 1, "changed lately": 1}


@pytest.mark.parametrize("more", [{"ends": True}, {"semantic_type": "TOOL_TRACE"}])
def test_what_changes_with_time_stays_text(more):
    found, plan = moves([text("fleeting", heat=99.0, **more)])
    assert found == []
    assert plan.staying == {"changes with time": 1}


def test_abstract_and_stable_goes_to_lora_in_groups_of_the_same_licences():
    mine = [text(f"skill-{index}", heat=1.5, semantic_type="SKILL") for index in range(2)]
    theirs = text("pack", heat=2.0, semantic_type="DOMAIN_KNOWLEDGE", agreements=frozenset({"orgs/p/agreements/x"}))
    found, plan = moves([*mine, theirs])
    assert sorted(found) == [
        (Target.PARAMETER, ("pack",)),
        (Target.PARAMETER, ("skill-0", "skill-1")),
    ]
    assert {one.agreements for one in plan.proposals} == {frozenset(), theirs.agreements}
    # Without training the frequent ones go to KV.
    assert moves([replace(mine[0], heat=9.0)], training=False)[0] == [(Target.ACTIVATION, ("skill-0",))]


def test_what_has_kv_already_is_not_made_again():
    found, plan = moves([text("often"), kv("often", labels=frozenset())])
    assert found == []
    assert plan.staying == {"has KV or LoRA memory": 1}
    # Made by hand: no part of the budget of sweeps.
    assert plan.converted_bytes == 0


def test_cold_goes_back_to_text_and_warm_stays():
    cold = [text("old", heat=0.1), kv("old", heat=0.2)]
    (move,), plan = moves(cold)
    assert move == (Target.TEXT, ("old",))
    assert plan.proposals[0].derived == "kv-old"
    assert "cold" in plan.proposals[0].reason
    # Between a quarter of the heat and all of it: neither made nor undone.
    assert moves([text("warm", heat=0.5), kv("warm", heat=0.5)])[0] == []
    assert moves([text("warm", heat=1.0)])[0] == []
    # Young ones last a while, and so does what people made or pinned.
    assert moves([text("old", heat=0.1), kv("old", heat=0.0, age=DAY / 2)])[0] == []
    assert moves([text("old", heat=0.1), kv("old", heat=0.0, labels=frozenset())])[0] == []
    assert moves([text("old", heat=0.1), kv("old", heat=0.0, pinned=True)])[0] == []


def test_what_no_longer_says_what_its_text_says_goes_at_once():
    changed = text("changed", age=DAY / 4)
    (move,), plan = moves([changed, kv("changed", heat=50.0, age=DAY / 2)])
    assert move == (Target.TEXT, ("changed",))
    assert "its text has changed" in plan.proposals[0].reason
    (move,), plan = moves([replace(text("gone"), state="EXPIRED"), kv("gone", heat=50.0)])
    assert move == (Target.TEXT, ())
    assert "no longer in use" in plan.proposals[0].reason


def test_what_was_undone_rests_before_it_is_made_again():
    undone = kv("often", state="EXPIRED", age=DAY / 2)
    assert moves([text("often"), undone])[1].staying == {"was undone lately": 1}
    assert moves([text("often"), replace(undone, update_time=NOW - 2 * DAY)])[0] == [(Target.ACTIVATION, ("often",))]


def test_the_budget_counts_what_there_is_and_the_best_per_byte_come_first():
    memories = [text("hot", heat=9.0), text("warm", heat=4.0), text("other"), kv("other")]
    found, plan = moves(memories, budget_bytes=45_000_000)
    # By the KV memory that is there, another one takes 20 MB.
    assert found == [(Target.ACTIVATION, ("hot",))]
    assert [one.cubes for one in plan.proposals if one.blocked] == [("warm",)]
    assert "5000000 bytes left" in plan.proposals[-1].blocked
    found, plan = moves(memories, max_conversions=1)
    assert found == [(Target.ACTIVATION, ("hot",))]
    assert plan.staying["waits for the next run"] == 1


_TEXTS = st.lists(
    st.builds(
        text,
        st.sampled_from("abcdefgh"),
        heat=st.floats(0, 20),
        age=st.timedeltas(timedelta(0), 9 * DAY),
        semantic_type=st.sampled_from(["FACT", "SKILL", "TOOL_TRACE", "PROFILE"]),
        ends=st.booleans(),
    ),
    unique_by=lambda one: one.cube,
    max_size=8,
)


@given(_TEXTS, st.integers(1, 10**9))
def test_a_plan_carried_out_leaves_nothing_to_do(texts, budget):
    plan = conversions(texts, Rules(budget_bytes=budget), NOW)
    made = [
        Memory(
            f"made-{index}", one.size_bytes, 0.0, NOW, NOW, derivation=BUILD if one.target == "ACTIVATION" else TRAIN,
            parents=one.cubes, labels=frozenset({CONVERTED}), state="GENERATED",
        )
        for index, one in enumerate(plan.proposals) if not one.blocked
    ]  # fmt: skip
    assert sum(one.size_bytes for one in made) <= budget
    again = conversions([*texts, *made], Rules(budget_bytes=budget), NOW + timedelta(minutes=1))
    assert not [one for one in again.proposals if one.target is Target.TEXT]
    assert {name for one in again.proposals for name in one.cubes}.isdisjoint({n for one in made for n in one.parents})


def test_rules_take_defaults_and_refuse_nonsense():
    assert rules_of({}) == Rules()
    given_ = rules_of({"stable_after": "0s", "dwell": "3600s", "budget_bytes": "7", "no_training": True})
    assert given_ == Rules(stable_after=timedelta(0), dwell=timedelta(hours=1), budget_bytes=7, training=False)
    for wrong in ({"frequent_heat": -1.0}, {"budget_bytes": "-1"}, {"dwell": "-1s"}, {"max_conversions": 5000}):
        with pytest.raises(PlatformError) as caught:
            rules_of(wrong)
        assert caught.value.fields[0].field == f"rules.{next(iter(wrong))}"
