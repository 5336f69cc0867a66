"""Rows of cubes: their columns, and the statements that find them by id, built once.

To build a statement takes several times as long as to run it, so those of the hot paths stand here and take their
values by name: vault_uid, cube_ids and so on.
"""

from __future__ import annotations

from dataclasses import fields
from functools import cache
from typing import TYPE_CHECKING, Any

from sqlalchemy import Select, and_, bindparam, select

from memporium_platform.storage.sql.by_keys import Prepared, RowsByKeys
from memporium_services.vault.adapters.tables import CUBES, PAYLOADS, VAULTS, VERSIONS
from memporium_services.vault.domain.lifecycle import State
from memporium_services.vault.domain.rows import CubeRow, DescribedCube, Located, PayloadRow, VaultRow

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

VAULT_NAMES = tuple(field.name for field in fields(VaultRow))
CUBE_NAMES = tuple(field.name for field in fields(CubeRow))
PAYLOAD_NAMES = tuple(field.name for field in fields(PayloadRow))

_SIMHASH = CUBE_NAMES.index("simhash")
_CUBE_AT = len(VAULT_NAMES)
_PAYLOAD_AT = _CUBE_AT + len(CUBE_NAMES)
_WORD = (1 << 64) - 1

_VAULT_COLUMNS = tuple(VAULTS.c[name] for name in VAULT_NAMES)
_CUBE_COLUMNS = tuple((VERSIONS if name == "meta_sealed" else CUBES).c[name] for name in CUBE_NAMES)
_PAYLOAD_COLUMNS = tuple(PAYLOADS.c[name] for name in PAYLOAD_NAMES)

_NEWEST = and_(
    VERSIONS.c.vault_uid == CUBES.c.vault_uid,
    VERSIONS.c.cube_id == CUBES.c.cube_id,
    VERSIONS.c.version == CUBES.c.version,
)
_PRESENT = and_(
    PAYLOADS.c.vault_uid == CUBES.c.vault_uid,
    PAYLOADS.c.cube_id == CUBES.c.cube_id,
    PAYLOADS.c.payload_version == CUBES.c.payload_version,
)

_NAMED = (VAULTS.c.org == bindparam("org"), VAULTS.c.vault_id == bindparam("vault"), VAULTS.c.filling.is_(False))
VAULT_BY_NAME = Prepared(select(*_VAULT_COLUMNS).where(*_NAMED))
VAULT_BY_UID = Prepared(select(*_VAULT_COLUMNS).where(VAULTS.c.uid == bindparam("uid")))

# Cubes with the metadata of their newest version.
WITH_META = select(*_CUBE_COLUMNS).join_from(CUBES, VERSIONS, _NEWEST)
_OF_VAULT = WITH_META.where(CUBES.c.vault_uid == bindparam("vault_uid"))
CUBES_BY_ID = RowsByKeys(lambda keys: _OF_VAULT.where(CUBES.c.cube_id.in_(keys)))
SEEN_CUBES_BY_ID = RowsByKeys(lambda keys: _OF_VAULT.where(CUBES.c.cube_id.in_(keys), CUBES.c.import_id == ""))
DESCRIBED_CUBES = RowsByKeys(
    lambda keys: (
        select(*((VERSIONS if name == "meta_sealed" else CUBES).c[name] for name in DescribedCube._fields))
        .join_from(CUBES, VERSIONS, _NEWEST)
        .where(CUBES.c.vault_uid == bindparam("vault_uid"), CUBES.c.cube_id.in_(keys), CUBES.c.import_id == "")
    )
)
CUBES_BY_DEDUP = RowsByKeys(
    lambda keys: _OF_VAULT.where(CUBES.c.dedup.in_(keys), CUBES.c.state != int(State.EXPIRED), CUBES.c.import_id == "")
)


@cache
def _locate(slots: int) -> Select[Any]:
    """Return the statement that finds up to `slots` cubes of a vault, with their payloads.

    A row for each cube, with its vault's columns; where the vault has none of them, one row of the vault alone. The
    slots are parameters of their own, since a list that is expanded at each run costs more than the run.
    """
    asked = CUBES.c.cube_id.in_([bindparam(f"cube_{slot}") for slot in range(slots)])
    of_vault = and_(CUBES.c.vault_uid == VAULTS.c.uid, asked, CUBES.c.import_id == "")
    return (
        select(*_VAULT_COLUMNS, *_CUBE_COLUMNS, *_PAYLOAD_COLUMNS)
        .select_from(VAULTS.outerjoin(CUBES, of_vault).outerjoin(VERSIONS, _NEWEST).outerjoin(PAYLOADS, _PRESENT))
        .where(*_NAMED)
    )


def locate(conn: Connection, org: str, vault_id: str, cube_ids: Sequence[str]) -> Located | None:
    """Return a vault by its ids, with some of its cubes and their present payloads; None: no such vault."""
    # Few statements, so that each is compiled once: the next power of two of slots, the last filled again.
    slots = 1 << (len(cube_ids) - 1).bit_length()
    values = {f"cube_{slot}": cube_id for slot, cube_id in enumerate(cube_ids)}
    values |= {f"cube_{slot}": cube_ids[-1] for slot in range(len(cube_ids), slots)}
    return located(conn.execute(_locate(slots), {"org": org, "vault": vault_id, **values}).all())


def signed(value: int) -> int:
    """Return 64 bits as the signed number that a column holds."""
    return value - (1 << 64) if value >= 1 << 63 else value


def unsigned(value: int) -> int:
    """Return the 64 bits of the signed number that a column holds."""
    return value & _WORD


def vault_of(row: Sequence[Any] | None) -> VaultRow | None:
    """Return the vault in a row of the vaults' columns."""
    return None if row is None else VaultRow(*row)


def cube_of(row: Sequence[Any]) -> CubeRow:
    """Return the cube in a row of `WITH_META`."""
    return _cube(list(row))


def located(rows: Sequence[Sequence[Any]]) -> Located | None:
    """Return what is in the rows that `locate` finds."""
    if not rows:
        return None
    found = Located(VaultRow(*rows[0][:_CUBE_AT]), {}, {})
    for row in rows:
        if row[_CUBE_AT] is not None:
            cube = _cube(list(row[_CUBE_AT:_PAYLOAD_AT]))
            found.cubes[cube.cube_id] = cube
        if row[_PAYLOAD_AT] is not None:
            payload = PayloadRow(*row[_PAYLOAD_AT:])
            found.payloads[payload.cube_id] = payload
    return found


def _cube(values: list[Any]) -> CubeRow:
    values[_SIMHASH] &= _WORD
    return CubeRow(*values)
