"""What every concern of the vault shares: its ports, and finding a vault with its key."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from memporium_platform import names
from memporium_platform.errors import PlatformError, Reason, invalid, not_found
from memporium_platform.storage.sql.times import from_us, to_us
from memporium_services.vault.app.cipher import VaultCipher
from memporium_services.vault.app.found_rows import FoundRows
from memporium_services.vault.app.opened_cache import OpenedCache

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection

    from memporium_platform.authz.ports import Authorizer
    from memporium_platform.clock import Clock
    from memporium_platform.crypto.keyring import Keyring
    from memporium_platform.crypto.shares import Shares
    from memporium_platform.paging import PageTokens
    from memporium_platform.storage.index.vault_index import IndexStore
    from memporium_platform.storage.objects.object_store import ObjectStore
    from memporium_platform.storage.sql.database import Database
    from memporium_services.vault.domain.rows import EndedPack, VaultRow
    from memporium_services.vault.ports import Embedder, LicenceGate, OpenStore, Store
    from memporium_services.vault.settings import VaultSettings

T = TypeVar("T")


@dataclass(frozen=True)
class Runtime:
    """The vault's ports and settings.

    Attributes:
        dead: Agreements that are not in force by their last known state; a local copy of the table.
        opened: Units and metadata in clear.
        found: Rows of units that searches found.
        shares: Keys of work on memories that goes on elsewhere, which forgetting ends.
    """

    db: Database
    store: OpenStore
    keys: Keyring
    objects: ObjectStore
    indexes: IndexStore
    embedder: Embedder
    gate: LicenceGate
    clock: Clock
    page_tokens: PageTokens
    authz: Authorizer
    settings: VaultSettings
    shares: Shares
    dead: dict[str, str] = field(default_factory=dict)
    opened: OpenedCache = field(default_factory=lambda: OpenedCache(0))
    found: FoundRows = field(default_factory=FoundRows)
    _ciphers: dict[str, VaultCipher] = field(default_factory=dict)

    def now_us(self) -> int:
        """Return the present time in microseconds."""
        return to_us(self.clock.now())

    def new_id(self) -> str:
        """Return a new id."""
        return names.new_id(self.clock.now())

    async def vault(self, name: str, *, field: str = "name") -> VaultRow:
        """Return a vault by name.

        Raises:
            PlatformError: INVALID_FIELD, NOT_FOUND.
        """
        ids = names.VAULT.parse(name, field)
        row = await self.db.read(lambda conn: self.store(conn).vault(ids["org"], ids["vault"]))
        if row is None:
            raise await self.absent(name)
        return row

    async def absent(self, vault_name: str, asked: str = "") -> PlatformError:
        """Return why there is no such vault: it was deleted at the end of its agreement, or there never was one.

        Args:
            vault_name: The vault.
            asked: What was asked for, where that is within it.
        """
        ids = names.VAULT.parse(vault_name)
        ended = await self.db.read(lambda conn: self.store(conn).ended_pack(ids["org"], ids["vault"]))
        return not_found(asked or vault_name) if ended is None else ended_error(ended)

    async def cipher(self, vault: VaultRow) -> VaultCipher:
        """Return the cipher of a vault.

        Raises:
            PlatformError: NOT_FOUND, where its key was destroyed.
        """
        known = self._ciphers.get(vault.uid)
        if known is None:
            key = await self.keys.vault_key(vault.org, vault.uid)
            known = self._ciphers[vault.uid] = VaultCipher(key, vault.uid)
        return known

    def forget_opened(self, vault_uid: str) -> None:
        """Drop from memory what was opened of a vault, and its words."""
        self.opened.forget(vault_uid)
        if (cipher := self._ciphers.get(vault_uid)) is not None:
            cipher.forget_terms()

    def forget_cipher(self, vault_uid: str) -> None:
        """Drop a vault's key from memory."""
        self._ciphers.pop(vault_uid, None)
        self.opened.forget(vault_uid)
        self.found.forget(vault_uid)


def ended_error(pack: EndedPack) -> PlatformError:
    """Return the refusal of a pack that was deleted since its agreement had ended."""
    reason = Reason.LICENCE_EXPIRED if pack.state == "EXPIRED" else Reason.LICENCE_REVOKED
    why = f" ({pack.reason})" if pack.reason else ""
    text = f"{pack.name} was deleted: {pack.agreement} is {pack.state.lower()}{why}; {pack.receipt} proves it"
    metadata = {"agreement": pack.agreement, "state": pack.state, "receipt": pack.receipt}
    if reason is Reason.LICENCE_EXPIRED:
        metadata["expire_time"] = from_us(pack.end_us).isoformat()
    return PlatformError(reason, text, metadata=metadata)


def bind(
    rt: Runtime, use: Callable[[Store], T], tokens: Callable[[str, str], str] | None = None
) -> Callable[[Connection], T]:
    """Return `use` as a function of a connection."""
    return lambda conn: use(rt.store(conn, tokens))


def refuse_read_only(vault: VaultRow) -> None:
    """Refuse changes to a read-only vault.

    Raises:
        PlatformError: VAULT_READ_ONLY.
    """
    if vault.read_only:
        raise PlatformError(Reason.VAULT_READ_ONLY, f"{vault.name} is read-only", metadata={"resource": vault.name})


def cube_ids_in(vault: VaultRow, cube_names: list[str], *, field: str = "names") -> list[str]:
    """Return the ids of cubes of this vault, in order.

    Raises:
        PlatformError: INVALID_FIELD, where a name is malformed or of another vault.
    """
    prefix = f"{vault.name}/cubes/"
    found = []
    for index, name in enumerate(cube_names):
        ids = names.CUBE.match(name)
        if ids is None or not name.startswith(prefix):
            raise invalid(f"{field}[{index}]", f"must name a cube of {vault.name}")
        found.append(ids["cube"])
    return found


def vault_name_of(cube_name: str, *, field: str = "name") -> tuple[str, str]:
    """Return the vault's name and the cube's id.

    Raises:
        PlatformError: INVALID_FIELD.
    """
    ids = names.CUBE.parse(cube_name, field)
    return names.VAULT.format(org=ids["org"], vault=ids["vault"]), ids["cube"]
