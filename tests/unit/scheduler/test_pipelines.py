"""Pipelines, in pure code: order, values, and what is shipped."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memporium_platform.errors import PlatformError, Reason
from memporium_services.scheduler.domain.definitions import pipeline_of, shipped
from memporium_services.scheduler.domain.pipeline_checks import ordered
from memporium_services.scheduler.domain.pipelines import Pipeline, Reference, Step, needs
from memporium_services.scheduler.domain.step_kinds import Type
from memporium_services.scheduler.domain.values import filled, inputs_of


def _augment(id_, *others, after=()):
    prompt = "x " + " ".join(f"${{steps.{other}.text}}" for other in others)
    return Step(id_, "augment", {"prompt": prompt}, tuple(after))


@given(st.data())
def test_steps_run_after_all_that_they_wait_for_and_a_cycle_is_named(data):
    count = data.draw(st.integers(1, 8))
    ids = [f"s{n}" for n in range(count)]
    edges = [data.draw(st.lists(st.sampled_from(ids), max_size=3)) for _ in ids]
    steps = tuple(_augment(id_, *others) for id_, others in zip(ids, edges, strict=True))
    try:
        found = ordered(Pipeline((), steps))
    except PlatformError as error:
        assert error.reason is Reason.INVALID_FIELD
        path = error.fields[0].description.removeprefix("waits for itself: ").split(" -> ")
        assert path[0] == path[-1]
        waits = {step.id: needs(step) for step in steps}
        assert all(later in waits[earlier] for earlier, later in itertools.pairwise(path))
        return
    seen: set[str] = set()
    for step in found:
        assert needs(step) <= seen
        seen.add(step.id)
    assert len(found) == count


def test_steps_keep_the_order_in_which_they_are_written():
    steps = (_augment("c"), _augment("a"), _augment("b", after=["a"]))
    assert [step.id for step in ordered(Pipeline((), steps))] == ["c", "a", "b"]


def test_references_are_filled_in_and_a_doubled_dollar_is_none():
    step = Step(
        "a", "augment", {"prompt": "${inputs.n} of $${inputs.n}: ${steps.b.text}", "cubes": ["x", "${steps.c.cubes}"]}
    )
    values = {Reference("", "n"): 3.0, Reference("b", "text"): "${inputs.n}", Reference("c", "cubes"): ["y", "x", "z"]}
    assert filled(step, values) == {"prompt": "3 of ${inputs.n}: ${inputs.n}", "cubes": ["x", "y", "z"]}


def test_inputs_have_types_defaults_and_bounds():
    pipeline = pipeline_of(
        {
            "inputs": [
                {"name": "q"},
                {"name": "n", "type": "VALUE_TYPE_NUMBER", "default": "2"},
                {"name": "c", "type": "VALUE_TYPE_CUBES"},
            ],
            "steps": [],
        }
    )
    good = {"q": (Type.TEXT, "x"), "c": (Type.CUBES, ["a"])}
    assert inputs_of(pipeline, good) == {"q": "x", "n": 2.0, "c": ["a"]}
    assert inputs_of(pipeline, good | {"n": (Type.TEXT, "7")})["n"] == 7.0
    for given_, field in (
        ({"c": (Type.CUBES, [])}, "inputs.q"),
        (good | {"z": (Type.TEXT, "")}, "inputs.z"),
        (good | {"c": (Type.TEXT, "a")}, "inputs.c"),
        (good | {"n": (Type.TEXT, "many")}, "inputs.n"),
        (good | {"q": (Type.TEXT, "x" * (1 << 20))}, "inputs"),
    ):
        with pytest.raises(PlatformError) as caught:
            inputs_of(pipeline, given_)
        assert caught.value.fields[0].field == field


def test_what_is_shipped_is_well_formed():
    found = shipped("acme")
    assert sorted(found) == ["consolidate", "remember", "retrieve-augment-update-archive"]
    for kept in found.values():
        assert ordered(pipeline_of(kept.definition))
