"""What may be asked of governance: the shape of names, roles and policies. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from memporium_platform.authz.entries import ATTRIBUTES, EVERYBODY, ROLE_PREFIX, Condition
from memporium_platform.authz.patterns import is_action_pattern, is_object_pattern
from memporium_platform.authz.roles import OPERATOR
from memporium_platform.errors import invalid
from memporium_platform.names import PRINCIPAL
from memporium_services.governance.domain.records import PLATFORM

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_DISPLAY_NAME = 200
MAX_DESCRIPTION = 500
MAX_CONDITIONS = 8
MAX_VALUES = 64
_ROLE = re.compile(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?")
_RESERVED = frozenset({PLATFORM, "memporium", "services"})


def check_new_org(org: str) -> None:
    """Refuse ids that the platform keeps for itself.

    Raises:
        PlatformError: INVALID_FIELD.
    """
    if org in _RESERVED:
        raise invalid("organisation_id", "is reserved")


def check_text(text: str, field: str, limit: int = MAX_DISPLAY_NAME) -> str:
    """Return a text of at most `limit` characters.

    Raises:
        PlatformError: INVALID_FIELD.
    """
    if len(text) > limit:
        raise invalid(field, f"must have at most {limit} characters")
    return text


def check_role(role: str, org: str, field: str) -> str:
    """Return the id of a role that may be given in `org`.

    Raises:
        PlatformError: INVALID_FIELD.
    """
    if _ROLE.fullmatch(role) is None:
        raise invalid(field, "must be the id of a role")
    if role == OPERATOR and org != PLATFORM:
        raise invalid(field, f"{OPERATOR} is a role of the platform's own organisation")
    return role


def check_member(member: str, org: str, field: str) -> str:
    """Return a member: a principal's name or a role.

    Raises:
        PlatformError: INVALID_FIELD.
    """
    if member.startswith(ROLE_PREFIX):
        check_role(member.removeprefix(ROLE_PREFIX), org, field)
    elif PRINCIPAL.match(member) is None:
        raise invalid(field, "must be the name of a principal or roles/{role}")
    elif org == PLATFORM and not member.startswith(f"orgs/{PLATFORM}/"):
        raise invalid(field, "must be a principal of the platform's own organisation")
    return member


def check_subject(subject: str, org: str, field: str) -> str:
    """Return the subject of a policy.

    Raises:
        PlatformError: INVALID_FIELD.
    """
    return subject if subject == EVERYBODY else check_member(subject, org, field)


def check_object(pattern: str, org: str, field: str) -> str:
    """Return the object pattern of a policy: inside of the organisation.

    Raises:
        PlatformError: INVALID_FIELD.
    """
    if not is_object_pattern(pattern, org):
        raise invalid(field, f"must be *, orgs/{org}, or a name or pattern below it")
    return pattern


def check_action(pattern: str, field: str, *, exact: bool = False) -> str:
    """Return an action or, unless `exact`, a pattern of actions.

    Raises:
        PlatformError: INVALID_FIELD.
    """
    if not is_action_pattern(pattern) or (exact and "*" in pattern):
        raise invalid(field, "must be an action, <service>.<resource>.<verb>" + ("" if exact else ", or a pattern"))
    return pattern


def check_conditions(conditions: Sequence[Condition], field: str) -> tuple[Condition, ...]:
    """Return the conditions of a policy.

    Raises:
        PlatformError: INVALID_FIELD.
    """
    if len(conditions) > MAX_CONDITIONS:
        raise invalid(field, f"must be at most {MAX_CONDITIONS}")
    for number, condition in enumerate(conditions):
        place = f"{field}[{number}]"
        if condition.attribute not in ATTRIBUTES:
            raise invalid(f"{place}.attribute", f"must be one of {', '.join(sorted(ATTRIBUTES))}")
        if not 1 <= len(condition.values) <= MAX_VALUES:
            raise invalid(f"{place}.values", f"must be 1 to {MAX_VALUES}")
        for value in condition.values:
            check_text(value, f"{place}.values")
    return tuple(conditions)
