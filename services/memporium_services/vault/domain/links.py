"""Lineage between vaults: which cube was made from, or copied of, a cube of another vault of the organisation."""

from __future__ import annotations

from typing import NamedTuple


class LinkRow(NamedTuple):
    """One cube, and one that it was made from; the parent's vault by its id, which may be that of a vault to come."""

    vault_uid: str
    cube_id: str
    parent_vault: str
    parent_cube: str
