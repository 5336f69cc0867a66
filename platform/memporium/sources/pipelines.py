"""Pipelines as YAML files for people: the fields of the proto, with `text`, `number`, `cubes`, `turns` for types."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml
from google.protobuf.json_format import MessageToDict, ParseDict, ParseError

from memporium.scheduler.v1 import pipeline_pb2
from memporium.sources import turns

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_TYPE = "VALUE_TYPE_"
_OWN = ("name", "shipped", "creator", "create_time")


def load(path: Path) -> pipeline_pb2.Pipeline:
    """Return the pipeline of a file.

    Raises:
        ValueError: It is no YAML, or not of the shape of a pipeline.
    """
    try:
        return parse(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} cannot be read") from error


def parse(text: str) -> pipeline_pb2.Pipeline:
    """Return the pipeline of a text.

    Raises:
        ValueError: It is no YAML, or not of the shape of a pipeline.
    """
    try:
        given = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(f"is no YAML: {' '.join(str(error).split())}") from error
    if not isinstance(given, dict):
        raise ValueError("must be a mapping with `steps`")  # noqa: TRY004 - a wrong file, whatever is wrong with it
    for one in given.get("inputs") or ():
        if isinstance(one, dict):
            kind = str(one.get("type", "text")).upper().removeprefix(_TYPE)
            one["type"] = _TYPE + kind
            if isinstance(one.get("default"), (int, float)):
                one["default"] = str(one["default"])
    try:
        return ParseDict(given, pipeline_pb2.Pipeline())
    except (ParseError, AttributeError, TypeError) as error:
        raise ValueError(str(error)) from error


def dump(pipeline: pipeline_pb2.Pipeline) -> str:
    """Return a pipeline as YAML."""
    given = MessageToDict(pipeline, preserving_proto_field_name=True)
    for name in _OWN:
        given.pop(name, None)
    for one in given.get("inputs", ()):
        one["type"] = one.get("type", "VALUE_TYPE_TEXT").removeprefix(_TYPE).lower()
    text: str = yaml.safe_dump(given, sort_keys=False, allow_unicode=True, width=100)
    return text


def values(pipeline: pipeline_pb2.Pipeline, given: Sequence[str], folder: Path) -> dict[str, Any]:
    """Return the inputs of a run from `NAME=VALUE` pairs, by the types that the pipeline declares.

    Args:
        pipeline: Declares the inputs.
        given: The pairs; cubes by commas; turns as a file of dialogues, of which every session counts.
        folder: Where such files lie.

    Raises:
        ValueError: A pair is malformed, or a value is not of its type.
    """
    types = {one.name: one.type for one in pipeline.inputs}
    found: dict[str, Any] = {}
    for pair in given:
        name, sign, value = pair.partition("=")
        if not sign:
            raise ValueError(f"{pair!r} is not NAME=VALUE")
        match types.get(name, pipeline_pb2.VALUE_TYPE_TEXT):
            case pipeline_pb2.VALUE_TYPE_NUMBER:
                found[name] = pipeline_pb2.PipelineValue(number=float(value))
            case pipeline_pb2.VALUE_TYPE_CUBES:
                names = [one for one in value.split(",") if one]
                found[name] = pipeline_pb2.PipelineValue(cubes=pipeline_pb2.CubeNames(names=names))
            case pipeline_pb2.VALUE_TYPE_TURNS:
                found[name] = pipeline_pb2.PipelineValue(turns=_turns(folder / value))
            case _:
                found[name] = pipeline_pb2.PipelineValue(text=value)
    return found


def _turns(path: Path) -> pipeline_pb2.Turns:
    if not turns.is_dialogue(path):
        raise ValueError(f"{path} holds no dialogue")
    made = pipeline_pb2.Turns()
    for session in turns.load(path):
        messages = turns.requests("", session)
        made.turns.extend(message.turn for message in messages if message.HasField("turn"))
    return made
