"""Pipelines as YAML."""

from __future__ import annotations

import pytest

from memporium.scheduler.v1 import pipeline_pb2
from memporium.sources import pipelines

TEXT = """
description: Sums up.
inputs:
- {name: question}
- {name: n, type: number, default: 3}
- {name: old, type: cubes}
steps:
- {id: find, retrieve: {query: "${inputs.question}", limit: 5}}
- {id: away, archive: {cubes: ["${steps.find.cubes}"]}, after: [find]}
"""


def test_yaml_and_proto_are_the_same_both_ways():
    made = pipelines.parse(TEXT)
    assert [one.type for one in made.inputs] == [
        pipeline_pb2.VALUE_TYPE_TEXT, pipeline_pb2.VALUE_TYPE_NUMBER, pipeline_pb2.VALUE_TYPE_CUBES
    ]  # fmt: skip
    assert made.steps[1].archive.cubes == ["${steps.find.cubes}"]
    assert pipelines.parse(pipelines.dump(made)) == made


@pytest.mark.parametrize(
    "text", ["[", "- a", "steps: 3", "steps: [{id: a, fly: {}}]", "inputs: [{name: a, type: colour}]", "steps: [3]"]
)
def test_what_is_no_pipeline_is_told_in_words(text):
    with pytest.raises(ValueError, match=r"\w"):
        pipelines.parse(text)


def test_inputs_come_by_the_declared_types(tmp_path):
    found = pipelines.values(pipelines.parse(TEXT), ["question=a=b", "n=4", "old=x,y"], tmp_path)
    assert found["question"].text == "a=b"
    assert found["n"].number == 4
    assert list(found["old"].cubes.names) == ["x", "y"]
    for wrong in ("question", "n=many"):
        with pytest.raises(ValueError, match=r"\w"):
            pipelines.values(pipelines.parse(TEXT), [wrong], tmp_path)
