"""Who may see a listing or an offer."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from memporium_platform.errors import invalid
from memporium_platform.names import ORG


class Scope(StrEnum):
    """How wide."""

    PRIVATE = "PRIVATE"
    ORGANISATIONS = "ORGANISATIONS"
    PUBLIC = "PUBLIC"


# Stands for every organisation among the rows that say who may see what.
EVERYBODY = "*"
_MAX_ORGANISATIONS = 1000


@dataclass(frozen=True, slots=True)
class Audience:
    """A scope, and the ids of the named organisations."""

    scope: Scope = Scope.PRIVATE
    orgs: tuple[str, ...] = ()

    def rows(self, owner: str) -> tuple[str, ...]:
        """Return the ids of the organisations that may see it, the owner's among them; `*` for all."""
        if self.scope is Scope.PUBLIC:
            return (EVERYBODY,)
        named = self.orgs if self.scope is Scope.ORGANISATIONS else ()
        return tuple(sorted({owner, *named}))

    def includes(self, org: str, owner: str) -> bool:
        """Return whether an organisation may see it."""
        return org == owner or self.scope is Scope.PUBLIC or (self.scope is Scope.ORGANISATIONS and org in self.orgs)


def audience(scope: Scope, organisations: tuple[str, ...], field: str) -> Audience:
    """Return a checked audience; `organisations` are names, `orgs/{org}`.

    Raises:
        PlatformError: INVALID_FIELD.
    """
    if (scope is Scope.ORGANISATIONS) != bool(organisations):
        raise invalid(f"{field}.organisations", "must be given with SCOPE_ORGANISATIONS, and only with it")
    if len(organisations) > _MAX_ORGANISATIONS:
        raise invalid(f"{field}.organisations", f"must be at most {_MAX_ORGANISATIONS}")
    orgs = {ORG.parse(name, f"{field}.organisations")["org"] for name in organisations}
    return Audience(scope, tuple(sorted(orgs)))
