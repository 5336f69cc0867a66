"""Between messages and rows: what is sealed, what stands in columns, and how a cube is put together again."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import orjson

from memporium.cube.v1.cube_pb2 import Cube
from memporium.vault.v1.cubes_pb2 import Unit
from memporium_services.vault.app import masks
from memporium_services.vault.domain.use_kinds import shown_uses
from memporium_services.vault.domain.versions import etag

if TYPE_CHECKING:
    from google.protobuf.timestamp_pb2 import Timestamp
    from numpy.typing import NDArray

    from memporium_services.vault.app.cipher import VaultCipher
    from memporium_services.vault.app.content import UnitDraft
    from memporium_services.vault.domain.rows import CubeRow, DescribedCube, UnitRow, VaultRow

_US = 1_000_000
# Lengths of unit message, title and language, ahead of them; the vector's float16 numbers follow.
_LENGTHS = struct.Struct("<III")


def set_time(field: Timestamp, time_us: int | None) -> None:
    """Write microseconds into a timestamp field; None leaves it absent."""
    if time_us is not None:
        field.seconds, micros = divmod(time_us, _US)
        field.nanos = micros * 1000


def meta_of(cube: Cube) -> bytes:
    """Return the bytes of a cube, of which the payload is there, without it and without what stands in columns."""
    meta = Cube()
    meta.descriptive.CopyFrom(cube.descriptive)
    meta.governance.CopyFrom(cube.governance)
    meta.content_digest = cube.content_digest
    meta.behavioural.lineage.CopyFrom(cube.behavioural.lineage)
    meta.behavioural.embedding_model = cube.behavioural.embedding_model
    meta.behavioural.foresight_count = len(cube.payload.plaintext.mem_cell.foresight)
    masks.clear(meta.descriptive, ("create_time", "update_time"))
    masks.clear(meta.governance, ("owner", "state", "frozen", "expire_time", "purge_time"))
    return meta.SerializeToString()


def cube_of(vault: VaultRow, row: CubeRow, cipher: VaultCipher, *, payload: bytes | None = None) -> Cube:
    """Return the cube of a row; `payload` are the stored bytes where it is wanted.

    Raises:
        PlatformError: INTEGRITY_FAILURE.
    """
    cube = Cube.FromString(cipher.open(row.meta_sealed, "meta", row.uid, row.version))
    cube.name = f"{vault.name}/cubes/{row.cube_id}"
    cube.uid = row.uid
    cube.etag = etag(row.version, row.revision)
    cube.revision, cube.payload_bytes = row.revision, row.size_bytes
    set_time(cube.descriptive.create_time, row.create_us)
    set_time(cube.descriptive.update_time, row.update_us)
    governed, used = cube.governance, cube.behavioural
    governed.owner, governed.state, governed.frozen = row.owner, row.state, row.frozen  # type: ignore[assignment]
    set_time(governed.expire_time, row.expire_us)
    set_time(governed.purge_time, row.purge_us)
    used.heat, used.tier, used.simhash, used.version = row.heat, row.tier, row.simhash, row.version  # type: ignore[assignment]
    if row.last_use_us:
        set_time(used.last_use_time, row.last_use_us)
    if row.uses:
        used.use_counts.update(shown_uses(orjson.loads(row.uses)))
    if payload is not None:
        cube.payload.MergeFromString(payload)
    return cube


def described(vault: VaultRow, row: DescribedCube, cipher: VaultCipher) -> Cube:
    """Return a cube with what describes it, and what its licences are, alone.

    Raises:
        PlatformError: INTEGRITY_FAILURE.
    """
    cube = Cube.FromString(cipher.open(row.meta_sealed, "meta", row.uid, row.version))
    cube.name = f"{vault.name}/cubes/{row.cube_id}"
    set_time(cube.descriptive.create_time, row.create_us)
    set_time(cube.descriptive.update_time, row.update_us)
    return cube


class StoredUnit(NamedTuple):
    """A unit as it is kept: with what the index needs to be built anew."""

    unit: Unit
    title: str
    language: str
    vector: NDArray[np.float32] | None

    @property
    def indexed(self) -> str:
        """The text that is analysed and embedded."""
        return f"{self.title}\n{self.unit.text}" if self.title else self.unit.text


def unit_of(draft: UnitDraft, ordinal: int) -> Unit:
    """Return the message of a draft."""
    unit = Unit(ordinal=ordinal, text=draft.text, context=draft.context, role=draft.role)
    set_time(unit.event_time, draft.event_us)
    if draft.source is not None:
        unit.source.CopyFrom(draft.source)
    unit.claims.extend(draft.claims)
    if draft.trust is not None:
        unit.trust = draft.trust
    return unit


def unit_body(draft: UnitDraft, ordinal: int, language: str, vector: NDArray[np.float16] | None) -> bytes:
    """Return a unit and its vector as the bytes that are sealed."""
    parts = (unit_of(draft, ordinal).SerializeToString(), draft.title.encode(), language.encode())
    tail = b"" if vector is None else vector.astype("<f2").tobytes()
    return _LENGTHS.pack(*map(len, parts)) + b"".join(parts) + tail


def open_unit(row: UnitRow, cipher: VaultCipher) -> StoredUnit:
    """Return a stored unit.

    Raises:
        PlatformError: INTEGRITY_FAILURE.
    """
    body = cipher.open(row.body_sealed, "unit", row.cube_id, row.ordinal)
    unit, title, language = _LENGTHS.unpack_from(body)
    to_title = _LENGTHS.size + unit
    to_language = to_title + title
    to_vector = to_language + language
    return StoredUnit(
        Unit.FromString(body[_LENGTHS.size : to_title]),
        body[to_title:to_language].decode(),
        body[to_language:to_vector].decode(),
        np.frombuffer(body, "<f2", offset=to_vector).astype(np.float32) if len(body) > to_vector else None,
    )


def open_message(row: UnitRow, cipher: VaultCipher) -> Unit:
    """Return what a stored unit says, without what the index needs.

    Raises:
        PlatformError: INTEGRITY_FAILURE.
    """
    return Unit.FromString(unit_in(row.body_sealed, cipher, row.cube_id, row.ordinal))


def unit_in(sealed: bytes, cipher: VaultCipher, cube_id: str, ordinal: int) -> bytes:
    """Return the message of a unit, as bytes, of which the cube and the place in it are known.

    Raises:
        PlatformError: INTEGRITY_FAILURE.
    """
    body = cipher.open(sealed, "unit", cube_id, ordinal)
    return body[_LENGTHS.size : _LENGTHS.size + int(_LENGTHS.unpack_from(body)[0])]


def vector_in(row: UnitRow, cipher: VaultCipher) -> NDArray[np.float32] | None:
    """Return the vector of a stored unit alone; None: it has none.

    Raises:
        PlatformError: INTEGRITY_FAILURE.
    """
    body = cipher.open(row.body_sealed, "unit", row.cube_id, row.ordinal)
    to_vector = _LENGTHS.size + sum(_LENGTHS.unpack_from(body))
    return np.frombuffer(body, "<f2", offset=to_vector).astype(np.float32) if len(body) > to_vector else None


def unit_vectors(vectors: NDArray[np.float32]) -> NDArray[np.float16]:
    """Return (n, d) rows scaled to unit length in 16 bits: what is stored, so that a rebuilt index ranks the same."""
    # In float64: squares of large float32 numbers overflow.
    norms = np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)
    return (vectors / np.where(norms > 0, norms, 1.0)).astype(np.float16)
