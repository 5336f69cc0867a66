"""Values of a run, and parameters with their references filled in. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from memporium_platform.errors import FieldViolation
from memporium_services.scheduler.domain.pipeline_checks import is_number, refused
from memporium_services.scheduler.domain.pipelines import REFERENCE, Reference, parse_reference
from memporium_services.scheduler.domain.step_kinds import STEP_KINDS, Shape, Type

if TYPE_CHECKING:
    from collections.abc import Mapping

    from memporium_services.scheduler.domain.pipelines import Input, Pipeline, Step

_MOST_CHARS = 1 << 20


def inputs_of(pipeline: Pipeline, given: Mapping[str, tuple[Type, Any]], *, field: str = "inputs") -> dict[str, Any]:
    """Return the values of a run by the names of the inputs, with defaults.

    Raises:
        PlatformError: INVALID_FIELD, for a value that is missing, not declared, or of another type.
    """
    declared = {one.name: one for one in pipeline.inputs}
    violations = [
        FieldViolation(f"{field}.{name}", "the pipeline has no such input") for name in given if name not in declared
    ]
    found: dict[str, Any] = {}
    for name, one in declared.items():
        if name in given:
            type_, value = given[name]
            value = float(value) if one.type is Type.NUMBER and type_ is Type.TEXT and is_number(value) else value
            if type_ is not one.type and not isinstance(value, float):
                violations.append(FieldViolation(f"{field}.{name}", f"must be {one.type}, and is {type_}"))
            found[name] = value
        elif one.default is None:
            violations.append(FieldViolation(f"{field}.{name}", "is required"))
        else:
            found[name] = _default(one)
    if sum(_size(value) for value in found.values()) > _MOST_CHARS:
        violations.append(FieldViolation(field, f"at most {_MOST_CHARS} characters in all"))
    if violations:
        raise refused(violations)
    return found


def filled(step: Step, values: Mapping[Reference, Any]) -> dict[str, Any]:
    """Return the parameters of a step with the values of its references."""
    made: dict[str, Any] = {}
    for name, parameter in STEP_KINDS[step.kind].parameters.items():
        value = step.parameters.get(name)
        if value is None:
            continue
        match parameter.shape:
            case Shape.PLAIN:
                made[name] = value
            case Shape.TEMPLATE:
                made[name] = _text(value, values)
            case Shape.TEMPLATES:
                made[name] = [_text(one, values) for one in value]
            case Shape.LIST:
                made[name] = list(dict.fromkeys(name_ for one in value for name_ in _cubes(one, values)))
            case Shape.ONE:
                made[name] = next(iter(_cubes(value, values)), "")
            case Shape.REFERENCE:
                made[name] = _looked_up(value, values)
    return made


def _text(template: str, values: Mapping[Reference, Any]) -> str:
    def replacement(found: Any) -> str:
        value = values[parse_reference(found.group(1)) or Reference("", "")]
        return f"{value:g}" if isinstance(value, float) else str(value)

    return REFERENCE.sub(replacement, template).replace("$${", "${")


def _cubes(text: str, values: Mapping[Reference, Any]) -> list[str]:
    if REFERENCE.fullmatch(text):
        return list(_looked_up(text, values))
    return [text] if text else []


def _looked_up(text: str, values: Mapping[Reference, Any]) -> Any:
    found = REFERENCE.fullmatch(text)
    reference = parse_reference(found.group(1)) if found else None
    return values[reference] if reference is not None else []


def _default(one: Input) -> Any:
    return float(one.default or 0) if one.type is Type.NUMBER else one.default


def _size(value: Any) -> int:
    if isinstance(value, str):
        return len(value)
    return sum(len(str(one)) for one in value) if isinstance(value, list) else 0
