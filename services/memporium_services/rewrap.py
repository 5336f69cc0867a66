"""Wraps all of a platform's keys under a new platform key, beside its running services or without them."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from memporium_platform.clock import SystemClock
from memporium_platform.crypto import kek, keyring
from memporium_platform.storage.sql.open_database import open_database

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from memporium_platform.settings import PlatformSettings


@dataclass(frozen=True, slots=True)
class Rewrapped:
    """How many keys were wrapped anew, under which platform key, and whether the older ones were dropped."""

    keys: int
    platform_key: str
    dropped: bool = False


async def rewrap(settings: PlatformSettings) -> Rewrapped:
    """Wrap every key under a new platform key; after a crash, run it again.

    A platform key from the setting `MEMPORIUM_MASTER_KEY` is changed there: the new one first, the old ones behind it.
    One in the file `platform.key` is made here. Running services read the file again when they meet a key of it that
    they do not know; what they make until they are started again is still under the older one.
    """
    given = settings.master_key.get_secret_value()
    async with _keyring(settings) as (ring, known):
        # A run that was cut off has added a key already: that one is used.
        fresh = not given and await ring.is_under(known.current_id)
        new = await kek.add_platform_key(settings.data_dir) if fresh else known
        return Rewrapped(await ring.rewrap(new), new.current_id)


async def drop_old(settings: PlatformSettings) -> Rewrapped:
    """Wrap what is left under an older platform key, then keep only the newest in the file.

    Every service must have been started since `rewrap`: what one of them makes afterwards under a key that is dropped
    here is lost.
    """
    async with _keyring(settings) as (ring, known):
        done = await ring.rewrap(known)
        if not settings.master_key.get_secret_value():
            await kek.drop_old_platform_keys(settings.data_dir)
        return Rewrapped(done, known.current_id, dropped=True)


@asynccontextmanager
async def _keyring(settings: PlatformSettings) -> AsyncIterator[tuple[keyring.Keyring, kek.LocalPlatformKey]]:
    database = await open_database(settings, keyring.SCHEMA, keyring.MIGRATIONS)
    try:
        known = await kek.platform_key(settings.data_dir, settings.master_key.get_secret_value())
        yield await keyring.Keyring.open(database, known, now=SystemClock().now), known
    finally:
        await database.close()
