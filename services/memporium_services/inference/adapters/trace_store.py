"""Recorded uses of memories in the object store, so that a trace goes on after a restart: pseudonyms, times and sizes.

Nothing in it names a memory, who used it, or the organisation: there is nothing that forgetting would have to look for.
Each organisation's uses are sealed under a key of its own, which goes with the organisation.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import zlib
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import structlog

from memporium_platform.crypto import sealed
from memporium_platform.errors import PlatformError
from memporium_platform.storage.objects.object_store import ObjectNotFoundError, ObjectTooLargeError
from memporium_services.inference.domain.memory import Form
from memporium_services.inference.domain.recorded_uses import RecordedUse

if TYPE_CHECKING:
    from collections.abc import Sequence

    from memporium_platform.clock import Clock
    from memporium_platform.crypto.keyring import Keyring
    from memporium_platform.storage.objects.object_store import ObjectStore

_log = structlog.get_logger("memporium.inference")
_PREFIX = "inference/tier-uses/"
# Under this name, which no vault has, an organisation's key for its uses lies among those of its vaults.
_KEY_NAME = "tier-uses"
_TAG_CHARACTERS = 32
_TIME_DIGITS = 17
_MOST_BYTES = 64 << 20
# Objects of one organisation; beyond it they become one.
_MOST_SEGMENTS = 24
_KEEP = timedelta(days=30)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class ObjectTraces:
    """`TraceStore` over the object store."""

    def __init__(self, objects: ObjectStore, keys: Keyring, clock: Clock, *, most: int) -> None:
        """Keep the newest uses of each organisation, at most about so many."""
        self._objects, self._keys, self._clock, self._most = objects, keys, clock, most
        self._secret = keys.derive("tier-uses")

    async def append(self, tenant: str, uses: Sequence[RecordedUse]) -> None:
        """Keep more uses of an organisation, in order of time."""
        await self._write(tenant, uses)
        names = await self._names(tenant)
        if len(names) > _MOST_SEGMENTS:
            await self._write(tenant, await self._read(tenant, names))
            for name in names:
                await self._objects.delete(name)

    async def load(self, tenant: str) -> list[RecordedUse]:
        """Return the uses of an organisation that are kept, oldest first."""
        return await self._read(tenant, await self._names(tenant))

    async def _names(self, tenant: str) -> list[str]:
        """Return the objects of an organisation, oldest first; what is too old goes."""
        oldest, found = _us(self._clock.now() - _KEEP), []
        for name in [name async for name in self._objects.list(self._folder(tenant))]:
            if int(name.rpartition("/")[2].partition("-")[0]) < oldest:
                await self._objects.delete(name)
            else:
                found.append(name)
        return sorted(found)

    async def _write(self, tenant: str, uses: Sequence[RecordedUse]) -> None:
        if not uses:
            return
        rows = [[_us(one.at), one.key, one.form.value, one.size_bytes, one.saved_s, one.agent] for one in uses]
        name = f"{self._folder(tenant)}{_us(uses[-1].at):0{_TIME_DIGITS}}-{os.urandom(4).hex()}"
        body = zlib.compress(json.dumps(rows, separators=(",", ":")).encode())
        await self._objects.put(name, sealed.seal(await self._key(tenant), body, name.encode()))

    async def _read(self, tenant: str, names: Sequence[str]) -> list[RecordedUse]:
        found: list[RecordedUse] = []
        for name in reversed(names):
            if len(found) >= self._most:
                await self._objects.delete(name)
                continue
            try:
                stored = await self._objects.get_bytes(name, limit_bytes=_MOST_BYTES)
                rows = json.loads(zlib.decompress(sealed.open(await self._key(tenant), stored, name.encode())))
            except ObjectNotFoundError:
                continue  # Another process has put it together with others meanwhile.
            except (ObjectTooLargeError, PlatformError, zlib.error, ValueError):
                _log.warning("inference.trace_unreadable")
                continue
            found += [
                RecordedUse(_EPOCH + timedelta(microseconds=at), "", Form(form), size, saved, agent, key)
                for at, key, form, size, saved, agent in rows
            ]
        return sorted(found, key=lambda one: one.at)[-self._most :]

    async def _key(self, tenant: str) -> bytes:
        return await self._keys.vault_key(tenant, _KEY_NAME)

    def _folder(self, tenant: str) -> str:
        tag = hmac.new(self._secret, tenant.encode(), hashlib.sha256).hexdigest()[:_TAG_CHARACTERS]
        return f"{_PREFIX}{tag}/"


def _us(at: datetime) -> int:
    return (at - _EPOCH) // timedelta(microseconds=1)
