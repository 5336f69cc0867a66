"""Finds everything about one person: what they own, said, are named in, or are mentioned in, in every version.

Names stand in the database only sealed, so this opens every cube of the vault. It is asked for seldom, and must miss
nothing: exactness goes before speed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from operator import methodcaller
from typing import TYPE_CHECKING

from memporium.cube.v1.cube_pb2 import Payload
from memporium.vault.v1 import cubes_pb2
from memporium_platform.errors import invalid
from memporium_services.vault.app import codec
from memporium_services.vault.app.reading import open_payload, reader_of
from memporium_services.vault.app.runtime import bind
from memporium_services.vault.domain.lifecycle import State
from memporium_services.vault.domain.selection import Selection

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy import Connection

    from memporium.cube.v1.cube_pb2 import Cube, SourceSpan
    from memporium_platform.call import Call
    from memporium_services.vault.app.cipher import VaultCipher
    from memporium_services.vault.app.runtime import Runtime
    from memporium_services.vault.domain.rows import CubeRow, PayloadRow, VaultRow, VersionRow
    from memporium_services.vault.ports import Store

ALL_STATES = tuple(int(state) for state in State if state is not State.PURGED)
_PAGE = 200
_MAX_VERSIONS = 10_000
_MAX_NAMES, _MAX_NAME_CHARS = 100, 500


@dataclass(frozen=True, slots=True)
class Subject:
    """Whose memories; names in the form that `folded` gives."""

    names: frozenset[str]
    mentioned: re.Pattern[str] | None


def folded(name: str) -> str:
    """Return a name without regard to letter case and the width of its gaps."""
    return " ".join(name.casefold().split())


def subject_of(asked: cubes_pb2.Subject) -> Subject:
    """Return what to look for.

    Raises:
        PlatformError: INVALID_FIELD.
    """
    if len(asked.names) > _MAX_NAMES or any(len(name) > _MAX_NAME_CHARS for name in asked.names):
        raise invalid("subject.names", f"at most {_MAX_NAMES} names of {_MAX_NAME_CHARS} characters")
    names = frozenset(map(folded, asked.names))
    if not names or "" in names:
        raise invalid("subject.names", "must be given")
    if not asked.mentions:
        return Subject(names, None)
    # A name may be broken over lines; the longest first, for "Ann" and "Ann Lee" begin alike.
    parts = [r"\s+".join(map(re.escape, name.split(" "))) for name in sorted(names, key=len, reverse=True)]
    return Subject(names, re.compile(rf"(?<!\w)(?:{'|'.join(parts)})(?!\w)"))


def reason_in(cube: Cube, owner: str, subject: Subject) -> int:
    """Return why one version of a cube is the subject's; 0: it is not."""
    if folded(owner) in subject.names:
        return cubes_pb2.FORGET_WHY_OWNER
    told = cube.descriptive
    if any(folded(word) in subject.names for word in (*told.entities, told.persona)):
        return cubes_pb2.FORGET_WHY_ENTITY
    cell = cube.payload.plaintext.mem_cell
    spans = [*cell.sources, *(fact.source for fact in cell.facts), *(one.source for one in cell.foresight)]
    if any(folded(span.speaker) in subject.names for span in spans):
        return cubes_pb2.FORGET_WHY_SPEAKER
    if subject.mentioned is not None and any(subject.mentioned.search(text.casefold()) for text in _texts(cube, spans)):
        return cubes_pb2.FORGET_WHY_MENTION
    return 0


async def find_subject(
    rt: Runtime, call: Call, vault: VaultRow, cipher: VaultCipher, subject: Subject, narrowed: Selection | None
) -> dict[str, int]:
    """Return why, by the id of each cube that is the subject's, among those that the caller may see."""
    chosen = replace(narrowed or Selection(), reader=reader_of(call), now_us=rt.now_us())
    chosen = chosen if chosen.states else replace(chosen, states=ALL_STATES)
    found: dict[str, int] = {}
    after: tuple[object, str] | None = None
    while True:
        select = methodcaller("select", vault.uid, chosen, order="name", after=after, limit=_PAGE)
        rows = await rt.db.read(bind(rt, select, cipher.token))
        for row, versions, payloads in await _histories(rt, vault, rows):
            why = await _why(rt, vault, row, versions, payloads, cipher, subject)
            if why:
                found[row.cube_id] = why
        if len(rows) < _PAGE:
            return found
        after = (rows[-1].cube_id, rows[-1].cube_id)


async def _histories(
    rt: Runtime, vault: VaultRow, rows: Sequence[CubeRow]
) -> list[tuple[CubeRow, list[VersionRow], dict[int, PayloadRow]]]:
    def load(conn: Connection) -> list[tuple[CubeRow, list[VersionRow], dict[int, PayloadRow]]]:
        store: Store = rt.store(conn)
        loaded = []
        for row in rows:
            # The present version's own row is the cube's.
            old = store.versions(vault.uid, row.cube_id, below=row.version, limit=_MAX_VERSIONS)
            old = old if row.version > 1 else []
            numbers = sorted({row.payload_version, *(one.payload_version for one in old)})
            payloads = store.payloads(vault.uid, [(row.cube_id, number) for number in numbers])
            loaded.append((row, old, {number: payload for (_, number), payload in payloads.items()}))
        return loaded

    return await rt.db.read(load)


async def _why(
    rt: Runtime,
    vault: VaultRow,
    row: CubeRow,
    versions: Sequence[VersionRow],
    payloads: dict[int, PayloadRow],
    cipher: VaultCipher,
    subject: Subject,
) -> int:
    bodies = {number: await open_payload(rt, one, row.uid, cipher) for number, one in payloads.items()}
    stamps = [(row.version, row.payload_version, row.meta_sealed)]
    stamps += [(one.version, one.payload_version, one.meta_sealed) for one in versions]
    for version, payload_version, meta in stamps:
        cube = codec.cube_of(vault, replace(row, version=version, meta_sealed=meta), cipher)
        cube.payload.CopyFrom(Payload.FromString(bodies.get(payload_version, b"")))
        why = reason_in(cube, row.owner, subject)
        if why:
            return why
    return 0


def _texts(cube: Cube, spans: Sequence[SourceSpan]) -> Iterator[str]:
    """Yield all words of a cube that people wrote."""
    told, plain = cube.descriptive, cube.payload.plaintext
    cell, page = plain.mem_cell, plain.document
    yield from (told.title, told.source, *told.tags, page.title, page.text, plain.record.json, cell.episode)
    for fact in cell.facts:
        yield from (fact.text, fact.context)
    yield from (one.text for one in cell.foresight)
    for span in spans:
        yield from (span.source, span.locator)
