"""What is made of licensed memory carries its parents' licences, whoever makes it and by whichever method.

The parents are those that a new cube names in its lineage and in its payload. Their licences must permit what the cube
is: text, a KV cache, or an adapter; that is one derivation of each agreement. From then on each use of the cube asks
every one of them, so that what any parent refuses is refused: the meet of their terms.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from memporium_platform import names
from memporium_platform.errors import not_found
from memporium_services.vault.app import codec, content
from memporium_services.vault.app.licensing import (
    DERIVE_LORA,
    DERIVE_TEXT,
    MATERIALISE_KV,
    Lease,
    agreements_of,
    asked_for,
    reserve,
)
from memporium_services.vault.app.made import parents_of
from memporium_services.vault.app.retention import settings_of

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Sequence

    from memporium.cube.v1.cube_pb2 import Cube, LicenceReference
    from memporium_platform.call import Call
    from memporium_services.vault.app.runtime import Runtime
    from memporium_services.vault.domain.rows import CubeRow, VaultRow
    from memporium_services.vault.ports import Store

_ACTIONS = {
    content.FORMS["activation"]: MATERIALISE_KV,
    content.FORMS["parameter"]: DERIVE_LORA,
}
# Cubes that one statement asks for.
_AT_ONCE = 500


@dataclass
class _Parent:
    """A licensed cube that something is made of."""

    cube: Cube
    row: CubeRow
    licences: list[LicenceReference]


def demand_parents(store: Store, cubes: Iterable[Cube], *, but: Container[str] = ()) -> None:
    """Refuse cubes made from others that are not there any more, within the transaction that writes them.

    Those of `but` are not asked for, nor what an adapter's own parents were trained on: it may have been forgotten, and
    the adapter kept.

    Raises:
        PlatformError: NOT_FOUND.
    """
    wanted: dict[tuple[str, str], dict[str, str]] = {}
    named = (name for cube in cubes for name in cube.behavioural.lineage.parents)
    for name in dict.fromkeys(name for name in named if name not in but):
        ids = names.CUBE.parse(name, "cube.behavioural.lineage.parents")
        wanted.setdefault((ids["org"], ids["vault"]), {})[ids["cube"]] = name
    for where, by_id in wanted.items():
        vault = store.vault(*where)
        there = store.cubes(vault.uid, list(by_id)) if vault is not None else {}
        for cube_id, name in by_id.items():
            if cube_id not in there:
                raise not_found(name)


async def carry_licences(rt: Runtime, call: Call, vault: VaultRow, cubes: Sequence[Cube]) -> Lease:
    """Give cubes the licences of the parents that they name; return the uses that were reserved for making them.

    Parents are looked for in the vaults of the same organisation: nobody can read those of others.

    Raises:
        PlatformError: LICENCE_*, where a parent's licence does not permit it.
    """
    same = await _of_same_tensors(rt, vault, cubes)
    wanted = {name for cube in cubes for name in (*parents_of(cube), *_sharing(cube, same))}
    licensed = await _licensed(rt, vault.org, wanted) if wanted else {}
    lease = Lease(rt)
    if not licensed:
        return lease
    derivations: dict[int, dict[str, _Parent]] = {}
    for cube in cubes:
        found = {name: licensed[name] for name in parents_of(cube) if name in licensed}
        known = {licence.agreement for parent in found.values() for licence in parent.licences}
        for name in _sharing(cube, same):
            # Only what the named parents do not say already: the same cache made again is one derivation.
            if name in licensed and any(one.agreement not in known for one in licensed[name].licences):
                found[name] = licensed[name]
        if not found:
            continue
        add_licences(cube, (licence for parent in found.values() for licence in parent.licences))
        action = _ACTIONS.get(content.form_of(cube.payload), DERIVE_TEXT)
        derivations.setdefault(action, {}).update(found)
    try:
        for action, parents in derivations.items():
            made_of = list(parents.values())
            asked = asked_for([one.cube for one in made_of], action, rows=[one.row for one in made_of])
            lease.held += (await reserve(rt, call, asked)).held
    except BaseException:
        await lease.release()
        raise
    return lease


async def _of_same_tensors(rt: Runtime, vault: VaultRow, cubes: Sequence[Cube]) -> dict[str, list[str]]:
    """Return the cubes of the vault that refer to the same blobs, by digest.

    Tensors are named by their digest: in another cube, and said to be made of nothing, they are licensed none the less.
    """
    digests = sorted({blob.sha256 for cube in cubes for blob in content.blobs_of(cube.payload)})
    if not digests:
        return {}
    cipher = await rt.cipher(vault)
    keys = {cipher.object_name("blob", digest): digest for digest in digests}
    found: dict[str, list[str]] = {}
    for key, cube_id in await rt.db.read(lambda conn: rt.store(conn).referrers(vault.uid, list(keys))):
        found.setdefault(keys[key], []).append(f"{vault.name}/cubes/{cube_id}")
    return found


def _sharing(cube: Cube, same: dict[str, list[str]]) -> list[str]:
    return [name for blob in content.blobs_of(cube.payload) for name in same.get(blob.sha256, ())]


def add_licences(cube: Cube, licences: Iterable[LicenceReference]) -> None:
    """Add licences to a cube, one an agreement."""
    present = set(agreements_of(cube))
    for licence in licences:
        if licence.agreement not in present:
            present.add(licence.agreement)
            cube.governance.licences.append(licence)


async def _licensed(rt: Runtime, org: str, wanted: Iterable[str]) -> dict[str, _Parent]:
    """Return those of these cubes that are licensed, by name."""
    by_vault: dict[str, list[str]] = {}
    for name in wanted:
        ids = names.CUBE.match(name)
        if ids is not None and ids["org"] == org:
            by_vault.setdefault(ids["vault"], []).append(ids["cube"])
    found: dict[str, _Parent] = {}
    for vault_id, cube_ids in by_vault.items():
        for start in range(0, len(cube_ids), _AT_ONCE):
            found.update(await _licensed_in(rt, org, vault_id, cube_ids[start : start + _AT_ONCE]))
    return found


async def _licensed_in(rt: Runtime, org: str, vault_id: str, cube_ids: Sequence[str]) -> dict[str, _Parent]:
    loaded = await rt.db.read(
        lambda conn: (
            (vault := rt.store(conn).vault(org, vault_id)),
            rt.store(conn).cubes(vault.uid, cube_ids) if vault is not None else {},
        )
    )
    vault, rows = loaded
    if vault is None:
        return {}
    found = {}
    for row in rows.values():
        if not (row.licensed or vault.agreement):
            continue
        cube = codec.cube_of(vault, row, await rt.cipher(vault))
        if vault.agreement:
            # A pack's own licence holds for each of its cubes.
            add_licences(cube, [settings_of(vault.settings).licence])
        found[cube.name] = _Parent(cube, row, list(cube.governance.licences))
    return found
