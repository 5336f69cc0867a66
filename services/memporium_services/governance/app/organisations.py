"""Organisations: made with their first owner, deleted with their keys."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from memporium_platform.authz.roles import OWNER
from memporium_platform.call import PrincipalKind
from memporium_platform.errors import PlatformError, Reason, already_exists, denied, not_found
from memporium_platform.names import ORG, check_id, new_id
from memporium_platform.storage.sql.times import to_us
from memporium_services.governance.app.api_secrets import new_secret
from memporium_services.governance.app.changes import Changed, Changes
from memporium_services.governance.domain.records import PLATFORM, ApiKey, Binding, Organisation, Principal
from memporium_services.governance.domain.rules import check_new_org, check_text

if TYPE_CHECKING:
    from memporium_platform.call import Call
    from memporium_platform.clock import Clock
    from memporium_platform.crypto.keyring import Keyring
    from memporium_services.governance.ports import Directory, Rows


@dataclass(frozen=True, slots=True)
class NewOrganisation:
    """An organisation with its first owner, that owner's key, and its secret, "" when asked again."""

    organisation: Organisation
    owner: Principal
    key: ApiKey
    secret: str
    epoch: int


@dataclass(frozen=True, slots=True)
class PublicKeys:
    """Public keys of an organisation, raw.

    Attributes:
        signing: The one in use, 32 bytes.
        hpke: To which bundles are sealed, 32 bytes.
        previous: Those that signed before, newest first.
        hybrid: To which bundles of the hybrid suite are sealed, 1,216 bytes.
    """

    signing: bytes
    hpke: bytes
    previous: tuple[bytes, ...]
    hybrid: bytes


class Organisations:
    """What can be done with organisations."""

    def __init__(self, directory: Directory, changes: Changes, keys: Keyring, clock: Clock) -> None:
        """Keep what it works with."""
        self._directory = directory
        self._changes = changes
        self._keys = keys
        self._clock = clock

    async def create(self, call: Call, org: str, *, display_name: str, owner_id: str) -> NewOrganisation:
        """Create an organisation.

        Raises:
            PlatformError: INVALID_FIELD; ALREADY_EXISTS, also where one of that id was deleted.
        """
        check_new_org(check_id(org, "organisation_id"))
        owner_name = Principal.name_of(org, check_id(owner_id or "owner", "owner_id"))
        check_text(display_name, "display_name")
        now = self._clock.now()
        now_us = to_us(now)
        secret = new_secret(new_id(now))
        organisation = Organisation(org, display_name or org, now_us)
        owner = Principal(owner_name, PrincipalKind.USER, "", now_us)
        key = ApiKey(secret.key_id, owner_name, "first key", secret.sha256, now_us)
        binding = Binding(org, new_id(now), owner_name, OWNER, now_us)

        def work(rows: Rows) -> NewOrganisation:
            if rows.organisation(org) is not None:
                raise already_exists(organisation.name)
            for record in (organisation, owner, key, binding):
                epoch = rows.put(record)
            return NewOrganisation(organisation, owner, key, secret.text, epoch)

        def recall(rows: Rows, text: str) -> NewOrganisation:
            epoch, key_id = text.split(" ")
            found, principal, made = rows.organisation(org), rows.principal(owner_name), rows.api_key(key_id)
            if found is None or principal is None or made is None:
                raise not_found(organisation.name)
            return NewOrganisation(found, principal, made, "", int(epoch))

        result = await self._directory.mutate(
            call,
            work,
            remember=lambda made: f"{made.epoch} {made.key.key_id}",
            recall=recall,
            resource=lambda made: made.organisation.name,
        )
        await self._changes.settle(result.epoch)
        return result

    async def get(self, name: str) -> Organisation:
        """Return an organisation.

        Raises:
            PlatformError: NOT_FOUND.
        """
        org = ORG.parse(name)["org"]
        found = await self._directory.read(lambda rows: rows.organisation(org))
        if found is None:
            raise not_found(name)
        return found

    async def page(self, *, after: str, limit: int, deleted: bool) -> list[Organisation]:
        """Return organisations by id."""
        return await self._directory.read(lambda rows: rows.organisations(after, limit, deleted=deleted))

    async def delete(self, call: Call, name: str) -> Changed[Organisation]:
        """Delete an organisation: its credentials are refused at once, its keys destroyed.

        Raises:
            PlatformError: NOT_FOUND; FAILED_PRECONDITION for the platform's own.
        """
        org = ORG.parse(name)["org"]
        now_us = to_us(self._clock.now())

        def work(rows: Rows) -> Changed[Organisation]:
            found = rows.organisation(org)
            if found is None:
                raise not_found(name)
            if org == PLATFORM:
                state = {"resource": name, "state": "ACTIVE"}
                message = "the platform's own organisation cannot be deleted"
                raise PlatformError(Reason.FAILED_PRECONDITION, message, metadata=state)
            if found.delete_us:
                return Changed(found, rows.epoch())
            deleted = replace(found, delete_us=now_us)
            return Changed(deleted, rows.put(deleted))

        changed = await self._changes.run(call, work, lambda rows, _: rows.organisation(org))
        # After the credentials are refused, and again when the call is repeated after a crash.
        await self._keys.destroy_org_keys(org)
        return changed

    async def public_keys(self, name: str) -> PublicKeys:
        """Return the public keys of an organisation.

        Raises:
            PlatformError: PERMISSION_DENIED, where it does not exist or was deleted.
        """
        org = ORG.parse(name)["org"]
        found = await self._directory.read(lambda rows: rows.organisation(org))
        if found is None or found.delete_us:
            raise denied("governance.organisations.keys", name)
        signing, hpke = await self._keys.org_signing_keys(org), await self._keys.org_hpke_key(org)
        current, *previous = (key.public_key().public_bytes_raw() for key in signing)
        hybrid = (await self._keys.org_hybrid_key(org)).public_key().public_bytes_raw()
        return PublicKeys(current, hpke.public_key().public_bytes_raw(), tuple(previous), hybrid)
