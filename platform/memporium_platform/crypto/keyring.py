"""The keys of the platform: platform key -> organisation's key -> vault key, each wrapped by the one above it.

What is destroyed here makes all that was sealed under it unreadable at once, wherever copies of it lie. Every process
of a split platform shares the keyring's database; a key that another process destroyed is out of this one's memory
after `CACHE_S` at most.
"""

from __future__ import annotations

import os
import time
from collections import OrderedDict
from typing import TYPE_CHECKING, NamedTuple

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA65PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.kdf.hkdf import HKDF, HKDFExpand

from memporium_platform.bundle.recipients import HybridPrivateKey
from memporium_platform.crypto import sealed
from memporium_platform.crypto.key_rows import DestroyedError, KeyRows, WrappedKey
from memporium_platform.errors import PlatformError, Reason, not_found

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from memporium_platform.crypto.kek import PlatformKey
    from memporium_platform.storage.sql.database import Database

# Unwrapped keys in memory: 32 bytes each, so this is about the tenants in use at once.
CACHE_KEYS = 4096
# Seconds for which another process may still use a destroyed key.
CACHE_S = 10.0

MIGRATIONS = "memporium_platform.crypto.migrations"
SCHEMA = "keys"

_ROOT = "platform/root"
_SIGNING = "platform/signing"


class _Cached(NamedTuple):
    key: bytes
    until: float


class Keyring:
    """Makes, keeps and destroys keys."""

    def __init__(
        self, database: Database, platform_key: PlatformKey, *, now: Callable[[], datetime], root: bytes, signing: bytes
    ) -> None:
        """Use `open` instead, which loads what this needs."""
        self._rows = KeyRows(database)
        self._platform_key = platform_key
        self._now = now
        self._root = root
        self._signing = Ed25519PrivateKey.from_private_bytes(signing)
        self._cache: OrderedDict[str, _Cached] = OrderedDict()
        self._destructions = 0
        self._generations: dict[str, tuple[int, float]] = {}

    @classmethod
    async def open(cls, database: Database, platform_key: PlatformKey, *, now: Callable[[], datetime]) -> Keyring:
        """Return the keyring in the database; the platform's own keys are made at the first start."""
        ring = cls(database, platform_key, now=now, root=bytes(32), signing=bytes(32))
        root, signing = await ring._key(_ROOT, ""), await ring._key(_SIGNING, "")
        return cls(database, platform_key, now=now, root=root, signing=signing)

    async def vault_key(self, org: str, vault_uid: str) -> bytes:
        """Return the 32-byte key that seals the vault's payloads; made when first asked for.

        Raises:
            PlatformError: NOT_FOUND, where it was destroyed.
        """
        return await self._key(_vault(org, vault_uid), _org(org))

    async def org_signing_key(self, org: str, *, generation: int = 0) -> Ed25519PrivateKey:
        """Return the key by which the organisation signs agreements and bundles.

        Args:
            org: Id of the organisation.
            generation: Which of its keys, from 1; 0: the one in use.
        """
        number = generation or await self._generation(org)
        return Ed25519PrivateKey.from_private_bytes(await self._key(_signing(org, number), _org(org)))

    async def org_signing_keys(self, org: str) -> list[Ed25519PrivateKey]:
        """Return the key in use, then those that signed before it, newest first."""
        newest = await self._generation(org)
        return [await self.org_signing_key(org, generation=number) for number in range(newest, 0, -1)]

    async def org_second_signing_key(self, org: str, *, generation: int) -> MLDSA65PrivateKey:
        """Return the second half (ML-DSA-65) of a signing key, for what both must sign."""
        seed = await self._key(f"{_org(org)}/second-signing/{generation}", _org(org))
        return MLDSA65PrivateKey.from_seed_bytes(seed)

    async def make_org_signing_key(self, org: str, *, generation: int) -> None:
        """Make a signing key that is not in use yet; one that is there stays."""
        await self._key(_signing(org, generation), _org(org))

    async def use_org_signing_key(self, org: str, *, generation: int) -> None:
        """Let the organisation sign with this generation from now on; other processes follow within `CACHE_S`."""
        await self._key(f"{_org(org)}/signing-in-use/{generation}", _org(org))
        self._generations.pop(org, None)

    async def org_hybrid_key(self, org: str) -> HybridPrivateKey:
        """Return the key to which bundles of the hybrid suite are sealed for the organisation."""
        secret = await self._key(f"{_org(org)}/hybrid", _org(org))
        mlkem, x25519 = (_expand(secret, label, length) for label, length in ((b"mlkem768", 64), (b"x25519", 32)))
        return HybridPrivateKey.from_seeds(mlkem, x25519)

    async def org_hpke_key(self, org: str) -> X25519PrivateKey:
        """Return the key to which bundles for the organisation are sealed."""
        return X25519PrivateKey.from_private_bytes(await self._key(f"{_org(org)}/hpke", _org(org)))

    def platform_signing_key(self) -> Ed25519PrivateKey:
        """Return the key by which the platform signs tokens, receipts and checkpoints."""
        return self._signing

    def derive(self, label: str) -> bytes:
        """Return the platform's 32-byte secret for one use; the same for the same label, for ever."""
        info = b"memporium derive " + label.encode()
        return HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=info).derive(self._root)

    async def destroy_vault_key(self, org: str, vault_uid: str) -> None:
        """Destroy the vault's key for good; again is no error."""
        name = _vault(org, vault_uid)
        await self._rows.destroy(name, now=self._now())
        self._forget(name)

    async def destroy_org_keys(self, org: str) -> None:
        """Destroy the organisation's key and all below it for good; again is no error."""
        await self._rows.destroy(_org(org), now=self._now())
        self._forget(_org(org))

    async def rewrap(self, platform_key: PlatformKey) -> int:
        """Wrap everything that is under an older platform key under the current one; return how many keys.

        `platform_key` must still unwrap the older ones. All are stored in one transaction, or none: after a crash it is
        run again. A key that was made meanwhile under an older platform key is found by running it once more.
        """
        anew = []
        for row in await self._rows.under_platform_key(other_than=platform_key.current_id):
            key = await platform_key.unwrap(row.kek_id, row.wrapped, _aad(row.name))
            anew.append((row, await platform_key.wrap(key, _aad(row.name))))
        done = await self._rows.replace(anew, kek_id=platform_key.current_id)
        self._platform_key = platform_key
        await self._rows.scrub()
        return done

    async def is_under(self, key_id: str) -> bool:
        """Return whether all is wrapped under the platform key of this id."""
        return not await self._rows.under_platform_key(other_than=key_id)

    async def _generation(self, org: str) -> int:
        """Return the generation of the signing key in use: the highest that was ever put in use, or the first."""
        known = self._generations.get(org)
        if known is not None and known[1] > time.monotonic():
            return known[0]
        names = await self._rows.below(f"{_org(org)}/signing-in-use")
        number = max((int(name.rsplit("/", 1)[1]) for name in names), default=1)
        self._generations[org] = (number, time.monotonic() + CACHE_S)
        return number

    async def _key(self, name: str, parent: str) -> bytes:
        cached = self._cache.get(name)
        if cached is not None and cached.until > time.monotonic():
            self._cache.move_to_end(name)
            return cached.key
        destructions = self._destructions
        try:
            row = await self._rows.find(name) or await self._make(name, parent)
        except DestroyedError as error:
            raise not_found(name) from error
        key = await self._unwrap(row)
        # A key that was destroyed while it was being unwrapped must not come back into memory.
        if destructions == self._destructions:
            self._cache[name] = _Cached(key, time.monotonic() + CACHE_S)
        while len(self._cache) > CACHE_KEYS:
            self._cache.popitem(last=False)
        return key

    async def _make(self, name: str, parent: str) -> WrappedKey:
        key = os.urandom(sealed.KEY_BYTES)
        if parent:
            kek_id, wrapped = "", sealed.seal(await self._key(parent, ""), key, _aad(name))
        else:
            kek_id, wrapped = self._platform_key.current_id, await self._platform_key.wrap(key, _aad(name))
        # Where another caller was first, its key is the one that counts.
        return await self._rows.add(WrappedKey(name, parent, kek_id, wrapped), now=self._now())

    async def _unwrap(self, row: WrappedKey) -> bytes:
        if row.parent:
            return sealed.open(await self._key(row.parent, ""), row.wrapped, _aad(row.name))
        return await self._platform_key.unwrap(row.kek_id, row.wrapped, _aad(row.name))

    def _forget(self, name: str) -> None:
        self._destructions += 1
        for cached in [held for held in self._cache if held == name or held.startswith(f"{name}/")]:
            del self._cache[cached]


def _org(org: str) -> str:
    if not org or "/" in org:
        raise PlatformError(Reason.INTERNAL, "an organisation id has no slash")
    return f"orgs/{org}"


def _vault(org: str, vault_uid: str) -> str:
    return f"{_org(org)}/vaults/{vault_uid}"


def _signing(org: str, generation: int) -> str:
    # The first has no number: it is from before there were others.
    return f"{_org(org)}/signing" if generation == 1 else f"{_org(org)}/signing/{generation}"


def _expand(secret: bytes, label: bytes, length: int) -> bytes:
    return HKDFExpand(hashes.SHA256(), length, b"memporium hybrid key " + label).derive(secret)


def _aad(name: str) -> bytes:
    return b"memporium key " + name.encode()
