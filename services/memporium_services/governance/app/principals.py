"""Principals and their API keys."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from memporium_platform.call import PrincipalKind
from memporium_platform.errors import already_exists, invalid, not_found
from memporium_platform.names import API_KEY, ORG, PRINCIPAL, check_id, new_id
from memporium_platform.storage.sql.times import to_us
from memporium_services.governance.app.api_secrets import new_secret
from memporium_services.governance.app.changes import Changed, Changes, active, existing_principal
from memporium_services.governance.domain.records import PLATFORM, ApiKey, Binding, Principal
from memporium_services.governance.domain.rules import check_role, check_text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from memporium_platform.call import Call
    from memporium_platform.clock import Clock
    from memporium_services.governance.ports import Directory, Rows

MAX_ROLES = 9


@dataclass(frozen=True, slots=True)
class NewApiKey:
    """A new key, and its whole text, "" when asked again."""

    key: ApiKey
    secret: str
    epoch: int


class Principals:
    """What can be done with principals and their keys."""

    def __init__(
        self, directory: Directory, changes: Changes, clock: Clock, *, require: Callable[[Call, str, str], None]
    ) -> None:
        """Keep what it works with; `require` refuses a call that may not do another action on a resource."""
        self._require = require
        self._directory = directory
        self._changes = changes
        self._clock = clock

    async def create(
        self,
        call: Call,
        parent: str,
        principal_id: str,
        *,
        kind: PrincipalKind,
        display_name: str,
        roles: Sequence[str],
    ) -> Changed[Principal]:
        """Create a principal and bind it to roles.

        Raises:
            PlatformError: INVALID_FIELD or ALREADY_EXISTS; PERMISSION_DENIED, where roles are named and the caller may
                not give any.
        """
        org = ORG.parse(parent, "parent")["org"]
        name = Principal.name_of(org, check_id(principal_id, "principal_id"))
        if (kind is PrincipalKind.OPERATOR) and org != PLATFORM:
            raise invalid("principal.kind", "operators are principals of the platform's own organisation")
        if len(roles) > MAX_ROLES:
            raise invalid("roles", f"must be at most {MAX_ROLES}")
        if roles:
            self._require(call, "governance.bindings.create", parent)
        for role in roles:
            check_role(role, org, "roles")
        now = self._clock.now()
        principal = Principal(name, kind, check_text(display_name, "principal.display_name"), to_us(now))
        bindings = [Binding(org, new_id(now), name, role, to_us(now)) for role in dict.fromkeys(roles)]

        def work(rows: Rows) -> Changed[Principal]:
            active(rows, org)
            if rows.principal(name) is not None:
                raise already_exists(name)
            epoch = rows.put(principal)
            for binding in bindings:
                rows.put(binding)
            return Changed(principal, epoch)

        return await self._changes.run(call, work, lambda rows, found: rows.principal(found))

    async def get(self, name: str) -> Principal:
        """Return a principal.

        Raises:
            PlatformError: NOT_FOUND.
        """
        PRINCIPAL.parse(name)
        return await self._directory.read(lambda rows: existing_principal(rows, name))

    async def kind_of(self, name: str) -> str:
        """Return the kind of a principal, for questions about its access; a user where it does not exist."""
        found = await self._directory.read(lambda rows: rows.principal(name))
        return (found.kind if found is not None else PrincipalKind.USER).value

    async def page(self, parent: str, *, after: str, limit: int) -> list[Principal]:
        """Return the principals of an organisation by name."""
        org = ORG.parse(parent, "parent")["org"]
        return await self._directory.read(lambda rows: rows.principals(org, after, limit))

    async def set_disabled(self, call: Call, name: str, *, disabled: bool) -> Changed[Principal]:
        """Refuse, or accept again, all credentials of a principal.

        Raises:
            PlatformError: NOT_FOUND.
        """
        PRINCIPAL.parse(name)

        def work(rows: Rows) -> Changed[Principal]:
            found = existing_principal(rows, name)
            if found.disabled is disabled:
                return Changed(found, rows.epoch())
            changed = replace(found, disabled=disabled)
            return Changed(changed, rows.put(changed))

        return await self._changes.run(call, work, lambda rows, found: rows.principal(found))

    async def create_key(self, call: Call, parent: str, *, display_name: str, expires: datetime | None) -> NewApiKey:
        """Create an API key.

        Raises:
            PlatformError: NOT_FOUND; INVALID_FIELD, where it would have expired already.
        """
        PRINCIPAL.parse(parent, "parent")
        check_text(display_name, "api_key.display_name")
        now = self._clock.now()
        if expires is not None and expires <= now:
            raise invalid("api_key.expire_time", "must be in the future")
        secret = new_secret(new_id(now))
        expire_us = to_us(expires) if expires is not None else 0
        key = ApiKey(secret.key_id, parent, display_name, secret.sha256, to_us(now), expire_us)

        def work(rows: Rows) -> Changed[ApiKey]:
            existing_principal(rows, parent)
            return Changed(key, rows.put(key))

        changed = await self._changes.run(call, work, _find_key)
        return NewApiKey(changed.record, secret.text if changed.record is key else "", changed.epoch)

    async def list_keys(self, parent: str, *, after: str, limit: int) -> list[ApiKey]:
        """Return the keys of a principal, oldest first."""
        PRINCIPAL.parse(parent, "parent")
        return await self._directory.read(lambda rows: rows.api_keys(parent, after, limit))

    async def revoke_key(self, call: Call, name: str) -> Changed[ApiKey]:
        """Refuse a key from now on.

        Raises:
            PlatformError: NOT_FOUND.
        """
        API_KEY.parse(name)
        now_us = to_us(self._clock.now())

        def work(rows: Rows) -> Changed[ApiKey]:
            found = _find_key(rows, name)
            if found is None:
                raise not_found(name)
            if found.revoke_us:
                return Changed(found, rows.epoch())
            revoked = replace(found, revoke_us=now_us)
            return Changed(revoked, rows.put(revoked))

        return await self._changes.run(call, work, _find_key)


def _find_key(rows: Rows, name: str) -> ApiKey | None:
    found = rows.api_key(name.rpartition("/")[2])
    return found if found is not None and found.name == name else None
