"""Resource names and ids: `orgs/{org}/vaults/{vault}/cubes/{cube}` and the like.

Ids that people choose begin with a letter; ids that the platform makes are lower-case ULIDs, which begin with a digit
until the year 10889, so the two never meet (AIP-122, AIP-148).
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, lru_cache

from memporium_platform.errors import invalid

_DIGITS = "0123456789abcdefghjkmnpqrstvwxyz"
_RANDOM_CHARS = 16
_IDS_DRAWN = 256
# Ids not yet given out; popping is atomic, so threads never get the same. A forked child draws its own.
_DRAWN: list[str] = []
os.register_at_fork(after_in_child=_DRAWN.clear)
# Random byte to digit: five bits of the eight are used, so all digits are as likely.
_TO_DIGITS = _DIGITS.encode() * 8
_PAIRS = [first + second for first in _DIGITS for second in _DIGITS]
_CHOSEN = re.compile(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?")
_ANY_ID = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
# An organisation of another platform: its id, a dot, and that platform's. Nobody here can have such an id.
_ORG_ID = rf"{_ANY_ID}(?:\.{_ANY_ID})?"
_ANY_ORG = re.compile(_ORG_ID)
_VARIABLE = re.compile(r"\{(\w+)\}")


def new_id(now: datetime | None = None) -> str:
    """Return a new lower-case ULID: 26 characters, sorts by time."""
    # 48 bits of time and 80 random ones, five bits a character; each call makes one, so it is done in few steps.
    return _moment(int((now or datetime.now(UTC)).timestamp() * 1000)) + _random()


@lru_cache(maxsize=64)
def _moment(moment_ms: int) -> str:
    """Return a time as ten characters of Crockford's base 32."""
    return "".join(_PAIRS[moment_ms >> shift & 1023] for shift in (40, 30, 20, 10, 0))


def _random() -> str:
    """Return 16 random characters, drawn for many ids at once.

    Drawing them one by one would let go of the interpreter's lock in every call, and busy threads give it back late.
    """
    try:
        return _DRAWN.pop()
    except IndexError:
        drawn = os.urandom(_RANDOM_CHARS * _IDS_DRAWN).translate(_TO_DIGITS).decode()
        _DRAWN.extend(drawn[at : at + _RANDOM_CHARS] for at in range(_RANDOM_CHARS, len(drawn), _RANDOM_CHARS))
        return drawn[:_RANDOM_CHARS]


def check_id(value: str, field: str) -> str:
    """Return a chosen id if it is well formed.

    Raises:
        PlatformError: INVALID_FIELD, where it is not.
    """
    if not _CHOSEN.fullmatch(value):
        message = "must begin with a letter and hold 1 to 63 of a-z, 0-9 and '-', not ending in '-'"
        raise invalid(field, message)
    return value


@dataclass(frozen=True, slots=True)
class Pattern:
    """The shape of one kind of name, for instance `orgs/{org}/vaults/{vault}`."""

    template: str

    def format(self, **ids: str) -> str:
        """Return the name with these ids."""
        return self.template.format(**ids)

    def match(self, name: str) -> dict[str, str] | None:
        """Return the ids in `name` by variable, or None where it has another shape."""
        found = _shape(self.template).fullmatch(name)
        return None if found is None else found.groupdict()

    def parse(self, name: str, field: str = "name") -> dict[str, str]:
        """Return the ids in `name` by variable.

        Raises:
            PlatformError: INVALID_FIELD, where the name has another shape.
        """
        found = self.match(name)
        if found is None:
            raise invalid(field, f"must have the form {self.template}")
        return found


@cache
def _shape(template: str) -> re.Pattern[str]:
    """Return the expression that names of a template match; literal parts are letters and slashes alone."""
    return re.compile(_VARIABLE.sub(_group, template))


def _group(variable: re.Match[str]) -> str:
    return f"(?P<{variable.group(1)}>{_ORG_ID if variable.group(1) == 'org' else _ANY_ID})"


ORG = Pattern("orgs/{org}")
PRINCIPAL = Pattern("orgs/{org}/principals/{principal}")
API_KEY = Pattern("orgs/{org}/principals/{principal}/keys/{key}")
ISSUER = Pattern("orgs/{org}/issuers/{issuer}")
ROLE_BINDING = Pattern("orgs/{org}/roleBindings/{binding}")
POLICY = Pattern("orgs/{org}/policies/{policy}")
VAULT = Pattern("orgs/{org}/vaults/{vault}")
CUBE = Pattern("orgs/{org}/vaults/{vault}/cubes/{cube}")
MOUNT = Pattern("orgs/{org}/vaults/{vault}/mounts/{mount}")
LISTING = Pattern("orgs/{org}/listings/{listing}")
RELEASE = Pattern("orgs/{org}/listings/{listing}/releases/{release}")
OFFER = Pattern("orgs/{org}/listings/{listing}/offers/{offer}")
NEGOTIATION = Pattern("orgs/{org}/negotiations/{negotiation}")
AGREEMENT = Pattern("orgs/{org}/agreements/{agreement}")
CONSENT = Pattern("orgs/{org}/agreements/{agreement}/consents/{consent}")
SUBSCRIPTION = Pattern("orgs/{org}/subscriptions/{subscription}")
BUNDLE = Pattern("orgs/{org}/bundles/{bundle}")
JOB = Pattern("orgs/{org}/jobs/{job}")


def org_of(name: str) -> str:
    """Return the organisation id in any name below `orgs/`, or "" where there is none."""
    parts = name.split("/", 2)
    return parts[1] if len(parts) > 1 and parts[0] == "orgs" and _ANY_ORG.fullmatch(parts[1]) else ""


__all__ = [
    "AGREEMENT",
    "API_KEY",
    "BUNDLE",
    "CONSENT",
    "CUBE",
    "ISSUER",
    "JOB",
    "LISTING",
    "MOUNT",
    "NEGOTIATION",
    "OFFER",
    "ORG",
    "POLICY",
    "PRINCIPAL",
    "RELEASE",
    "ROLE_BINDING",
    "SUBSCRIPTION",
    "VAULT",
    "Pattern",
    "check_id",
    "new_id",
    "org_of",
]
