"""With which keys an organisation signs bundles, whose signatures count for it, and how its keys change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from memporium.transfer.v1.bundle_pb2 import Suite
from memporium_platform.bundle import dsse
from memporium_platform.bundle.dsse import SigningKey, TrustRoot
from memporium_platform.bundle.grants import Recipient
from memporium_platform.bundle.roots import make_root
from memporium_services.transfer.domain.bundles import KeptRoot

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from memporium_platform.bundle.recipients import PublicKey
    from memporium_platform.clock import Clock
    from memporium_platform.crypto.keyring import Keyring
    from memporium_platform.storage.sql.database import Database
    from memporium_services.transfer.ports.store import BundleRows

_CLASSICAL = Suite.SUITE_MCB1_ED25519_X25519_AES256GCM
_HYBRID = Suite.SUITE_MCB1_HYBRID_AES256GCM


@dataclass(frozen=True, slots=True)
class Signers:
    """The keys of an organisation's newest root, and that root's number."""

    keys: Sequence[SigningKey]
    number: int
    hybrid: bool

    @property
    def suite(self) -> Suite.ValueType:
        """The suite in which bundles are made with these keys."""
        return _HYBRID if self.hybrid else _CLASSICAL

    @property
    def trust(self) -> TrustRoot:
        """Whose signatures count."""
        return TrustRoot.of([key.public for key in self.keys])


class SigningKeys:
    """The keyring as bundles need it."""

    def __init__(
        self, database: Database, rows: BundleRows, *, keys: Keyring, clock: Clock, hybrid: bool = False
    ) -> None:
        """Wire the parts; with `hybrid`, roots that are made from now on have keys of two halves."""
        self._database, self._rows, self._keys, self._clock, self._hybrid = database, rows, keys, clock, hybrid

    async def of(self, org: str) -> Signers:
        """Return with which keys an organisation signs; its first root is made when first asked for."""
        roots = await self.roots(org)
        newest = roots[-1]
        return Signers([await self._key(org, newest.number, hybrid=newest.hybrid)], newest.number, newest.hybrid)

    async def roots(self, org: str) -> list[KeptRoot]:
        """Return an organisation's roots, oldest first."""
        found = await self._database.read(lambda conn: self._rows.roots(conn, org))
        return found or [await self._add(org, 1, before=())]

    async def next_root(self, org: str) -> tuple[Signers, KeptRoot]:
        """Return the keys that follow those of the newest root, and the root that says so; it is not stored yet."""
        newest = await self.of(org)
        number = newest.number + 1
        await self._keys.make_org_signing_key(org, generation=number)
        key = await self._key(org, number, hybrid=self._hybrid)
        return Signers([key], number, self._hybrid), self._root(org, number, key, before=newest.keys)

    async def adopt(self, org: str, root: KeptRoot) -> None:
        """Let the organisation sign with the keys of a new root, everywhere on this platform."""
        await self._database.write(lambda conn: self.adopt_in(conn, org, root))
        await self._keys.use_org_signing_key(org, generation=root.number)

    def adopt_in(self, conn: Connection, org: str, root: KeptRoot) -> None:
        """Store a new root within a transaction."""
        now = self._clock.now()
        self._rows.add_root(conn, org, root, now=now)
        self._rows.advance(conn, org, now=now)

    async def recipient(self, org: str) -> Recipient:
        """Return an organisation as one that opens bundles of either suite."""
        return Recipient(f"orgs/{org}", await self._keys.org_hpke_key(org), await self._keys.org_hybrid_key(org))

    async def public_key(self, org: str, suite: int) -> PublicKey:
        """Return the key to which grants of a suite are sealed for an organisation."""
        if suite == _HYBRID:
            return (await self._keys.org_hybrid_key(org)).public_key()
        return (await self._keys.org_hpke_key(org)).public_key()

    async def _add(self, org: str, number: int, *, before: Sequence[SigningKey]) -> KeptRoot:
        root = self._root(org, number, await self._key(org, number, hybrid=self._hybrid), before=before)
        now = self._clock.now()
        await self._database.write(lambda conn: self._rows.add_root(conn, org, root, now=now))
        # Where another process was first, its root is the one that counts.
        return (await self._database.read(lambda conn: self._rows.roots(conn, org)))[0]

    def _root(self, org: str, number: int, key: SigningKey, *, before: Sequence[SigningKey]) -> KeptRoot:
        envelope = make_root(f"orgs/{org}", number, [key], before=before, create_time=self._clock.now())
        return KeptRoot(number=number, envelope=envelope, hybrid=key.second is not None)

    async def _key(self, org: str, number: int, *, hybrid: bool) -> SigningKey:
        first = await self._keys.org_signing_key(org, generation=number)
        second = await self._keys.org_second_signing_key(org, generation=number) if hybrid else None
        return dsse.SigningKey(first, second)
