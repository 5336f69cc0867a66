"""Licence terms as an ODRL 2.2 policy in JSON-LD.

Everything that terms hold has a counterpart (`odrl_names`), so that `terms_from_odrl` of a policy that was written here
gives the same terms, byte for byte; only a window that says nothing is left out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from memporium.cube.v1 import cube_pb2
from memporium.memstore.v1 import terms_pb2
from memporium_platform.errors import invalid
from memporium_platform.licence import odrl_names as names
from memporium_platform.licence.check import check_terms
from memporium_platform.licence.codec import digest_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from google.protobuf.duration_pb2 import Duration


def odrl_of(terms: terms_pb2.LicenceTerms) -> dict[str, Any]:
    """Return a policy of type Set; its `uid` is the digest of the terms.

    Raises:
        PlatformError: INVALID_FIELD, where the terms are not fit to be offered: something in them is not known.
    """
    policy: dict[str, Any] = {
        "@context": [names.CONTEXT, {"mp": names.NAMESPACE}],
        "@type": "Set",
        "uid": f"urn:sha256:{digest_of(check_terms(terms, 'terms'))}",
        "profile": names.PROFILE,
    }
    if terms.title:
        policy["dc:title"] = terms.title
    if terms.spdx_expression:
        policy["mp:spdx"] = terms.spdx_expression
    if terms.legal_text_sha256s:
        policy["mp:legalText"] = list(terms.legal_text_sha256s)
    if terms.permissions:
        policy["permission"] = [_permission(one) for one in terms.permissions]
    if terms.prohibitions:
        policy["prohibition"] = [_prohibition(one) for one in terms.prohibitions]
    if terms.duties:
        policy["obligation"] = [_obligation(one) for one in terms.duties]
    return policy


def _permission(permission: terms_pb2.LicencePermission) -> dict[str, Any]:
    constraints = [_forms(permission.forms)]
    rule: dict[str, Any] = {"action": _actions(permission.actions), "constraint": constraints}
    if permission.HasField("constraints"):
        # Terms with empty constraints are other bytes than terms with none.
        rule["mp:constraints"] = True
        constraints.extend(_constraints(permission.constraints))
    return rule


def _prohibition(prohibition: terms_pb2.LicenceProhibition) -> dict[str, Any]:
    rule: dict[str, Any] = {"action": _actions(prohibition.actions)}
    if prohibition.forms:
        rule["constraint"] = [_forms(prohibition.forms)]
    return rule


def _obligation(duty: terms_pb2.Duty) -> dict[str, Any]:
    kind = _known(terms_pb2.DutyKind.Name(duty.kind), "DUTY_KIND_", names.DUTIES, "duties.kind")
    rule: dict[str, Any] = {"action": kind}
    if kind == names.DUTIES["DELETE_ON_EXPIRY"]:
        rule["constraint"] = [_constraint(names.EVENT, "eq", names.ENDED)]
    if duty.text:
        rule["mp:text"] = duty.text
    return rule


def _actions(values: Any) -> list[str]:
    return [
        _known(terms_pb2.LicenceAction.Name(value), "LICENCE_ACTION_", names.ACTIONS, "actions") for value in values
    ]


def _forms(values: Any) -> dict[str, Any]:
    shown = [_known(cube_pb2.MemoryForm.Name(value), "MEMORY_FORM_", names.FORMS, "forms") for value in values]
    return _constraint(names.FORM, "isAnyOf", shown)


def _constraints(message: terms_pb2.LicenceConstraints) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    window = message.window
    if message.HasField("window"):
        found += _window(window)
    for field, operand in names.SETS.items():
        if message.HasField(field):  # type: ignore[arg-type]
            found.append(_constraint(operand, "isAnyOf", list(getattr(message, field).values)))
    for quota in message.quotas:
        unit = _known(terms_pb2.UseUnit.Name(quota.unit), "USE_UNIT_", names.UNITS, "quotas.unit")
        shown = _constraint(names.COUNT, "lteq", quota.limit) | {"unit": unit}
        period = terms_pb2.QuotaPeriod.Name(quota.period).removeprefix("QUOTA_PERIOD_")
        if period != "AGREEMENT":
            shown["mp:period"] = _known(period, "", names.PERIODS, "quotas.period")
        found.append(shown | ({"mp:pool": quota.pool} if quota.pool else {}))
    for rate in message.rates:
        found.append(_constraint(names.RATE, "lteq", rate.limit) | {"mp:interval": f"PT{rate.interval.seconds}S"})
    for operand, operator, number in (
        (names.CONCURRENCY, "lteq", message.max_concurrency),
        (names.AGGREGATION, "gteq", message.min_aggregation),
    ):
        if number:
            found.append(_constraint(operand, operator, number))
    found += _seats(message)
    if message.on_platform_only:
        found.append(_constraint(names.PLACE, "eq", names.PLATFORM))
    return found


def _seats(message: terms_pb2.LicenceConstraints) -> list[dict[str, Any]]:
    if not message.max_seats:
        return []
    hold = {"mp:hold": _iso(message.seat_hold)} if message.HasField("seat_hold") else {}
    return [_constraint(names.SEATS, "lteq", message.max_seats) | hold]


def _window(window: terms_pb2.LicenceWindow) -> list[dict[str, Any]]:
    found = []
    if window.HasField("start_time"):
        found.append(_constraint(names.DATE, "gteq", _typed(window.start_time.ToJsonString(), "xsd:dateTime")))
    if window.HasField("end_time"):
        found.append(_constraint(names.DATE, "lt", _typed(window.end_time.ToJsonString(), "xsd:dateTime")))
    if window.HasField("duration"):
        found.append(_constraint(names.ELAPSED, "lteq", _typed(_iso(window.duration), "xsd:duration")))
    return found


def _iso(duration: Duration) -> str:
    """Return an ISO 8601 duration in seconds, exactly."""
    fraction = f".{duration.nanos:09d}".rstrip("0") if duration.nanos else ""
    return f"PT{duration.seconds}{fraction}S"


def _typed(value: str, kind: str) -> dict[str, str]:
    return {"@value": value, "@type": kind}


def _constraint(left: str, operator: str, right: Any) -> dict[str, Any]:
    return {"leftOperand": left, "operator": operator, "rightOperand": right}


def _known(value: str, prefix: str, table: Mapping[str, str], field: str) -> str:
    name = value.removeprefix(prefix)
    if name not in table:
        raise invalid(field, f"{name} has no counterpart in ODRL")
    return table[name]
