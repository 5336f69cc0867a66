"""Rows of wrapped keys."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import delete, insert, or_, select, update

from memporium_platform.crypto.tables import destroyed, keys
from memporium_platform.storage.sql.times import to_us
from memporium_platform.storage.sql.upsert import upsert

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy import Connection

    from memporium_platform.storage.sql.database import Database


@dataclass(frozen=True, slots=True)
class WrappedKey:
    """A key as it is stored.

    Attributes:
        name: What it is the key of; bound into the wrapping.
        parent: Name of the key that wraps it; "": the platform key.
        kek_id: Id of that platform key; "" where `parent` is set.
        wrapped: The key, sealed.
    """

    name: str
    parent: str
    kek_id: str
    wrapped: bytes


class DestroyedError(Exception):
    """The key, or the one above it, was destroyed."""


class KeyRows:
    """The keyring's tables."""

    def __init__(self, database: Database) -> None:
        """Keep the database."""
        self._database = database

    async def find(self, name: str) -> WrappedKey | None:
        """Return a key, or None where none was made.

        Raises:
            DestroyedError: It was destroyed.
        """
        return await self._database.read(lambda connection: _find(connection, name))

    async def add(self, row: WrappedKey, *, now: datetime) -> WrappedKey:
        """Add a key and return it, or the one that is there.

        Raises:
            DestroyedError: It was destroyed.
        """

        def run(connection: Connection) -> WrappedKey:
            there = _find(connection, row.name)
            if there is not None:
                return there
            if row.parent and _find(connection, row.parent) is None:
                raise DestroyedError(row.parent)
            connection.execute(
                insert(keys).values(
                    name=row.name, parent=row.parent, kek_id=row.kek_id, wrapped=row.wrapped, create_us=to_us(now)
                )
            )
            return row

        return await self._database.write(run)

    async def destroy(self, name: str, *, now: datetime) -> None:
        """Remove a key and all below it, in the file's bytes too, and keep its name from being used again."""

        def run(connection: Connection) -> None:
            below = keys.c.name.startswith(f"{name}/", autoescape=True)
            connection.execute(delete(keys).where(or_(keys.c.name == name, below)))
            connection.execute(upsert(destroyed, {"name": name, "destroy_us": to_us(now)}, index_elements=["name"]))

        await self._database.write(run)
        await self._database.scrub()

    async def below(self, name: str) -> list[str]:
        """Return the names of the keys below a name."""
        found = select(keys.c.name).where(keys.c.name.startswith(f"{name}/", autoescape=True))
        return await self._database.read(lambda connection: list(connection.execute(found).scalars()))

    async def under_platform_key(self, *, other_than: str) -> list[WrappedKey]:
        """Return the keys that another platform key wraps."""

        def run(connection: Connection) -> list[WrappedKey]:
            found = connection.execute(_COLUMNS.where(keys.c.parent == "", keys.c.kek_id != other_than))
            return [WrappedKey(*row) for row in found]

        return await self._database.read(run)

    async def replace(self, anew: Sequence[tuple[WrappedKey, bytes]], *, kek_id: str) -> int:
        """Store keys as wrapped anew, all or none, but those that changed or went meanwhile; return how many."""

        def run(connection: Connection) -> int:
            done = 0
            for row, wrapped in anew:
                same = (keys.c.name == row.name) & (keys.c.kek_id == row.kek_id)
                done += connection.execute(update(keys).where(same).values(wrapped=wrapped, kek_id=kek_id)).rowcount
            return done

        return await self._database.write(run) if anew else 0

    async def scrub(self) -> None:
        """Remove what replaced rows left behind."""
        await self._database.scrub()


_COLUMNS = select(keys.c.name, keys.c.parent, keys.c.kek_id, keys.c.wrapped)


def _find(connection: Connection, name: str) -> WrappedKey | None:
    row = connection.execute(_COLUMNS.where(keys.c.name == name)).one_or_none()
    if row is not None:
        return WrappedKey(*row)
    parts = name.split("/")
    # The key itself, and every key above it: orgs/acme, orgs/acme/vaults/..., orgs/acme/signing.
    above = ["/".join(parts[:length]) for length in range(2, len(parts) + 1)]
    gone = connection.execute(select(destroyed.c.name).where(destroyed.c.name.in_(above))).first()
    if gone is not None:
        raise DestroyedError(name)
    return None
