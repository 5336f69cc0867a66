"""What each kind of step takes and gives: the types by which a pipeline is checked before it runs. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class Type(StrEnum):
    """What a value is.

    STAGED are cubes that the run itself makes: they are not in the vault before the commit, so only steps that know
    how to handle them take them.
    """

    TEXT = "TEXT"
    NUMBER = "NUMBER"
    CUBES = "CUBES"
    STAGED = "STAGED"
    TURNS = "TURNS"


class Shape(StrEnum):
    """How a parameter is written."""

    # Text in which references are filled in.
    TEMPLATE = "text"
    # A list of such texts.
    TEMPLATES = "texts"
    # One reference and nothing else.
    REFERENCE = "reference"
    # A list of names or references.
    LIST = "list"
    # A name or a reference.
    ONE = "one"
    # Taken as it is.
    PLAIN = "plain"


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter: its shape, the types of references that it takes, and whether it must be given."""

    shape: Shape
    takes: frozenset[Type] = frozenset()
    required: bool = False


@dataclass(frozen=True, slots=True)
class StepKind:
    """One kind of step."""

    parameters: Mapping[str, Parameter]
    outputs: Mapping[str, Type] = field(default_factory=dict)


_WORDS = frozenset({Type.TEXT, Type.NUMBER})
_THERE = frozenset({Type.CUBES})
_ANY_CUBES = frozenset({Type.CUBES, Type.STAGED})
_text, _needed_text = Parameter(Shape.TEMPLATE, _WORDS), Parameter(Shape.TEMPLATE, _WORDS, required=True)
_texts, _plain = Parameter(Shape.TEMPLATES, _WORDS), Parameter(Shape.PLAIN)
_cubes = Parameter(Shape.LIST, _THERE)
_needed_cubes = Parameter(Shape.LIST, _THERE, required=True)
_needed_any = Parameter(Shape.LIST, _ANY_CUBES, required=True)
_COUNT = {"count": Type.NUMBER}

STEP_KINDS: Mapping[str, StepKind] = {
    "remember": StepKind(
        {
            "turns": Parameter(Shape.REFERENCE, frozenset({Type.TURNS})),
            "text": _text,
            "speaker": _text,
            "session": _text,
            "tags": _texts,
            "persona": _text,
        },
        {"cubes": Type.STAGED, **_COUNT},
    ),
    "consolidate": StepKind(
        {"persona": _text, "episodes": Parameter(Shape.LIST, frozenset({Type.STAGED}))}, dict(_COUNT)
    ),
    "retrieve": StepKind(
        {
            "query": _needed_text,
            "limit": _plain,
            "budget_tokens": _plain,
            "vault": _text,
            "tags": _texts,
            "persona": _text,
            "least": _plain,
            "include_mounts": _plain,
        },
        {"cubes": Type.CUBES, "context": Type.TEXT, **_COUNT},
    ),
    "augment": StepKind(
        {"prompt": _needed_text, "cubes": _cubes, "model": _text, "max_tokens": _plain},
        {"text": Type.TEXT, "cubes": Type.CUBES},
    ),
    "update": StepKind(
        {
            "cube": Parameter(Shape.ONE, _THERE),
            "text": _needed_text,
            "title": _text,
            "tags": _texts,
            "parents": Parameter(Shape.LIST, _ANY_CUBES),
            "persona": _text,
        },
        {"cubes": Type.STAGED, **_COUNT},
    ),
    "archive": StepKind({"cubes": _needed_any}, dict(_COUNT)),
    "tag": StepKind({"cubes": _needed_any, "add": _texts, "remove": _texts}, {"cubes": Type.STAGED, **_COUNT}),
    "merge": StepKind({"cubes": _needed_cubes}, dict(_COUNT)),
    "forget": StepKind({"cubes": _needed_cubes, "keep_derived": _plain}, dict(_COUNT)),
    "activate": StepKind({"cubes": _needed_any, "model": _text}),
    "train": StepKind({"cubes": _needed_any, "model": _text}),
}
