"""Whether a pipeline is well formed. No clock, no I/O.

Rules:
    1. Ids of steps and names of inputs are unique, `[a-z][a-z0-9_]*`, and every step has one kind.
    2. A reference names an input, or an output of another step, of a type that the parameter takes.
    3. References and `after` form no cycle.
    4. Steps run in the order in which they are written, as far as rule 3 allows.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from memporium_platform.errors import FieldViolation, PlatformError, Reason
from memporium_services.scheduler.domain.pipelines import (
    REFERENCE,
    Pipeline,
    Reference,
    Step,
    arranged,
    references_in,
)
from memporium_services.scheduler.domain.step_kinds import STEP_KINDS, Parameter, Shape, Type

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

MOST_STEPS, MOST_INPUTS = 64, 32
_ID = re.compile(r"[a-z][a-z0-9_]{0,62}")
_DEFAULTED = frozenset({Type.TEXT, Type.NUMBER})


def ordered(pipeline: Pipeline, *, field: str = "pipeline") -> tuple[Step, ...]:
    """Return the steps in the order in which they run.

    Raises:
        PlatformError: INVALID_FIELD, with every violation of the rules.
    """
    violations = list(_violations(pipeline, field))
    if not violations:
        found, cycle = arranged(pipeline.steps)
        if not cycle:
            return found
        place = next(i for i, step in enumerate(pipeline.steps) if step.id == cycle[0])
        violations = [FieldViolation(f"{field}.steps[{place}]", f"waits for itself: {' -> '.join(cycle)}")]
    raise refused(violations)


def refused(violations: Sequence[FieldViolation]) -> PlatformError:
    """Return the error for wrong fields."""
    first = violations[0]
    return PlatformError(Reason.INVALID_FIELD, f"{first.field}: {first.description}", fields=violations)


def is_number(text: str) -> bool:
    """Say whether a text is a finite number."""
    try:
        return abs(float(text)) < float("inf")
    except ValueError:
        return False


def _violations(pipeline: Pipeline, field: str) -> Iterator[FieldViolation]:
    if not 0 < len(pipeline.steps) <= MOST_STEPS:
        yield FieldViolation(f"{field}.steps", f"must be 1 to {MOST_STEPS}")
        return
    if len(pipeline.inputs) > MOST_INPUTS:
        yield FieldViolation(f"{field}.inputs", f"at most {MOST_INPUTS}")
        return
    types = {Reference("", one.name): one.type for one in pipeline.inputs}
    for step in pipeline.steps:
        if step.kind in STEP_KINDS:
            types |= {Reference(step.id, name): type_ for name, type_ in STEP_KINDS[step.kind].outputs.items()}
    yield from _inputs(pipeline, field)
    ids: set[str] = set()
    for place, step in enumerate(pipeline.steps):
        if not _ID.fullmatch(step.id):
            yield FieldViolation(f"{field}.steps[{place}].id", f"must match {_ID.pattern}")
        if step.id in ids:
            yield FieldViolation(f"{field}.steps[{place}].id", f"{step.id} is the id of two steps")
        ids.add(step.id)
    for place, step in enumerate(pipeline.steps):
        yield from _step(step, f"{field}.steps[{place}]", ids, types)


def _inputs(pipeline: Pipeline, field: str) -> Iterator[FieldViolation]:
    seen: set[str] = set()
    for place, one in enumerate(pipeline.inputs):
        path = f"{field}.inputs[{place}]"
        if not _ID.fullmatch(one.name):
            yield FieldViolation(f"{path}.name", f"must match {_ID.pattern}")
        if one.name in seen:
            yield FieldViolation(f"{path}.name", f"{one.name} is declared twice")
        seen.add(one.name)
        if one.default is not None and one.type not in _DEFAULTED:
            yield FieldViolation(f"{path}.default", "only texts and numbers have one")
        if one.default is not None and one.type is Type.NUMBER and not is_number(one.default):
            yield FieldViolation(f"{path}.default", "is no number")


def _step(step: Step, path: str, ids: set[str], types: Mapping[Reference, Type]) -> Iterator[FieldViolation]:
    kind = STEP_KINDS.get(step.kind)
    if kind is None:
        yield FieldViolation(path, f"must be one of {', '.join(STEP_KINDS)}")
        return
    for place, other in enumerate(step.after):
        if other not in ids:
            yield FieldViolation(f"{path}.after[{place}]", f"there is no step {other!r}")
    for name, parameter in kind.parameters.items():
        value = step.parameters.get(name)
        if parameter.required and not value:
            yield FieldViolation(f"{path}.{step.kind}.{name}", "is required")
        if parameter.shape is Shape.REFERENCE and value and not REFERENCE.fullmatch(value):
            yield FieldViolation(f"{path}.{step.kind}.{name}", "must be one reference")
    yield from _of_kind(step, path)
    for where, parameter, text, reference in references_in(step):
        wrong = _reference(parameter, text, reference, ids, types)
        if wrong:
            yield FieldViolation(f"{path}.{step.kind}.{where}", wrong)


def _of_kind(step: Step, path: str) -> Iterator[FieldViolation]:
    given = step.parameters
    if step.kind == "remember" and bool(given.get("turns")) == bool(given.get("text")):
        yield FieldViolation(f"{path}.remember", "give either turns or text")
    if step.kind == "tag" and not (given.get("add") or given.get("remove")):
        yield FieldViolation(f"{path}.tag.add", "names no label")


def _reference(
    parameter: Parameter, text: str, reference: Reference | None, ids: set[str], types: Mapping[Reference, Type]
) -> str:
    """Return what is wrong with a reference; "": nothing."""
    if reference is None:
        return "a reference is ${inputs.NAME} or ${steps.ID.OUTPUT}"
    if reference not in types:
        return _unknown(reference, ids)
    if types[reference] not in parameter.takes:
        shown = f"steps.{reference.step}.{reference.name}" if reference.step else f"inputs.{reference.name}"
        return f"wants {' or '.join(sorted(parameter.takes))}, and {shown} is {types[reference]}"
    if parameter.shape not in {Shape.TEMPLATE, Shape.TEMPLATES} and not REFERENCE.fullmatch(text):
        return "must be a name, or one reference and nothing else"
    return ""


def _unknown(reference: Reference, ids: set[str]) -> str:
    if not reference.step:
        return f"there is no input {reference.name!r}"
    if reference.step not in ids:
        return f"there is no step {reference.step!r}"
    return f"step {reference.step!r} has no output {reference.name!r}"
