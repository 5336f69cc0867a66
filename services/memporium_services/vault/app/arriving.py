"""What comes in an import, before it is drafted: its ids, and what of it is in the vault already.

Cubes that are there as they are cost a digest and a look at their row. They are neither analysed nor stored again, so a
new release costs what it changes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from memporium_services.vault.app import content
from memporium_services.vault.app.columns import content_token
from memporium_services.vault.app.drafting import Wanted, matrix
from memporium_services.vault.app.importing import same_words
from memporium_services.vault.app.kept_names import asked_of
from memporium_services.vault.domain import selection

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from memporium.cube.v1.cube_pb2 import Cube
    from memporium.vault.v1.cubes_pb2 import PortableCube
    from memporium.vault.v1.vault_service_pb2 import ImportCubesHeader
    from memporium_services.vault.app.cipher import VaultCipher
    from memporium_services.vault.app.importing import Import
    from memporium_services.vault.app.runtime import Runtime
    from memporium_services.vault.domain.rows import CubeRow, VaultRow
    from memporium_services.vault.ports import Store


@dataclass(frozen=True, slots=True)
class Arrived:
    """A cube that was looked at; `token` is the keyed digest that exact duplicates share."""

    place: int
    portable: PortableCube
    field: str
    stored: bytes
    token: str
    asked_id: str


@dataclass(frozen=True, slots=True)
class There:
    """What the vault has of one batch: cubes by keyed digest, and the ids that are taken."""

    by_token: Mapping[str, CubeRow]
    taken: frozenset[str] = frozenset()


def look_at(
    rt: Runtime,
    cipher: VaultCipher,
    header: ImportCubesHeader,
    cubes: Sequence[PortableCube],
    *,
    author: str,
) -> list[Arrived]:
    """Check cubes, put them under the import's licence, and take their digests.

    Raises:
        PlatformError: INVALID_FIELD.
    """
    found = []
    for place, portable in enumerate(cubes):
        cube, field = portable.cube, f"batch.cubes[{place}].cube"
        content.check_cube(cube, rt.settings, field=field)
        governed = cube.governance
        if header.HasField("licence") and all(one.agreement != header.licence.agreement for one in governed.licences):
            governed.licences.append(header.licence)
        stored = content.payload_bytes(cube.payload)
        cube.content_digest = content.digest_of(stored)
        owner = (governed.owner if header.restore else "") or author
        own = owner if governed.access_scope == selection.PRIVATE else ""
        token = content_token(cipher, cube, form=content.form_of(cube.payload), own=own)
        found.append(Arrived(place, portable, field, stored, token, asked_of(cube)))
    return found


def there(store: Store, vault: VaultRow, arrived: Sequence[Arrived], *, replaces: bool) -> There:
    """Return what the vault has of a batch; a release that replaces another may take the ids of the old one's cubes."""
    by_token = store.by_dedup(vault.uid, [one.token for one in arrived])
    if replaces:
        return There(by_token)
    return There(by_token, frozenset(store.cubes(vault.uid, [one.asked_id for one in arrived if one.asked_id])))


def choose(
    vault: VaultRow,
    cipher: VaultCipher,
    header: ImportCubesHeader,
    arrived: Sequence[Arrived],
    *,
    found: There,
    work: Import,
) -> list[Wanted]:
    """Return what is to be made of a batch; note in `work` the ids, and the cubes that are there as they are.

    Raises:
        PlatformError: INVALID_FIELD.
    """
    wanted = []
    for one in arrived:
        cube_id = "" if one.asked_id in work.names.kept or one.asked_id in found.taken else one.asked_id
        same = found.by_token.get(one.token)
        if same is not None and (not work.replaces or same_words(vault, cipher, same, one.portable.cube)):
            work.names.ask(one.asked_id, same.cube_id)
            work.kept.add(same.cube_id)
            work.deduplicated += 1
        else:
            work.names.ask(one.asked_id, cube_id)
            wanted.append(_wanted(vault, header, one, cube_id))
    return wanted


def _wanted(vault: VaultRow, header: ImportCubesHeader, one: Arrived, cube_id: str) -> Wanted:
    """Return what is to be made of a new cube; a restore keeps owner, time and state."""
    cube = one.portable.cube
    units = content.units_of(cube)
    vectors = None
    if header.embedding_model == vault.embedding_model and len(one.portable.unit_vectors) == len(units):
        field = f"{one.field}.unit_vectors"
        vectors = matrix(one.portable.unit_vectors, count=len(units), dimensions=vault.dimensions, field=field)
    wanted = Wanted(
        cube_id,
        cube,
        vectors,
        one.field,
        units=units,
        stored=one.stored,
        simhash=cube.behavioural.simhash,
        copied_from=one.portable.copied_from,
    )
    return _restored(wanted, cube) if header.restore else wanted


def _restored(wanted: Wanted, cube: Cube) -> Wanted:
    governed = cube.governance
    return replace(
        wanted,
        owner=governed.owner,
        create_us=content.moment_us(cube.descriptive.create_time),
        state=governed.state,
        frozen=governed.frozen,
    )
