"""What governance keeps, as values. Times are microseconds since 1970 in UTC; 0: never."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from memporium_platform.authz.entries import (
    ROLE_PREFIX,
    Condition,
    Credential,
    Entry,
    Grouping,
    IssuerState,
    OrgState,
    PrincipalState,
    Rule,
)
from memporium_platform.names import API_KEY, ISSUER, ORG, POLICY, PRINCIPAL, ROLE_BINDING, org_of

if TYPE_CHECKING:
    from memporium_platform.call import PrincipalKind

PLATFORM = "platform"


@dataclass(frozen=True, slots=True)
class Organisation:
    """A tenant."""

    org: str
    display_name: str
    create_us: int
    delete_us: int = 0

    @property
    def name(self) -> str:
        """Its resource name."""
        return ORG.format(org=self.org)

    @property
    def key(self) -> str:
        """Key of its row in the authorisation state."""
        return f"org/{self.org}"

    def entry(self) -> Entry:
        """Return it as far as access goes."""
        return OrgState(self.org, active=not self.delete_us)


@dataclass(frozen=True, slots=True)
class Principal:
    """Somebody or something that calls."""

    name: str
    kind: PrincipalKind
    display_name: str
    create_us: int
    disabled: bool = False

    @property
    def key(self) -> str:
        """Key of its row in the authorisation state."""
        return f"principal/{self.name}"

    def entry(self) -> Entry:
        """Return it as far as access goes."""
        return PrincipalState(self.name, org_of(self.name), self.kind, self.disabled)

    @staticmethod
    def name_of(org: str, principal: str) -> str:
        """Return the resource name."""
        return PRINCIPAL.format(org=org, principal=principal)


@dataclass(frozen=True, slots=True)
class ApiKey:
    """An API key, without its secret."""

    key_id: str
    principal: str
    display_name: str
    secret_sha256: bytes
    create_us: int
    expire_us: int = 0
    revoke_us: int = 0

    @property
    def name(self) -> str:
        """Its resource name."""
        ids = PRINCIPAL.parse(self.principal)
        return API_KEY.format(key=self.key_id, **ids)

    @property
    def key(self) -> str:
        """Key of its row in the authorisation state."""
        return f"key/{self.key_id}"

    def entry(self) -> Entry:
        """Return it as far as access goes."""
        return Credential(self.key_id, self.principal, self.secret_sha256, self.expire_us, revoked=bool(self.revoke_us))


@dataclass(frozen=True, slots=True)
class Issuer:
    """An issuer of tokens."""

    org: str
    id: str
    issuer: str
    audience: str
    jwks: str
    algorithms: tuple[str, ...]
    principal_claim: str
    create_us: int

    @property
    def name(self) -> str:
        """Its resource name."""
        return ISSUER.format(org=self.org, issuer=self.id)

    @property
    def key(self) -> str:
        """Key of its row in the authorisation state."""
        return f"issuer/{self.name}"

    def entry(self) -> Entry:
        """Return it as far as access goes."""
        return IssuerState(
            self.org, self.id, self.issuer, self.audience, self.jwks, self.algorithms, self.principal_claim
        )


@dataclass(frozen=True, slots=True)
class Binding:
    """A role given: Casbin's `g`."""

    org: str
    id: str
    member: str
    role: str
    create_us: int

    @property
    def name(self) -> str:
        """Its resource name."""
        return ROLE_BINDING.format(org=self.org, binding=self.id)

    @property
    def key(self) -> str:
        """Key of its row in the authorisation state."""
        return f"binding/{self.name}"

    def entry(self) -> Grouping:
        """Return it as far as access goes."""
        return Grouping(self.member, ROLE_PREFIX + self.role, self.org)


@dataclass(frozen=True, slots=True)
class Policy:
    """A rule of an organisation: Casbin's `p`."""

    org: str
    id: str
    subject: str
    object: str
    action: str
    allow: bool
    conditions: tuple[Condition, ...]
    description: str
    create_us: int

    @property
    def name(self) -> str:
        """Its resource name."""
        return POLICY.format(org=self.org, policy=self.id)

    @property
    def key(self) -> str:
        """Key of its row in the authorisation state."""
        return f"policy/{self.name}"

    def entry(self) -> Rule:
        """Return it as far as access goes."""
        return Rule(self.name, self.subject, self.org, self.object, self.action, self.allow, self.conditions)


Record = Organisation | Principal | ApiKey | Issuer | Binding | Policy
