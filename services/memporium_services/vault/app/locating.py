"""Finds single cubes: those that are asked for at once are read together, in one statement a vault.

Visits to the store of a busy vault keep a short distance, in which the next one's cubes gather: a visit costs several
times what a cube of it does. One caller who asks for cube after cube waits for nothing. A read's snapshot is taken
after everything in it was asked for: each caller sees all writes that were acknowledged before.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NamedTuple

from memporium_platform import names
from memporium_platform.errors import not_found

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from memporium_services.vault.app.runtime import Runtime
    from memporium_services.vault.domain.rows import CubeRow, Located, PayloadRow, VaultRow

# Cubes of one statement; far below every engine's limit of parameters.
_MAX_TOGETHER = 64
# Distance of a visit from the one before, where that one was for more than one caller.
_GATHER_S = 0.003

_Key = tuple[str, str]
_Asked = dict[str, list[asyncio.Future["Located | None"]]]


class LocatedCube(NamedTuple):
    """A cube with its vault and its present payload, all of one snapshot."""

    vault: VaultRow
    cube: CubeRow
    payload: PayloadRow | None


class Locator:
    """Reads what was asked for since its last visit to the store."""

    def __init__(self, rt: Runtime) -> None:
        """Read from the runtime's database."""
        self._rt = rt
        self._asked: dict[_Key, _Asked] = {}
        self._readers: dict[_Key, asyncio.Task[None]] = {}

    async def locate(self, name: str) -> LocatedCube:
        """Return a cube by name.

        Raises:
            PlatformError: INVALID_FIELD, NOT_FOUND.
        """
        ids = names.CUBE.parse(name)
        key, cube_id = (ids["org"], ids["vault"]), ids["cube"]
        waiter: asyncio.Future[Located | None] = asyncio.get_running_loop().create_future()
        self._asked.setdefault(key, {}).setdefault(cube_id, []).append(waiter)
        if key not in self._readers:
            self._readers[key] = asyncio.create_task(self._read_all(key))
        found = await waiter
        cube = found.cubes.get(cube_id) if found is not None else None
        if found is None:
            raise await self._rt.absent(names.VAULT.format(org=key[0], vault=key[1]), name)
        if cube is None:
            raise not_found(name)
        return LocatedCube(found.vault, cube, found.payloads.get(cube_id))

    async def _read_all(self, key: _Key) -> None:
        loop = asyncio.get_running_loop()
        try:
            while asked := self._asked.pop(key, None):
                again_at = loop.time() + _GATHER_S if len(asked) > 1 else 0.0
                await self._read(key, asked)
                if again_at > loop.time():
                    # Whoever asks meanwhile is gathered; this task stays the vault's reader.
                    await asyncio.sleep(again_at - loop.time())
        finally:
            del self._readers[key]

    async def _read(self, key: _Key, asked: _Asked) -> None:
        cube_ids = list(asked)
        for start in range(0, len(cube_ids), _MAX_TOGETHER):
            some = cube_ids[start : start + _MAX_TOGETHER]

            def look(conn: Connection, some: list[str] = some) -> Located | None:
                return self._rt.store(conn).locate(*key, some)

            waiters = [waiter for cube_id in some for waiter in asked[cube_id] if not waiter.done()]
            try:
                found = await self._rt.db.read_few(look) if waiters else None
            except BaseException as error:
                for waiter in waiters:
                    if not waiter.done():
                        waiter.set_exception(error)
                if not isinstance(error, Exception):
                    raise
                continue
            for waiter in waiters:
                if not waiter.done():
                    waiter.set_result(found)
