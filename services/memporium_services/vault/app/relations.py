"""Relations between cubes, and the tags of a vault."""

from __future__ import annotations

from typing import TYPE_CHECKING

from memporium.vault.v1.cubes_pb2 import Relation
from memporium_platform import audit, idempotency, names
from memporium_platform.errors import invalid, not_found
from memporium_platform.paging import page_size
from memporium_services.vault.app import codec
from memporium_services.vault.app.licensing import refuse_dead
from memporium_services.vault.app.reading import find_cubes, reader_of
from memporium_services.vault.app.runtime import cube_ids_in, refuse_read_only
from memporium_services.vault.app.writing import UPDATED
from memporium_services.vault.domain.rows import ChangeRow, RelationRow
from memporium_services.vault.domain.selection import PRIVATE, TAG
from memporium_services.vault.ports import VaultDelta

if TYPE_CHECKING:
    import builtins
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from memporium_platform.call import Call
    from memporium_services.vault.app.cipher import VaultCipher
    from memporium_services.vault.app.runtime import Runtime
    from memporium_services.vault.domain.rows import CubeRow, VaultRow
    from memporium_services.vault.ports import Store

_RELATION = names.Pattern("orgs/{org}/vaults/{vault}/relations/{relation}")
_MAX_NOTE_CHARS = 4096
_KINDS = range(1, 8)


class Relations:
    """Relations and tags of all vaults."""

    def __init__(self, rt: Runtime) -> None:
        """Work on these ports."""
        self._rt = rt

    async def create(self, call: Call, parent: str, relation: Relation) -> tuple[Relation, int]:
        """Relate two cubes; return the relation and the revision.

        Raises:
            PlatformError: INVALID_FIELD, NOT_FOUND, PERMISSION_DENIED, VAULT_READ_ONLY.
        """
        rt = self._rt
        check_relation(relation, "relation")
        vault = await rt.vault(parent, field="parent")
        refuse_read_only(vault)
        cipher = await rt.cipher(vault)
        source, target = cube_ids_in(vault, [relation.source, relation.target], field="relation")
        now_us = rt.now_us()

        def run(conn: Connection) -> tuple[RelationRow, int]:
            store = rt.store(conn)
            row, revision = write_relation(
                rt, store, call, vault, cipher, relation, ends=(source, target), now_us=now_us
            )
            audit.record_in(conn, call, resource=relation.source, details={"relation": row.relation_id})
            return row, revision

        def recall(conn: Connection, kept: str) -> tuple[RelationRow, int]:
            kept_id, _, revision = kept.partition(" ")
            row = rt.store(conn).relation(vault.uid, kept_id)
            if row is None:
                raise not_found(f"{vault.name}/relations/{kept_id}")
            return row, int(revision)

        made, revision = await rt.db.write(
            lambda conn: idempotency.once(
                conn,
                call,
                now=rt.clock.now(),
                run=run,
                remember=lambda done: f"{done[0].relation_id} {done[1]}",
                recall=recall,
            )
        )
        return _relation_of(vault, cipher, made), revision

    async def delete(self, call: Call, name: str) -> int:
        """Remove a relation; return the revision.

        Raises:
            PlatformError: INVALID_FIELD, NOT_FOUND, VAULT_READ_ONLY.
        """
        rt = self._rt
        ids = _RELATION.parse(name)
        vault = await rt.vault(names.VAULT.format(org=ids["org"], vault=ids["vault"]))
        refuse_read_only(vault)
        now_us = rt.now_us()

        def run(conn: Connection) -> int:
            store = rt.store(conn)
            row = store.relation(vault.uid, ids["relation"])
            if row is None:
                raise not_found(name)
            find_cubes(store, call, vault, [row.source_id, row.target_id])
            store.delete_relation(vault.uid, row.relation_id)
            revision = store.bump(vault, VaultDelta(), indexed=False)
            touched = (row.source_id, row.target_id)
            store.add_changes(vault.uid, [ChangeRow(revision, cube_id, UPDATED, now_us) for cube_id in touched])
            audit.record_in(conn, call, resource=name)
            return revision

        return await rt.db.write(
            lambda conn: idempotency.once(
                conn, call, now=rt.clock.now(), run=run, remember=str, recall=lambda _conn, kept: int(kept)
            )
        )

    async def list(
        self, call: Call, parent: str, *, cube: str, kinds: Sequence[int], size: int, token: str
    ) -> tuple[list[Relation], str]:
        """Return one page of relations, and the next page's token.

        Raises:
            PlatformError: INVALID_FIELD, INVALID_PAGE_TOKEN, NOT_FOUND.
        """
        rt = self._rt
        limit = page_size(size)
        vault = await rt.vault(parent, field="parent")
        if vault.agreement:
            refuse_dead(rt, vault.agreement)
        cipher = await rt.cipher(vault)
        cube_id = cube_ids_in(vault, [cube], field="cube")[0] if cube else ""
        scope = f"{call.method} {parent} {cube} {sorted(kinds)}"
        after = rt.page_tokens.open(scope, token).get("after", "")

        def load(conn: Connection) -> tuple[list[RelationRow], dict[str, CubeRow]]:
            store = rt.store(conn)
            rows = store.relations(vault.uid, cube_id=cube_id, kinds=list(kinds), after=after, limit=limit + 1)
            ends = {end for row in rows for end in (row.source_id, row.target_id)}
            return rows, store.cubes(vault.uid, sorted(ends))

        rows, ends = await rt.db.read(load)
        reader = reader_of(call)
        hidden = {row.cube_id for row in ends.values() if row.scope == PRIVATE and reader and row.owner != reader}
        page = [row for row in rows[:limit] if not hidden.intersection((row.source_id, row.target_id))]
        following = rt.page_tokens.seal(scope, {"after": rows[limit - 1].relation_id}) if len(rows) > limit else ""
        return [_relation_of(vault, cipher, row) for row in page], following

    async def tags(
        self, call: Call, parent: str, *, prefix: str, size: int, token: str
    ) -> tuple[builtins.list[tuple[str, int]], str]:
        """Return one page of (tag, cubes) in order, and the next page's token.

        Raises:
            PlatformError: INVALID_FIELD, INVALID_PAGE_TOKEN, NOT_FOUND.
        """
        rt = self._rt
        limit = page_size(size)
        vault = await rt.vault(parent, field="parent")
        if vault.agreement:
            refuse_dead(rt, vault.agreement)
        cipher = await rt.cipher(vault)
        scope = f"{call.method} {parent} {prefix}"
        after = rt.page_tokens.open(scope, token).get("after", "")

        def load(conn: Connection) -> tuple[list[tuple[str, int, str]], dict[str, CubeRow]]:
            store = rt.store(conn)
            counts = store.tag_counts(vault.uid, reader=reader_of(call))
            return counts, store.cubes(vault.uid, sorted({cube_id for _, _, cube_id in counts}))

        counts, rows = await rt.db.read(load)
        # The store knows tags only keyed; the words are read from one cube that carries each.
        words: dict[str, str] = {}
        for row in rows.values():
            words.update((cipher.token(TAG, tag), tag) for tag in codec.cube_of(vault, row, cipher).descriptive.tags)
        named = sorted((words[keyed], count) for keyed, count, _ in counts if keyed in words)
        found = [(tag, count) for tag, count in named if tag.startswith(prefix) and tag > after]
        page = found[:limit]
        return page, rt.page_tokens.seal(scope, {"after": page[-1][0]}) if len(found) > limit else ""


def check_relation(relation: Relation, field: str) -> None:
    """Refuse a relation that is malformed.

    Raises:
        PlatformError: INVALID_FIELD.
    """
    if relation.kind not in _KINDS:
        raise invalid(f"{field}.kind", "is not known")
    if not 0 <= relation.weight <= 1:
        raise invalid(f"{field}.weight", "must be 0 to 1")
    if len(relation.note) > _MAX_NOTE_CHARS:
        raise invalid(f"{field}.note", f"at most {_MAX_NOTE_CHARS} characters")
    if relation.source == relation.target:
        raise invalid(f"{field}.target", "must be another cube")


def write_relation(
    rt: Runtime,
    store: Store,
    call: Call,
    vault: VaultRow,
    cipher: VaultCipher,
    relation: Relation,
    *,
    ends: tuple[str, str],
    now_us: int,
) -> tuple[RelationRow, int]:
    """Relate two cubes, by their ids, within the transaction; return the row and the revision.

    Raises:
        PlatformError: NOT_FOUND, PERMISSION_DENIED.
    """
    find_cubes(store, call, vault, ends)
    relation_id = rt.new_id()
    note = cipher.seal(relation.note.encode(), "relation", relation_id) if relation.note else b""
    row = RelationRow(relation_id, ends[0], relation.kind, ends[1], relation.weight, note, now_us, call.principal.name)
    revision = store.bump(vault, VaultDelta(), indexed=False)
    store.insert_relations(vault.uid, [row])
    store.add_changes(vault.uid, [ChangeRow(revision, cube_id, UPDATED, now_us) for cube_id in ends])
    return row, revision


def _relation_of(vault: VaultRow, cipher: VaultCipher, row: RelationRow) -> Relation:
    note = cipher.open(row.note_sealed, "relation", row.relation_id).decode() if row.note_sealed else ""
    relation = Relation(
        name=f"{vault.name}/relations/{row.relation_id}",
        source=f"{vault.name}/cubes/{row.source_id}",
        kind=row.kind,  # type: ignore[arg-type]
        target=f"{vault.name}/cubes/{row.target_id}",
        note=note,
        weight=row.weight,
        creator=row.creator,
    )
    codec.set_time(relation.create_time, row.create_us)
    return relation
