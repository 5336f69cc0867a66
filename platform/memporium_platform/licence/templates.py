"""Licence templates: YAML that a person can read, made into `LicenceTerms`.

A quota is written `100 calls`, or `100 calls a month`; a rate `600 in 60 seconds`; a time `30 days`. What is not known
is refused, so a typing error never widens a licence.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import yaml

from memporium.cube.v1 import cube_pb2
from memporium.memstore.v1 import terms_pb2
from memporium_platform.errors import PlatformError, invalid
from memporium_platform.licence.check import check_terms

if TYPE_CHECKING:
    from pathlib import Path

_QUOTA = re.compile(r"(\d+) (calls|memories|tokens|bytes|derivations)(?: an? (hour|day|month|year))?")
_RATE = re.compile(r"(\d+) in (\d+) seconds?")
_TIME = re.compile(r"(\d+) (second|minute|hour|day)s?")
_SECONDS = {"second": 1, "minute": 60, "hour": 3600, "day": 86_400}
_SETS = ("purposes", "regions", "workloads", "recipients")
_TOP = {"title", "spdx", "legal-texts", "permissions", "prohibitions", "duties"}
_PERMISSION = {
    "actions", "forms", "from", "until", "for", "quotas", "rates", "max-concurrency", "max-seats", "seat-hold",
    "min-aggregation", "on-platform-only", *_SETS,
}  # fmt: skip


def load_template(path: Path) -> terms_pb2.LicenceTerms:
    """Return the terms in a template file.

    Raises:
        PlatformError: INVALID_FIELD, naming the file and the place in it.
    """
    try:
        return terms_from(yaml.safe_load(path.read_text(encoding="utf-8")))
    except yaml.YAMLError as error:
        raise invalid(path.name, "is not YAML") from error
    except PlatformError as error:
        raise invalid(path.name, error.message) from error


def terms_from(template: object) -> terms_pb2.LicenceTerms:
    """Return the terms in a parsed template.

    Raises:
        PlatformError: INVALID_FIELD.
    """
    top = _mapping(template, "template", _TOP)
    terms = terms_pb2.LicenceTerms(
        title=str(top.get("title", "")),
        spdx_expression=str(top.get("spdx", "")),
        legal_text_sha256s=[str(digest) for digest in _sequence(top.get("legal-texts"), "legal-texts")],
    )
    for index, entry in enumerate(_sequence(top.get("permissions"), "permissions")):
        _permission(terms.permissions.add(), entry, f"permissions[{index}]")
    for index, entry in enumerate(_sequence(top.get("prohibitions"), "prohibitions")):
        path = f"prohibitions[{index}]"
        given = _mapping(entry, path, {"actions", "forms"})
        prohibition: Any = terms.prohibitions.add()
        prohibition.actions.extend(_values(given, "actions", path, terms_pb2.LicenceAction, "LICENCE_ACTION_"))
        prohibition.forms.extend(_values(given, "forms", path, cube_pb2.MemoryForm, "MEMORY_FORM_"))
    for index, entry in enumerate(_sequence(top.get("duties"), "duties")):
        path = f"duties[{index}]"
        given = _mapping(entry, path, {"kind", "text"})
        kind = _value(given.get("kind", ""), f"{path}.kind", terms_pb2.DutyKind, "DUTY_KIND_")
        terms.duties.add(kind=kind, text=str(given.get("text", "")))
    check_terms(terms, "template")
    return terms


def _permission(permission: Any, entry: object, path: str) -> None:
    given = _mapping(entry, path, _PERMISSION)
    permission.actions.extend(_values(given, "actions", path, terms_pb2.LicenceAction, "LICENCE_ACTION_"))
    permission.forms.extend(_values(given, "forms", path, cube_pb2.MemoryForm, "MEMORY_FORM_"))
    constraints = permission.constraints
    for name, field in (("from", "start_time"), ("until", "end_time")):
        if name in given:
            _time(getattr(constraints.window, field), given[name], f"{path}.{name}")
    if "for" in given:
        found = _match(_TIME, given["for"], f"{path}.for", "a time such as 30 days")
        constraints.window.duration.FromSeconds(int(found[1]) * _SECONDS[found[2]])
    for name in _SETS:
        if name in given:
            getattr(constraints, name).SetInParent()
            getattr(constraints, name).values.extend(str(value) for value in _sequence(given[name], f"{path}.{name}"))
    for text in _sequence(given.get("quotas"), f"{path}.quotas"):
        found = _match(_QUOTA, text, f"{path}.quotas", "a quota such as 100 calls a month")
        period = (found[3] or "agreement").upper()
        constraints.quotas.add(
            limit=int(found[1]), unit=f"USE_UNIT_{found[2].upper()}", period=f"QUOTA_PERIOD_{period}"
        )
    for text in _sequence(given.get("rates"), f"{path}.rates"):
        found = _match(_RATE, text, f"{path}.rates", "a rate such as 600 in 60 seconds")
        constraints.rates.add(limit=int(found[1])).interval.FromSeconds(int(found[2]))
    constraints.max_concurrency = _number(given, "max-concurrency", path)
    constraints.max_seats = _number(given, "max-seats", path)
    if "seat-hold" in given:
        found = _match(_TIME, given["seat-hold"], f"{path}.seat-hold", "a time such as 90 days")
        constraints.seat_hold.FromSeconds(int(found[1]) * _SECONDS[found[2]])
    constraints.min_aggregation = _number(given, "min-aggregation", path)
    only = given.get("on-platform-only", False)
    if not isinstance(only, bool):
        raise invalid(f"{path}.on-platform-only", "must be true or false")
    constraints.on_platform_only = only


def _mapping(value: object, path: str, known: set[str]) -> dict[str, Any]:
    if not isinstance(value, dict) or not set(value) <= known:
        raise invalid(path, f"must be a mapping of {', '.join(sorted(known))}")
    return value


def _sequence(value: object, path: str) -> list[Any]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise invalid(path, "must be a list")
    return value


def _values(given: dict[str, Any], name: str, path: str, enum: Any, prefix: str) -> list[int]:
    return [_value(value, f"{path}.{name}", enum, prefix) for value in _sequence(given.get(name), f"{path}.{name}")]


def _value(value: object, path: str, enum: Any, prefix: str) -> int:
    name = prefix + str(value).upper().replace("-", "_")
    if name not in enum.keys() or not enum.Value(name):  # noqa: SIM118 - an enum's descriptor is no mapping
        raise invalid(path, f"{value!r} is not known")
    return int(enum.Value(name))


def _match(pattern: re.Pattern[str], value: object, path: str, wanted: str) -> re.Match[str]:
    found = pattern.fullmatch(str(value))
    if found is None:
        raise invalid(path, f"must be {wanted}")
    return found


def _number(given: dict[str, Any], name: str, path: str) -> int:
    value = given.get(name, 0)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise invalid(f"{path}.{name}", "must be a number, 0 or more")
    return value


def _time(stamp: Any, value: object, path: str) -> None:
    try:
        stamp.FromJsonString(value if isinstance(value, str) else f"{value:%Y-%m-%dT%H:%M:%SZ}")
    except (ValueError, TypeError) as error:
        raise invalid(path, "must be a time such as 2026-12-31T00:00:00Z") from error
