"""What the authorisation state is made of: the rows that governance streams, free of protobuf."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from memporium_platform.call import PrincipalKind

# Domain of what the platform ships: it holds in every organisation, each by itself.
SHARED = "*"
# Subject of a rule about everybody.
EVERYBODY = "*"
ROLE_PREFIX = "roles/"

# Attributes of a call that a rule may test.
ATTRIBUTES = frozenset({"purpose", "region", "channel", "via", "kind", "counterparty", "hour", "weekday"})


class Condition(NamedTuple):
    """A test of an attribute of the call: it is (`within`) or is not one of `values`."""

    attribute: str
    within: bool
    values: frozenset[str]


class Rule(NamedTuple):
    """A row of policy: Casbin's `p`. `domain` is an organisation's id or `SHARED`."""

    id: str
    subject: str
    domain: str
    object: str
    action: str
    allow: bool
    tests: tuple[Condition, ...] = ()

    def passes(self, context: Mapping[str, str]) -> bool:
        """Whether all tests pass; a test that is not understood never helps an allow and never stops a deny."""
        for attribute, within, values in self.tests:
            if attribute not in ATTRIBUTES:
                if self.allow:
                    return False
            elif (context.get(attribute, "") in values) is not within:
                return False
        return True


class Grouping(NamedTuple):
    """A row of role inheritance: Casbin's `g`."""

    member: str
    role: str
    domain: str


@dataclass(frozen=True, slots=True)
class OrgState:
    """An organisation, as far as access goes."""

    org: str
    active: bool


@dataclass(frozen=True, slots=True)
class PrincipalState:
    """A principal, as far as access goes."""

    name: str
    org: str
    kind: PrincipalKind
    disabled: bool = False


@dataclass(frozen=True, slots=True)
class Credential:
    """An API key: SHA-256 of its secret, and until when it is good (microseconds since 1970; 0: for ever)."""

    key_id: str
    principal: str
    secret_sha256: bytes
    expire_us: int = 0
    revoked: bool = False


@dataclass(frozen=True, slots=True)
class IssuerState:
    """An issuer of JSON Web Tokens, for principals of one organisation."""

    org: str
    id: str
    issuer: str
    audience: str
    jwks: str
    algorithms: tuple[str, ...]
    principal_claim: str = "sub"


Entry = OrgState | PrincipalState | Credential | IssuerState | Grouping | Rule
