"""Finds everything about one person: what they own, said, are named in, or are mentioned in, in every version.

Names stand in the database only sealed, so this opens every cube of the vault. It is asked for seldom, and must miss
nothing: exactness goes before speed.
"""

from __future__ import annotations

import re
import unicodedata
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
_APOSTROPHES = "\u2018\u2019\u201b\u02bc\u02b9`\u00b4\uff07"
_HYPHENS = "\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe63\uff0d"
# Soft hyphen, joiners, marks of direction and order.
_UNSEEN = (0xAD, 0x034F, 0x061C, *range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x2070), 0xFEFF)
_SAME = dict.fromkeys(map(ord, _APOSTROPHES), "'") | dict.fromkeys(map(ord, _HYPHENS), "-") | dict.fromkeys(_UNSEEN)


@dataclass(frozen=True, slots=True)
class Subject:
    """Whose memories; names in the form that `folded` gives."""

    names: frozenset[str]
    mentioned: re.Pattern[str] | None


def plain(text: str) -> str:
    """Return a text without regard to letter case and to how its characters are put together.

    Composed and decomposed accents, full-width letters, the sorts of apostrophes and hyphens are the same; what is not
    seen (soft hyphens, joiners, marks of direction) is left out.
    """
    whole = unicodedata.normalize("NFKC", text).translate(_SAME).casefold()
    return unicodedata.normalize("NFKC", whole)


def folded(name: str) -> str:
    """Return a name as `plain` gives it, and without regard to the width of its gaps."""
    return " ".join(plain(name).split())


def _is_named(word: str, subject: Subject) -> bool:
    """Say whether a word is one of the subject's names, or what is theirs ("Ada's")."""
    name = folded(word)
    return name in subject.names or name.removesuffix("'s").removesuffix("s'") in subject.names


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
    # An underscore stands for a gap, or for emphasis.
    return Subject(names, re.compile(rf"(?<![^\W_])(?:{'|'.join(parts)})(?![^\W_])"))


def reason_in(cube: Cube, owner: str, subject: Subject) -> int:
    """Return why one version of a cube is the subject's; 0: it is not."""
    if folded(owner) in subject.names:
        return cubes_pb2.FORGET_WHY_OWNER
    told = cube.descriptive
    if any(_is_named(word, subject) for word in (*told.entities, told.persona)):
        return cubes_pb2.FORGET_WHY_ENTITY
    cell = cube.payload.plaintext.mem_cell
    spans = [*cell.sources, *(fact.source for fact in cell.facts), *(one.source for one in cell.foresight)]
    if any(folded(span.speaker) in subject.names for span in spans):
        return cubes_pb2.FORGET_WHY_SPEAKER
    return cubes_pb2.FORGET_WHY_MENTION if any(_mentions(text, subject) for text in _texts(cube, spans)) else 0


def _mentions(text: str, subject: Subject) -> bool:
    return subject.mentioned is not None and subject.mentioned.search(plain(text)) is not None


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
        for row, versions, payloads in await _histories(rt, vault, rows, notes=subject.mentioned is not None):
            why = await _why(rt, vault, row, versions, payloads, cipher, subject)
            if why:
                found[row.cube_id] = why
        if len(rows) < _PAGE:
            return found
        after = (rows[-1].cube_id, rows[-1].cube_id)


async def _histories(
    rt: Runtime, vault: VaultRow, rows: Sequence[CubeRow], *, notes: bool
) -> list[tuple[CubeRow, list[VersionRow], dict[int, PayloadRow]]]:
    def load(conn: Connection) -> list[tuple[CubeRow, list[VersionRow], dict[int, PayloadRow]]]:
        store: Store = rt.store(conn)
        loaded = []
        for row in rows:
            # The present version's own row is the cube's, but for why it was made.
            below = row.version + 1 if notes else row.version
            old = store.versions(vault.uid, row.cube_id, below=below, limit=_MAX_VERSIONS) if below > 1 else []
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
    notes = (cipher.open(one.note_sealed, "note", row.uid, one.version) for one in versions if one.note_sealed)
    return cubes_pb2.FORGET_WHY_MENTION if any(_mentions(note.decode(), subject) for note in notes) else 0


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
