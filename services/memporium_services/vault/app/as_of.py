"""The vault as it was: cubes with the content and the state of an earlier revision or time.

What was forgotten or purged since is gone from the past, too: forgetting is stronger than history.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from memporium_platform.errors import invalid
from memporium_services.vault.app import codec, content
from memporium_services.vault.app.columns import claimed
from memporium_services.vault.app.reading import load_payloads, reader_of
from memporium_services.vault.domain.matching import Told, admits
from memporium_services.vault.domain.replay import condition_after
from memporium_services.vault.domain.selection import PRIVATE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from sqlalchemy import Connection

    from memporium.cube.v1.cube_pb2 import Cube
    from memporium_platform.call import Call
    from memporium_services.vault.app.cipher import VaultCipher
    from memporium_services.vault.app.runtime import Runtime
    from memporium_services.vault.domain.rows import CubeRow, VaultRow, VersionRow
    from memporium_services.vault.domain.selection import Selection
    from memporium_services.vault.ports import Store

_PAGE = 200


@dataclass(frozen=True, slots=True)
class Moment:
    """A revision of a vault, or, where `time_us` is given, a time."""

    revision: int = 0
    time_us: int | None = None

    @property
    def given(self) -> bool:
        """Whether it is another than now."""
        return self.revision != 0 or self.time_us is not None


NOW = Moment()


def moment_of(vault: VaultRow, moment: Moment, *, field: str) -> Moment:
    """Return the moment; one of both is given, and lies not in the future.

    Raises:
        PlatformError: INVALID_FIELD.
    """
    if moment.revision and moment.time_us is not None:
        raise invalid(f"{field}_revision", f"not together with {field}_time")
    if not 0 <= moment.revision <= vault.revision:
        raise invalid(f"{field}_revision", f"must be 1 to {vault.revision}")
    return moment


def row_then(store: Store, vault_uid: str, pairs: Sequence[tuple[CubeRow, VersionRow]]) -> list[CubeRow]:
    """Return the rows of cubes as they were at a version of each."""
    changes = store.changes_up_to(vault_uid, [(row.cube_id, stamp.version) for row, stamp in pairs])
    found = []
    for row, stamp in pairs:
        then = condition_after(changes[row.cube_id])
        found.append(
            replace(
                row,
                version=stamp.version,
                payload_version=stamp.payload_version,
                meta_sealed=stamp.meta_sealed,
                update_us=stamp.create_us,
                revision=stamp.revision,
                state=int(then.state),
                frozen=then.frozen,
            )
        )
    return found


async def rows_as_of(
    rt: Runtime, call: Call, vault: VaultRow, moment: Moment, *, after: str = ""
) -> AsyncIterator[list[tuple[CubeRow, CubeRow]]]:
    """Yield pages of cubes by id: as they were, and as they are."""
    while True:

        def load(conn: Connection, after: str = after) -> list[tuple[CubeRow, CubeRow]]:
            store = rt.store(conn)
            pairs = store.cubes_as_of(
                vault.uid,
                revision=moment.revision or vault.revision,
                moment_us=moment.time_us,
                reader=reader_of(call),
                after=after,
                limit=_PAGE,
            )
            return list(zip(row_then(store, vault.uid, pairs), [row for row, _ in pairs], strict=True))

        page = await rt.db.read(load)
        if page:
            yield page
        if len(page) < _PAGE:
            return
        after = page[-1][0].cube_id


async def list_as_of(
    rt: Runtime, call: Call, vault: VaultRow, moment: Moment, selection: Selection, *, after: str, limit: int
) -> list[tuple[CubeRow, Cube]]:
    """Return the cubes that the selection admits as they were, with payloads; one more than `limit` where there are."""
    cipher: VaultCipher = await rt.cipher(vault)
    reader = reader_of(call)
    found: list[tuple[CubeRow, Cube]] = []
    async for page in rows_as_of(rt, call, vault, moment, after=after):
        rows = [then for then, _ in page]
        payloads = await load_payloads(rt, vault, rows, cipher)
        for row in rows:
            cube = codec.cube_of(vault, row, cipher, payload=payloads.get(row.cube_id))
            hidden = reader and cube.governance.access_scope == PRIVATE and row.owner != reader
            if hidden or not admits(selection, told_of(row, cube)):
                continue
            found.append((row, cube))
            if len(found) > limit:
                return found
    return found


def told_of(row: CubeRow, cube: Cube) -> Told:
    """Return what filters ask of a cube, payload included, whose row is of the same moment."""
    told, governed = cube.descriptive, cube.governance
    units = content.units_of(cube)
    own = content.event_us_of(cube)
    return Told(
        {
            "tags": told.tags,
            "labels": governed.sensitivity_labels,
            "entities": told.entities,
            "roles": [unit.role for unit in units],
            "sources": [told.source],
            "owners": [row.owner],
            "personas": [told.persona],
            "languages": [told.language],
            "cube_ids": [row.cube_id],
            "agreements": [licence.agreement for licence in governed.licences],
            "claims": {key for fact in cube.payload.plaintext.mem_cell.facts for key in claimed(fact)},
        },
        {
            "states": row.state,
            "semantic_types": told.semantic_type,
            "forms": row.form,
            "origins": told.origin,
            "scopes": governed.access_scope or 2,
            "tiers": row.tier,
        },
        [at for at in (own, *(unit.event_us for unit in units)) if at is not None],
        create_us=row.create_us,
        update_us=row.update_us,
        priority=governed.priority,
    )
