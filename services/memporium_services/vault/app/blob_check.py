"""Tells services that keep blobs which of them no cube needs any more that is in force."""

from __future__ import annotations

from typing import TYPE_CHECKING

from memporium_platform.errors import PlatformError, Reason, invalid
from memporium_services.vault.app.reading import condition_of
from memporium_services.vault.domain.lifecycle import State

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from memporium_services.vault.app.runtime import Runtime

MOST_DIGESTS = 1_000
# How a vault looks that is gone for good.
_ERASED = frozenset({Reason.NOT_FOUND, Reason.LICENCE_EXPIRED, Reason.LICENCE_REVOKED})


class BlobCheck:
    """The use case."""

    def __init__(self, rt: Runtime) -> None:
        """Work on these ports."""
        self._rt = rt

    async def gone(self, vault_name: str, digests: Sequence[str]) -> list[str]:
        """Return which of these blobs are forgotten, or needed by expired cubes alone; all, where the vault is gone.

        Raises:
            PlatformError: INVALID_FIELD.
        """
        rt = self._rt
        if len(digests) > MOST_DIGESTS:
            raise invalid("sha256", f"at most {MOST_DIGESTS}")
        try:
            vault = await rt.vault(vault_name, field="vault")
            cipher = await rt.cipher(vault)
        except PlatformError as error:
            if error.reason in _ERASED:
                return list(digests)
            raise
        keys = {cipher.object_name("blob", digest): digest for digest in digests}
        now_us = rt.now_us()

        def load(conn: Connection) -> set[str]:
            store = rt.store(conn)
            pairs = store.referrers(vault.uid, list(keys))
            rows = store.cubes(vault.uid, sorted({cube_id for _, cube_id in pairs}))
            living = {name for name, row in rows.items() if condition_of(row, now_us).state is not State.EXPIRED}
            return {key for key, cube_id in pairs if cube_id in living}

        needed = await rt.db.read(load)
        return [digest for key, digest in keys.items() if key not in needed]

    async def knows(self, vault_name: str, training: str) -> bool:
        """Return whether the keys of a training on a vault's memories lie where forgetting destroys them."""
        return bool(training) and await self._rt.shares.known(vault_name, training)
