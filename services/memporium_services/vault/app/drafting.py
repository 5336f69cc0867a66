"""Gets cubes ready to be stored: units, vectors, digests, keyed words, sealed rows. All before the transaction."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from memporium_platform.errors import invalid
from memporium_services.vault.app import codec, content
from memporium_services.vault.app.columns import band_tokens, column_values, same_token, unit_works, words_of
from memporium_services.vault.domain.lifecycle import State
from memporium_services.vault.domain.rows import CubeRow, PayloadRow, TermRow, VersionRow
from memporium_services.vault.domain.simhash import simhash

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from memporium.cube.v1.cube_pb2 import Cube
    from memporium.vault.v1.cubes_pb2 import Vector
    from memporium_services.vault.app.cipher import VaultCipher
    from memporium_services.vault.app.columns import UnitWork
    from memporium_services.vault.app.content import UnitDraft
    from memporium_services.vault.app.runtime import Runtime
    from memporium_services.vault.domain.rows import VaultRow

# Cubes with no more units than this are drafted on the loop: the hop to a thread takes longer.
_SMALL_UNITS = 4


@dataclass(frozen=True, slots=True)
class Draft:
    """A cube ready to be stored."""

    cube: Cube
    row: CubeRow
    version: VersionRow
    payload: PayloadRow
    terms: tuple[TermRow, ...]
    band_tokens: tuple[str, ...]
    units: tuple[UnitWork, ...]
    blob_keys: tuple[str, ...]
    same: str = ""
    copied_from: str = ""

    @property
    def dimensions(self) -> int:
        """Length of the vectors; 0: none."""
        return len(self.units[0].vector) if self.units and self.units[0].vector is not None else 0


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a new cube comes from: its author and times, and the kind of its first version.

    Attributes:
        analysed: Whether the terms for the index are wanted with the draft.
        compared: Whether later cubes are to be told as duplicates of this one; not where nobody else writes.
    """

    author: str
    now_us: int
    change: str = "create"
    reason: str = ""
    state: State = State.GENERATED
    import_id: str = ""
    analysed: bool = True
    compared: bool = True


@dataclass(frozen=True, slots=True)
class Wanted:
    """A cube to be made.

    Attributes:
        vectors: One a unit; None: to be embedded.
        owner: As it was before, in a restore; so are `create_us`, `state` and `frozen`.
        units: Its units, where they are known.
        stored: Its payload's bytes, where they are known; the cube has the digest of them then.
        simhash: Told from the same text elsewhere; 0: to be told here.
        copied_from: The name of a cube of another vault that it is a copy of.
    """

    cube_id: str
    cube: Cube
    vectors: NDArray[np.float32] | None = None
    field: str = "cube"
    owner: str = ""
    create_us: int = 0
    state: int = 0
    frozen: bool = False
    units: list[UnitDraft] | None = None
    stored: bytes = b""
    simhash: int = 0
    copied_from: str = ""


async def vectors_for(
    rt: Runtime, vault: VaultRow, units: Sequence[Sequence[UnitDraft]], given: Sequence[NDArray[np.float32] | None]
) -> list[NDArray[np.float16] | None]:
    """Return one matrix a cube, embedding in one go what callers gave no vectors for."""
    texts: list[str] = []
    for drafts, vectors in zip(units, given, strict=True):
        if vectors is None:
            texts += [draft.indexed for draft in drafts]
    embedded = await rt.embedder.embed(vault.embedding_model, texts) if texts else np.zeros((0, 0), np.float32)
    matrices: list[NDArray[np.float32] | None] = []
    start = 0
    for drafts, vectors in zip(units, given, strict=True):
        if not drafts:
            matrices.append(None)
        elif vectors is not None:
            matrices.append(vectors)
        else:
            matrices.append(embedded[start : start + len(drafts)])
            start += len(drafts)
    return _scaled(matrices)


def _scaled(matrices: Sequence[NDArray[np.float32] | None]) -> list[NDArray[np.float16] | None]:
    """Return matrices with rows of unit length: all at once, where they are of one width."""
    present = [matrix for matrix in matrices if matrix is not None]
    if len({matrix.shape[1] for matrix in present}) > 1:
        return [None if matrix is None else codec.unit_vectors(matrix) for matrix in matrices]
    rows = codec.unit_vectors(np.concatenate(present)) if present else np.zeros((0, 0), np.float16)
    found: list[NDArray[np.float16] | None] = []
    start = 0
    for matrix in matrices:
        found.append(None if matrix is None else rows[start : start + len(matrix)])
        start += 0 if matrix is None else len(matrix)
    return found


def matrix(vectors: Sequence[Vector], *, count: int, dimensions: int, field: str) -> NDArray[np.float32] | None:
    """Return a caller's vectors as (count, d); None: none given.

    Args:
        vectors: One a unit.
        count: Number of units.
        dimensions: Of the vault; 0: the first vectors decide.
        field: For errors.

    Raises:
        PlatformError: INVALID_FIELD.
    """
    if not vectors:
        return None
    if len(vectors) != count:
        raise invalid(field, f"has {len(vectors)} vectors for {count} units")
    lengths = {len(vector.values) for vector in vectors}
    if len(lengths) != 1 or 0 in lengths or (dimensions and lengths != {dimensions}):
        raise invalid(field, f"must have {dimensions or 'one'} length, not {sorted(lengths)}")
    found = np.array([vector.values for vector in vectors], np.float32)
    if not np.isfinite(found).all():
        raise invalid(field, "must be finite")
    return found


async def draft_cubes(
    rt: Runtime, vault: VaultRow, cipher: VaultCipher, wanted: Sequence[Wanted], origin: Origin
) -> list[Draft]:
    """Return the drafts of new cubes.

    Raises:
        PlatformError: INVALID_FIELD, and what the embedder raises.
    """
    units = [content.units_of(one.cube) if one.units is None else one.units for one in wanted]
    for one, drafts in zip(wanted, units, strict=True):
        content.check_units(drafts, rt.settings, field=one.field)
    vectors = await vectors_for(rt, vault, units, [one.vectors for one in wanted])

    def build() -> list[Draft]:
        return [
            _draft(rt, vault, cipher, one, drafts, rows, origin)
            for one, drafts, rows in zip(wanted, units, vectors, strict=True)
        ]

    return build() if sum(map(len, units)) <= _SMALL_UNITS else await asyncio.to_thread(build)


def _draft(
    rt: Runtime,
    vault: VaultRow,
    cipher: VaultCipher,
    one: Wanted,
    drafts: list[UnitDraft],
    vectors: NDArray[np.float16] | None,
    origin: Origin,
) -> Draft:
    cube, cube_id, uid = one.cube, one.cube_id or rt.new_id(), rt.new_id()
    stored = one.stored
    if not stored:
        stored = content.payload_bytes(cube.payload)
        cube.content_digest = content.digest_of(stored)
    if drafts:
        cube.behavioural.embedding_model = vault.embedding_model
    analysed = origin.analysed or not one.simhash
    units, own_terms = unit_works(cipher, cube_id, cube.descriptive.language, drafts, vectors, analysed=analysed)
    fingerprint = one.simhash or simhash(own_terms)
    keys = tuple(cipher.object_name("blob", blob.sha256) for blob in content.blobs_of(cube.payload))
    owner, create_us = one.owner or origin.author, one.create_us or origin.now_us
    row_meta = cipher.seal(codec.meta_of(cube), "meta", uid, 1)
    row = CubeRow(
        vault_uid=vault.uid,
        cube_id=cube_id,
        uid=uid,
        version=1,
        payload_version=1,
        state=one.state or int(origin.state),
        frozen=one.frozen,
        owner=owner,
        simhash=fingerprint,
        create_us=create_us,
        update_us=origin.now_us,
        size_bytes=len(stored) + sum(blob.size_bytes for blob in content.blobs_of(cube.payload)),
        last_use_us=origin.now_us,
        import_id=origin.import_id,
        meta_sealed=row_meta,
        **column_values(vault, cipher, cube, owner=owner, create_us=create_us),
    )
    same = same_token(cipher, cube, row.owner) if origin.compared else ""
    bands = band_tokens(cipher, fingerprint) if origin.compared else ()
    return Draft(
        cube=cube,
        row=row,
        version=VersionRow(
            cube_id=cube_id,
            version=1,
            parent=0,
            payload_version=1,
            author=origin.author,
            change=origin.change,
            create_us=origin.now_us,
            meta_sealed=row_meta,
            note_sealed=cipher.seal(origin.reason.encode(), "note", uid, 1) if origin.reason else b"",
        ),
        payload=PayloadRow(cube_id, 1, cipher.seal(stored, "payload", uid, 1)),
        terms=tuple(words_of(cipher, cube_id, cube, bands, same=same)),
        band_tokens=bands,
        units=units,
        blob_keys=keys,
        same=same,
        copied_from=one.copied_from,
    )
