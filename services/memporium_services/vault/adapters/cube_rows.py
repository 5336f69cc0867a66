"""Rows of cubes: their columns, and the statements that find them by id, built once.

To build a statement takes several times as long as to run it, so those of the hot paths stand here and take their
values by name: vault_uid, cube_ids and so on.
"""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, bindparam, select

from memporium_services.vault.adapters.tables import CUBES, PAYLOADS, VAULTS, VERSIONS
from memporium_services.vault.domain.lifecycle import State
from memporium_services.vault.domain.rows import CubeRow, Located, PayloadRow, VaultRow

if TYPE_CHECKING:
    from collections.abc import Sequence

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

VAULT_BY_NAME = select(*_VAULT_COLUMNS).where(VAULTS.c.org == bindparam("org"), VAULTS.c.vault_id == bindparam("vault"))
VAULT_BY_UID = select(*_VAULT_COLUMNS).where(VAULTS.c.uid == bindparam("uid"))

# Cubes with the metadata of their newest version.
WITH_META = select(*_CUBE_COLUMNS).join_from(CUBES, VERSIONS, _NEWEST)
_OF_VAULT = WITH_META.where(CUBES.c.vault_uid == bindparam("vault_uid"))
CUBES_BY_ID = _OF_VAULT.where(CUBES.c.cube_id.in_(bindparam("cube_ids", expanding=True)))
SEEN_CUBES_BY_ID = CUBES_BY_ID.where(CUBES.c.import_id == "")
CUBES_BY_DEDUP = _OF_VAULT.where(
    CUBES.c.dedup.in_(bindparam("tokens", expanding=True)),
    CUBES.c.state != int(State.EXPIRED),
    CUBES.c.import_id == "",
)

# A vault, once for each of some of its cubes, with the cubes and their payloads; once alone where it has none of them.
LOCATE = (
    select(*_VAULT_COLUMNS, *_CUBE_COLUMNS, *_PAYLOAD_COLUMNS)
    .select_from(
        VAULTS.outerjoin(
            CUBES,
            and_(
                CUBES.c.vault_uid == VAULTS.c.uid,
                CUBES.c.cube_id.in_(bindparam("cube_ids", expanding=True)),
                CUBES.c.import_id == "",
            ),
        )
        .outerjoin(VERSIONS, _NEWEST)
        .outerjoin(PAYLOADS, _PRESENT)
    )
    .where(VAULTS.c.org == bindparam("org"), VAULTS.c.vault_id == bindparam("vault"))
)


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
    """Return what is in the rows of `LOCATE`."""
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
