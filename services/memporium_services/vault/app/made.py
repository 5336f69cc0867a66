"""Which cubes were made from others, by what they say of themselves; all else is what somebody wrote."""

from __future__ import annotations

from typing import TYPE_CHECKING

from memporium.cube.v1 import cube_pb2
from memporium_platform import names
from memporium_services.vault.app.content import form_of
from memporium_services.vault.domain.links import LinkRow

if TYPE_CHECKING:
    from collections.abc import Iterable

    from memporium.cube.v1.cube_pb2 import Cube
    from memporium_services.vault.domain.rows import VaultRow
    from memporium_services.vault.ports import Store

TENSORS = (cube_pb2.MEMORY_FORM_ACTIVATION, cube_pb2.MEMORY_FORM_PARAMETER)
SUMMARIES = (cube_pb2.SEMANTIC_TYPE_SCENE, cube_pb2.SEMANTIC_TYPE_PROFILE)
MADE = (
    cube_pb2.ORIGIN_MERGE,
    cube_pb2.ORIGIN_CONVERSION,
    cube_pb2.ORIGIN_FINE_TUNING,
    # What a pipeline or a model writes of what it has read.
    cube_pb2.ORIGIN_INFERENCE_EXTRACTION,
)
# Derivations by which a cube says the same as its parent, whoever wrote that.
_COPIES = frozenset({"deliver", "copy"})


def is_made(cube: Cube) -> bool:
    """Say whether a cube was made of others, and so goes with them, by its origin."""
    return cube.descriptive.origin in MADE and bool(cube.behavioural.lineage.parents)


def parents_of(cube: Cube) -> list[str]:
    """Return the names of the cubes that a cube says it was made from."""
    payload = cube.payload
    named = [*cube.behavioural.lineage.parents, *payload.activation.source_cubes, *payload.parameter.source_cubes]
    return list(dict.fromkeys(named))


def links_of(vault: VaultRow, cube_id: str, cube: Cube) -> list[LinkRow]:
    """Return what a cube was made from, or copied of, that lies in other vaults of the organisation."""
    lineage, told = cube.behavioural.lineage, cube.descriptive
    made = told.origin in MADE or told.semantic_type in SUMMARIES or lineage.derivation in _COPIES
    if not (made or form_of(cube.payload) in TENSORS):
        return []
    return links_to(vault, cube_id, parents_of(cube))


def links_to(vault: VaultRow, cube_id: str, parents: Iterable[str]) -> list[LinkRow]:
    """Return the links of a cube to those of its parents that lie in other vaults of the organisation."""
    # What a pack names is its publisher's.
    if vault.agreement:
        return []
    found = []
    for name in parents:
        ids = names.CUBE.match(name)
        if ids is not None and ids["org"] == vault.org and ids["vault"] != vault.vault_id:
            found.append(LinkRow(vault.uid, cube_id, ids["vault"], ids["cube"]))
    return found


def note_links(store: Store, vault: VaultRow, cubes: Iterable[tuple[str, Cube]]) -> None:
    """Remember of which cubes of other vaults new ones were made, so that forgetting those finds them."""
    rows = [link for cube_id, cube in cubes for link in links_of(vault, cube_id, cube)]
    if rows:
        store.link(vault.org, rows)
