"""Licence terms from an ODRL 2.2 policy in JSON-LD.

What has no counterpart among licence terms is refused by name: to leave it out could widen a licence. That holds for
unknown properties, too, since most of ODRL's narrow a rule (an assignee, a refinement, a duty of one permission).
"""

from __future__ import annotations

import json
import re
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from memporium.cube.v1 import cube_pb2
from memporium.memstore.v1 import terms_pb2
from memporium_platform.errors import PlatformError, invalid
from memporium_platform.licence import odrl_names as names
from memporium_platform.licence.check import MAX_TERMS_BYTES, check_terms

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_TOP = {
    "@context", "@type", "@id", "uid", "profile", "conflict", "permission", "prohibition", "obligation", "dc:title",
    "mp:spdx", "mp:legalText",
}  # fmt: skip
_RULE = {"action", "constraint", "target", "uid", "@type", "mp:constraints"}
_OBLIGATION = {"action", "constraint", "target", "uid", "@type", "mp:text"}
_CONSTRAINT = {"leftOperand", "operator", "rightOperand", "dataType", "unit", "@type"}
_TYPES = {"Set", "Policy", "Offer"}
_DURATION = re.compile(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d{1,9})?)S)?)?")
_NANOS = 1_000_000_000
_MAX_NUMBER = 2**62


def terms_from_odrl(text: str) -> terms_pb2.LicenceTerms:
    """Return the terms that a policy says.

    Raises:
        PlatformError: INVALID_FIELD, naming the place and what has no counterpart.
    """
    if len(text) > 4 * MAX_TERMS_BYTES:
        raise invalid("odrl", f"must have at most {4 * MAX_TERMS_BYTES} characters")
    try:
        policy = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise invalid("odrl", "is not JSON") from error
    top = _mapping(policy, "odrl", _TOP)
    kind = _plain(top.get("@type", "Set"))
    if kind not in _TYPES:
        raise _unmapped("odrl.@type", kind)
    if _plain(top.get("conflict", "prohibit")) != "prohibit":
        raise _unmapped("odrl.conflict", top["conflict"])
    terms = terms_pb2.LicenceTerms(title=_text(top, "dc:title", "odrl"), spdx_expression=_text(top, "mp:spdx", "odrl"))
    terms.legal_text_sha256s.extend(_strings(top.get("mp:legalText", []), "odrl.mp:legalText"))
    for index, rule in enumerate(_list(top.get("permission", []))):
        _permission(terms.permissions.add(), rule, f"odrl.permission[{index}]")
    for index, rule in enumerate(_list(top.get("prohibition", []))):
        _prohibition(terms.prohibitions.add(), rule, f"odrl.prohibition[{index}]")
    for index, rule in enumerate(_list(top.get("obligation", []))):
        _obligation(terms.duties.add(), rule, f"odrl.obligation[{index}]")
    check_terms(terms, "odrl")
    return terms


def _permission(permission: Any, rule: object, path: str) -> None:
    given = _mapping(rule, path, _RULE)
    permission.actions.extend(_actions(given.get("action"), f"{path}.action"))
    if given.get("mp:constraints"):
        permission.constraints.SetInParent()
    for index, one in enumerate(_list(given.get("constraint", []))):
        place = f"{path}.constraint[{index}]"
        constraint = _mapping(one, place, _CONSTRAINT | {"mp:period", "mp:pool", "mp:interval", "mp:hold"})
        left = _plain(constraint.get("leftOperand"))
        if left == names.FORM:
            permission.forms.extend(_forms(constraint, place))
        elif left in _READERS:
            _READERS[left](permission.constraints, constraint, place)
        else:
            raise _unmapped(f"{place}.leftOperand", left)
    if not permission.forms:
        permission.forms.append(cube_pb2.MEMORY_FORM_PLAINTEXT)


def _prohibition(prohibition: Any, rule: object, path: str) -> None:
    given = _mapping(rule, path, _RULE - {"mp:constraints"})
    prohibition.actions.extend(_actions(given.get("action"), f"{path}.action"))
    for index, one in enumerate(_list(given.get("constraint", []))):
        place = f"{path}.constraint[{index}]"
        constraint = _mapping(one, place, _CONSTRAINT)
        left = _plain(constraint.get("leftOperand"))
        if left != names.FORM:
            raise _unmapped(f"{place}.leftOperand", left)
        prohibition.forms.extend(_forms(constraint, place))


def _obligation(duty: Any, rule: object, path: str) -> None:
    given = _mapping(rule, path, _OBLIGATION)
    kind = _find(names.DUTIES, given.get("action"), f"{path}.action")
    duty.kind, duty.text = f"DUTY_KIND_{kind}", _text(given, "mp:text", path)
    constraints = [_mapping(one, f"{path}.constraint", _CONSTRAINT) for one in _list(given.get("constraint", []))]
    at_end = [
        _plain(one.get("leftOperand")) == names.EVENT and one.get("rightOperand") == names.ENDED for one in constraints
    ]
    if at_end != ([True] if kind == "DELETE_ON_EXPIRY" else []):
        raise _unmapped(f"{path}.constraint", "a constraint of this duty")


def _actions(value: object, path: str) -> list[int]:
    found = [_find(names.ACTIONS, one, path) for one in _list(value)]
    return [terms_pb2.LicenceAction.Value(f"LICENCE_ACTION_{one}") for one in found]


def _forms(constraint: Mapping[str, Any], path: str) -> list[int]:
    _operator(constraint, path, {"isAnyOf", "eq"})
    found = [_find(names.FORMS, one, path) for one in _list(constraint.get("rightOperand"))]
    return [cube_pb2.MemoryForm.Value(f"MEMORY_FORM_{one}") for one in found]


def _date(constraints: Any, given: Mapping[str, Any], path: str) -> None:
    operator = _operator(given, path, {"gteq", "lt"})
    field = constraints.window.start_time if operator == "gteq" else constraints.window.end_time
    try:
        field.FromJsonString(str(_value(given)))
    except (ValueError, TypeError) as error:
        raise invalid(f"{path}.rightOperand", "must be a time such as 2026-12-31T00:00:00Z") from error


def _elapsed(constraints: Any, given: Mapping[str, Any], path: str) -> None:
    _operator(given, path, {"lteq", "eq"})
    nanos = _nanoseconds(_value(given), f"{path}.rightOperand")
    constraints.window.duration.seconds, constraints.window.duration.nanos = divmod(nanos, _NANOS)


def _count(constraints: Any, given: Mapping[str, Any], path: str) -> None:
    _operator(given, path, {"lteq"})
    unit = _find(names.UNITS, given.get("unit", names.UNITS["CALLS"]), f"{path}.unit")
    period = "AGREEMENT"
    if "mp:period" in given:
        period = _find(names.PERIODS, given["mp:period"], f"{path}.mp:period")
    constraints.quotas.add(
        unit=f"USE_UNIT_{unit}",
        period=f"QUOTA_PERIOD_{period}",
        limit=_number(given, path),
        pool=_text(given, "mp:pool", path),
    )


def _rate(constraints: Any, given: Mapping[str, Any], path: str) -> None:
    _operator(given, path, {"lteq"})
    seconds, rest = divmod(_nanoseconds(given.get("mp:interval"), f"{path}.mp:interval"), _NANOS)
    if rest:
        raise invalid(f"{path}.mp:interval", "must be whole seconds")
    constraints.rates.add(limit=_number(given, path)).interval.seconds = seconds


def _whole(field: str, operator: str) -> Callable[[Any, Mapping[str, Any], str], None]:
    def read(constraints: Any, given: Mapping[str, Any], path: str) -> None:
        _operator(given, path, {operator})
        setattr(constraints, field, _number(given, path))

    return read


def _seats(constraints: Any, given: Mapping[str, Any], path: str) -> None:
    _operator(given, path, {"lteq"})
    constraints.max_seats = _number(given, path)
    if "mp:hold" in given:
        nanos = _nanoseconds(given["mp:hold"], f"{path}.mp:hold")
        constraints.seat_hold.seconds, constraints.seat_hold.nanos = divmod(nanos, _NANOS)


def _set(field: str) -> Callable[[Any, Mapping[str, Any], str], None]:
    def read(constraints: Any, given: Mapping[str, Any], path: str) -> None:
        _operator(given, path, {"isAnyOf", "eq"})
        getattr(constraints, field).SetInParent()
        getattr(constraints, field).values.extend(_strings(given.get("rightOperand"), f"{path}.rightOperand"))

    return read


def _place(constraints: Any, given: Mapping[str, Any], path: str) -> None:
    _operator(given, path, {"eq"})
    if given.get("rightOperand") != names.PLATFORM:
        raise _unmapped(f"{path}.rightOperand", given.get("rightOperand"))
    constraints.on_platform_only = True


_READERS: Mapping[str, Callable[[Any, Mapping[str, Any], str], None]] = {
    names.DATE: _date,
    names.ELAPSED: _elapsed,
    names.COUNT: _count,
    names.RATE: _rate,
    names.CONCURRENCY: _whole("max_concurrency", "lteq"),
    names.SEATS: _seats,
    names.AGGREGATION: _whole("min_aggregation", "gteq"),
    names.PLACE: _place,
    **{operand: _set(field) for field, operand in names.SETS.items()},
}


def _plain(value: object) -> str:
    return str(value).removeprefix("odrl:")


def _find(table: Mapping[str, str], value: object, path: str) -> str:
    name = _plain(value)
    for key, known in table.items():
        if known == name:
            return key
    raise _unmapped(path, name)


def _operator(given: Mapping[str, Any], path: str, known: set[str]) -> str:
    operator = _plain(given.get("operator"))
    if operator not in known:
        raise _unmapped(f"{path}.operator", operator)
    return operator


def _value(given: Mapping[str, Any]) -> object:
    right = given.get("rightOperand")
    return right.get("@value") if isinstance(right, dict) else right


def _number(given: Mapping[str, Any], path: str) -> int:
    value = _value(given)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _MAX_NUMBER:
        raise invalid(f"{path}.rightOperand", "must be a whole number, 0 or more")
    return value


def _nanoseconds(value: object, path: str) -> int:
    found = _DURATION.fullmatch(str(value))
    if found is None or not any(found.groups()):
        raise invalid(path, "must be a duration in days, hours, minutes and seconds, such as P30D")
    days, hours, minutes = (int(part or 0) for part in found.groups()[:3])
    try:
        seconds = Decimal(found[4] or 0)
    except InvalidOperation as error:  # pragma: no cover - the pattern admits numbers alone
        raise invalid(path, "must be a duration") from error
    return (days * 86_400 + hours * 3600 + minutes * 60) * _NANOS + int(seconds * _NANOS)


def _mapping(value: object, path: str, known: set[str]) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise invalid(path, "must be an object")
    for key in value:
        if key.removeprefix("odrl:") not in known:
            raise _unmapped(path, key)
    return {key.removeprefix("odrl:"): one for key, one in value.items()}


def _list(value: object) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _strings(value: object, path: str) -> list[str]:
    found = _list(value)
    if not all(isinstance(one, str) for one in found):
        raise invalid(path, "must be texts")
    return found


def _text(given: Mapping[str, Any], key: str, path: str) -> str:
    value = given.get(key, "")
    if not isinstance(value, str):
        raise invalid(f"{path}.{key}", "must be a text")
    return value


def _unmapped(path: str, what: object) -> PlatformError:
    return invalid(path, f"{str(what)[:80]} has no counterpart in licence terms")
