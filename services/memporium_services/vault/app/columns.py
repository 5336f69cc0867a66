"""What of a cube stands in columns, keyed words and units."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from memporium_platform.storage.index.vault_index import IndexEntry
from memporium_services.vault.app import codec, content
from memporium_services.vault.app.retention import retention_of
from memporium_services.vault.domain import lifespan, selection
from memporium_services.vault.domain.canonical import canonical
from memporium_services.vault.domain.rows import TermRow, UnitRow
from memporium_services.vault.domain.simhash import bands as bands_of
from memporium_services.vault.domain.text import terms_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from memporium.cube.v1.cube_pb2 import AtomicFact, Cube
    from memporium_services.vault.app.cipher import VaultCipher
    from memporium_services.vault.app.content import UnitDraft
    from memporium_services.vault.domain.rows import CubeRow, VaultRow

_SHARED = 2
# Longer texts are hardly ever the same but for their writing, and take longer to tell.
_MAX_SAME_BYTES = 16_384


@dataclass(frozen=True, slots=True)
class UnitWork:
    """A unit ready to be stored and indexed; only its id is missing."""

    row: UnitRow
    terms: tuple[str, ...]
    context_terms: tuple[str, ...]
    vector: NDArray[np.float32] | None

    def entry(self, unit_id: int) -> IndexEntry:
        """Return the index entry."""
        return IndexEntry(unit_id, self.terms, self.context_terms, self.vector)


def columns_of(vault: VaultRow, cipher: VaultCipher, cube: Cube, row: CubeRow) -> CubeRow:
    """Return the row with its columns as the cube says."""
    values = column_values(vault, cipher, cube, owner=row.owner, create_us=row.create_us, form=row.form)
    return replace(row, **values)


def column_values(
    vault: VaultRow, cipher: VaultCipher, cube: Cube, *, owner: str, create_us: int, form: int = 0
) -> dict[str, Any]:
    """Return the columns of a row as the cube says; `form` is that of a payload that is not there."""
    told, governed = cube.descriptive, cube.governance
    scope = governed.access_scope or _SHARED
    own = owner if scope == selection.PRIVATE else ""
    form = content.form_of(cube.payload) or form
    return {
        "form": form,
        "semantic_type": told.semantic_type,
        "origin": told.origin,
        "scope": scope,
        "priority": governed.priority,
        "legal_hold": governed.legal_hold,
        "licensed": bool(governed.licences),
        "dedup": content_token(cipher, cube, form=form, own=own),
        "event_us": content.event_us_of(cube),
        "expire_us": lifespan.expire_us(
            create_us=create_us, ttl_s=content.ttl_s_of(cube), retention=retention_of(vault.settings)
        ),
    }


def content_token(cipher: VaultCipher, cube: Cube, *, form: int, own: str) -> str:
    """Return the keyed digest of a cube that exact duplicates share; `own`: the owner of a private one, else "".

    What one persona remembers is not there for another, which must keep it itself.
    """
    agreements = sorted({licence.agreement for licence in cube.governance.licences})
    # Before the agreements, which are names of resources: no persona can be taken for one.
    persona = [f"persona {cube.descriptive.persona}"] if cube.descriptive.persona else []
    return cipher.token("content", "\0".join((cube.content_digest, str(form), own, *persona, *agreements)))


def words_of(cipher: VaultCipher, cube_id: str, cube: Cube, bands: Sequence[str], *, same: str) -> list[TermRow]:
    """Return the keyed words beside a cube; `bands` of its SimHash, `same` of its canonical form, "": none."""
    told, governed = cube.descriptive, cube.governance
    words = {
        *((selection.TAG, tag) for tag in told.tags),
        *((selection.ENTITY, entity) for entity in told.entities),
        *((selection.LABEL, label) for label in governed.sensitivity_labels),
        *((selection.AGREEMENT, licence.agreement) for licence in governed.licences),
        (selection.SOURCE, told.source),
        (selection.PERSONA, told.persona),
        (selection.LANGUAGE, told.language),
        *((selection.CLAIM, key) for fact in cube.payload.plaintext.mem_cell.facts for key in claimed(fact)),
    }
    rows = [TermRow(cube_id, kind, cipher.token(kind, word)) for kind, word in sorted(words) if word]
    rows += [TermRow(cube_id, selection.SAME, same)] if same else []
    return rows + [TermRow(cube_id, selection.BAND, token) for token in bands]


def same_token(cipher: VaultCipher, cube: Cube, owner: str) -> str:
    """Return the keyed canonical form of a text cube: cubes that have the same one say the same; "": it has none.

    Of whom it is, when it was true, who said it and what it lets expect count too; where and when it was said do not.
    """
    if cube.payload.WhichOneof("form") != "plaintext" or cube.payload.ByteSize() > _MAX_SAME_BYTES:
        return ""
    text, governed = cube.payload.plaintext, cube.governance
    kind = text.WhichOneof("content")
    if kind == "document":
        said = [canonical(text.document.title), canonical(text.document.text)]
    elif kind == "mem_cell":
        cell = text.mem_cell
        said = [canonical(cell.episode)]
        for fact in cell.facts:
            when = str(content.moment_us(fact.event_time)) if fact.HasField("event_time") else ""
            said += [canonical(fact.text), when, fact.role, fact.source.speaker]
        said += [canonical(one.text) + one.start_time.ToJsonString() for one in cell.foresight]
    else:
        return ""
    if not any(said):
        return ""
    own = owner if governed.access_scope == selection.PRIVATE else ""
    agreements = sorted(licence.agreement for licence in governed.licences)
    when = str(content.event_us_of(cube) or "")
    return cipher.token(selection.SAME, "\0".join((own, cube.descriptive.persona, when, *agreements, "", *said)))


def claimed(fact: AtomicFact) -> Iterator[str]:
    """Yield by what a fact's claims are found: the subject, and the subject with the attribute."""
    for claim in fact.claims:
        yield claim.subject.casefold()
        yield f"{claim.subject}/{claim.attribute}".casefold()


def band_tokens(cipher: VaultCipher, fingerprint: int) -> tuple[str, ...]:
    """Return the keyed bands of a SimHash; none for texts too short to have one."""
    if fingerprint == 0:
        return ()
    return tuple(cipher.token(selection.BAND, f"{place}:{band}") for place, band in enumerate(bands_of(fingerprint)))


def unit_works(
    cipher: VaultCipher,
    cube_id: str,
    language: str,
    drafts: Sequence[UnitDraft],
    vectors: NDArray[np.float16] | None,
    *,
    analysed: bool = True,
) -> tuple[tuple[UnitWork, ...], list[str]]:
    """Return the units ready to be stored, and all analysed terms of the cube in order.

    Args:
        cipher: Of the vault.
        cube_id: Of the cube.
        language: Of the text.
        drafts: The units.
        vectors: (units, d) float16, rows of unit length; None: not embedded.
        analysed: False where nobody asks for the terms: the index will read the units back.
    """
    works: list[UnitWork] = []
    all_terms: list[str] = []
    for ordinal, draft in enumerate(drafts):
        vector = None if vectors is None else vectors[ordinal]
        terms = terms_of(draft.indexed, language) if analysed else []
        all_terms += terms
        row = UnitRow(
            cube_id=cube_id,
            ordinal=ordinal,
            role=cipher.token(selection.ROLE, draft.role) if draft.role else "",
            event_us=draft.event_us,
            has_context=bool(draft.context),
            body_sealed=cipher.seal(codec.unit_body(draft, ordinal, language, vector), "unit", cube_id, ordinal),
        )
        works.append(
            UnitWork(
                row=row,
                terms=cipher.terms(terms),
                context_terms=cipher.terms(terms_of(draft.context, language)) if analysed and draft.context else (),
                vector=None if vector is None else vector.astype(np.float32),
            )
        )
    return tuple(works), all_terms
