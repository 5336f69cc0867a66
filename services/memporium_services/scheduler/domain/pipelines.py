"""Pipelines: what they are, what their steps refer to, and in which order they run. No clock, no I/O."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from memporium_services.scheduler.domain.step_kinds import STEP_KINDS, Parameter, Shape, Type

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

# The one output that is a number.
_COUNT = "count"
# `$${` stands for `${` itself.
REFERENCE = re.compile(r"(?<!\$)\$\{([^{}]*)\}")


@dataclass(frozen=True, slots=True)
class Input:
    """A value that a run is given; `default` None: it must be."""

    name: str
    type: Type = Type.TEXT
    description: str = ""
    default: str | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """One step: its kind and its parameters by the field names of the proto."""

    id: str
    kind: str
    parameters: Mapping[str, Any]
    after: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Inputs and steps."""

    inputs: tuple[Input, ...]
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Reference:
    """`${inputs.NAME}` (step "") or `${steps.ID.OUTPUT}`."""

    step: str
    name: str


def parse_reference(text: str) -> Reference | None:
    """Return what stands between `${` and `}`, or None where it is no reference."""
    parts = text.strip().split(".")
    match parts:
        case ["inputs", name]:
            return Reference("", name)
        case ["steps", step, name]:
            return Reference(step, name)
        case _:
            return None


def references_in(step: Step) -> Iterator[tuple[str, Parameter, str, Reference | None]]:
    """Yield path, parameter, text, and reference, of each reference of a step; None: malformed."""
    for name, parameter in STEP_KINDS[step.kind].parameters.items():
        value = step.parameters.get(name)
        if parameter.shape is Shape.PLAIN or not value:
            continue
        texts = [(f"{name}[{i}]", one) for i, one in enumerate(value)] if isinstance(value, list) else [(name, value)]
        for path, text in texts:
            for found in REFERENCE.findall(text):
                yield path, parameter, text, parse_reference(found)


def arranged(steps: Sequence[Step]) -> tuple[tuple[Step, ...], tuple[str, ...]]:
    """Return the steps in order, and, where there is one, a cycle."""
    waits = {step.id: needs(step) for step in steps}
    done: dict[str, Step] = {}
    while len(done) < len(steps):
        step = next((one for one in steps if one.id not in done and waits[one.id] <= done.keys()), None)
        if step is None:
            return (), _cycle(waits, done)
        done[step.id] = step
    return tuple(done.values()), ()


def needs(step: Step) -> set[str]:
    """Return the ids of the steps that must be done before."""
    return {*step.after, *(one.step for *_, one in references_in(step) if one is not None and one.step)}


def reads(step: Step) -> set[str]:
    """Return the ids of the steps whose words may be in what a step makes: all it refers to, but for their counts."""
    return {one.step for *_, one in references_in(step) if one is not None and one.step and one.name != _COUNT}


def _cycle(waits: Mapping[str, set[str]], done: Mapping[str, Step]) -> tuple[str, ...]:
    path: list[str] = [next(one for one in waits if one not in done)]
    while True:
        following = min(one for one in waits[path[-1]] if one not in done)
        if following in path:
            return (*path[path.index(following) :], following)
        path.append(following)
