"""What was made from what within a vault: merged text, scenes, profiles, KV caches and adapters, with their parents."""

from __future__ import annotations

from operator import methodcaller
from typing import TYPE_CHECKING

from memporium.cube.v1 import cube_pb2
from memporium_services.vault.app import codec
from memporium_services.vault.app.made import MADE, SUMMARIES, TENSORS
from memporium_services.vault.app.reading import open_payload
from memporium_services.vault.app.runtime import bind
from memporium_services.vault.app.subjects import ALL_STATES
from memporium_services.vault.domain.selection import Selection

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from memporium_services.vault.app.cipher import VaultCipher
    from memporium_services.vault.app.runtime import Runtime
    from memporium_services.vault.domain.rows import CubeRow, RelationRow, VaultRow
    from memporium_services.vault.ports import Store

_PAGE = 500
# Any of these may be derived; all else is what somebody wrote.
_KINDS = (
    Selection(forms=TENSORS, states=ALL_STATES),
    Selection(semantic_types=SUMMARIES, states=ALL_STATES),
    Selection(origins=MADE, states=ALL_STATES),
)
_DERIVED_FROM, _NEAR, _PART_OF = (
    cube_pb2.RELATION_KIND_DERIVED_FROM,
    cube_pb2.RELATION_KIND_NEAR_DUPLICATE,
    cube_pb2.RELATION_KIND_PART_OF,
)


async def lineage_of(rt: Runtime, vault: VaultRow, cipher: VaultCipher) -> dict[str, set[str]]:
    """Return the children of each cube by what derived cubes say of themselves; the ids of parent and children.

    It is read before the transaction that forgets: lineage is sealed, and may lie in the archive tier.
    """
    children: dict[str, set[str]] = {}
    prefix = f"{vault.name}/cubes/"
    for kind in _KINDS:
        after: tuple[object, str] | None = None
        while True:
            select = methodcaller("select", vault.uid, kind, order="name", after=after, limit=_PAGE)
            rows: list[CubeRow] = await rt.db.read(bind(rt, select, cipher.token))
            for row in rows:
                for name in await _parents(rt, vault, row, cipher):
                    if name.startswith(prefix):
                        children.setdefault(name.removeprefix(prefix), set()).add(row.cube_id)
            if len(rows) < _PAGE:
                break
            after = (rows[-1].cube_id, rows[-1].cube_id)
    return children


def lineage_since(
    store: Store, vault: VaultRow, cipher: VaultCipher, lineage: Mapping[str, set[str]]
) -> dict[str, set[str]]:
    """Return a lineage with what derived cubes say that were written since `vault` was read, before the lineage was.

    Within the transaction that forgets, so that nothing that was made meanwhile is left over. New cubes name in their
    metadata what they were made from; payloads need not be opened.
    """
    children, limit = {parent: set(of) for parent, of in lineage.items()}, _PAGE
    prefix, start = f"{vault.name}/cubes/", vault.revision + 1
    while len(changes := store.changes(vault.uid, from_revision=start, limit=limit)) == limit:
        limit *= 4
    for row in store.cubes(vault.uid, sorted({change.cube_id for change in changes})).values():
        if row.form not in TENSORS and row.semantic_type not in SUMMARIES and row.origin not in MADE:
            continue
        for name in codec.cube_of(vault, row, cipher).behavioural.lineage.parents:
            if name.startswith(prefix):
                children.setdefault(name.removeprefix(prefix), set()).add(row.cube_id)
    return children


async def _parents(rt: Runtime, vault: VaultRow, row: CubeRow, cipher: VaultCipher) -> set[str]:
    named = set(codec.cube_of(vault, row, cipher).behavioural.lineage.parents)
    if row.form not in TENSORS:
        return named
    key = (row.cube_id, row.payload_version)
    stored = (await rt.db.read(lambda conn: rt.store(conn).payloads(vault.uid, [key]))).get(key)
    if stored is not None:
        payload = cube_pb2.Payload.FromString(await open_payload(rt, stored, row.uid, cipher))
        named.update(payload.activation.source_cubes, payload.parameter.source_cubes)
    return named


def made_from(store: Store, vault_uid: str, ids: Iterable[str], lineage: Mapping[str, set[str]]) -> dict[str, str]:
    """Return the cubes that were made from these, directly or not, each with one of its parents."""
    found: dict[str, str] = {}
    asked = set(ids)
    level = sorted(asked)
    while level:
        here = set(level)
        nearer: dict[str, str] = {child: parent for parent in level for child in sorted(lineage.get(parent, ()))}
        wholes: dict[str, str] = {}
        for row in store.relations_among(vault_uid, level, (_DERIVED_FROM, _PART_OF)):
            if row.kind == _DERIVED_FROM and row.target_id in here:
                nearer.setdefault(row.source_id, row.target_id)
            elif row.kind == _PART_OF and row.source_id in here:
                wholes.setdefault(row.target_id, row.source_id)
        present = store.cubes(vault_uid, [*nearer, *wholes])
        # A passage is part of a book, and the book is not made from it; a scene is made from its parts.
        nearer = {id_: of for id_, of in wholes.items() if _is_summary(present.get(id_))} | nearer
        nearer = {id_: of for id_, of in nearer.items() if id_ in present and id_ not in asked and id_ not in found}
        found.update(nearer)
        level = sorted(nearer)
    return found


def _is_summary(row: CubeRow | None) -> bool:
    return row is not None and row.semantic_type in SUMMARIES


def near_duplicates(store: Store, vault_uid: str, ids: Iterable[str]) -> list[str]:
    """Return the ids of other cubes that are linked with these as nearly the same."""
    asked = set(ids)
    rows: list[RelationRow] = store.relations_among(vault_uid, sorted(asked), (_NEAR,))
    return sorted({end for row in rows for end in (row.source_id, row.target_id)} - asked)
