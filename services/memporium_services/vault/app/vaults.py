"""Makes, reads and changes vaults."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from memporium.vault.v1.vault_pb2 import Vault
from memporium_platform import audit, idempotency, names
from memporium_platform.errors import PlatformError, Reason, already_exists, etag_mismatch, invalid, not_found
from memporium_platform.paging import page_size
from memporium_services.vault.app import codec, masks
from memporium_services.vault.app.retention import seconds, settings_of
from memporium_services.vault.domain.rows import VaultRow

if TYPE_CHECKING:
    from collections.abc import Sequence

    from google.protobuf.field_mask_pb2 import FieldMask
    from sqlalchemy import Connection

    from memporium_platform.call import Call
    from memporium_services.vault.app.runtime import Runtime
    from memporium_services.vault.domain.rows import BranchRow
    from memporium_services.vault.ports import Store

# What callers may set and change. The rest is fixed at creation or belongs to the platform.
SETTABLE = (
    "display_name",
    "description",
    "read_only",
    "retention",
    "quota",
    "near_duplicates",
    "leg_weights",
    "trust",
    "scenes",
)
# Of branches: stays as it was made.
_BRANCH = ("branch_of", "branch_revision")
_MAX_TEXT_CHARS = 4096
_MAX_TRUSTS = 256
_LONGEST_GAP_S = 36_500 * 86_400


@dataclass(frozen=True, slots=True)
class VaultPage:
    """Vaults and where to go on."""

    vaults: list[Vault]
    next_page_token: str = ""


class Vaults:
    """All vaults."""

    def __init__(self, rt: Runtime) -> None:
        """Work on these ports."""
        self._rt = rt

    async def create(self, call: Call, parent: str, vault_id: str, vault: Vault) -> Vault:
        """Make a vault with a key of its own.

        Raises:
            PlatformError: INVALID_FIELD, ALREADY_EXISTS, QUOTA_EXCEEDED.
        """
        return vault_of(await self.make(call, parent, vault_id, vault))

    async def make(
        self, call: Call, parent: str, vault_id: str, vault: Vault, *, branch: BranchRow | None = None
    ) -> VaultRow:
        """Make a vault with a key of its own; with `branch` one that nobody sees yet, or that was begun.

        Args:
            call: The call.
            parent: The organisation.
            vault_id: Of the new vault.
            vault: What callers may set of it, and what it is a branch of.
            branch: How a branch begins.

        Raises:
            PlatformError: INVALID_FIELD, ALREADY_EXISTS, QUOTA_EXCEEDED.
        """
        rt = self._rt
        org = names.ORG.parse(parent, "parent")["org"]
        names.check_id(vault_id, "vault_id")
        _check(vault)
        if vault.HasField("licence") and not call.principal.via:
            raise invalid("vault.licence", "is set by the platform alone")
        now_us = rt.now_us()
        row = VaultRow(
            uid=rt.new_id(),
            org=org,
            vault_id=vault_id,
            kind=vault.kind or 1,
            read_only=vault.read_only,
            agreement=vault.licence.agreement,
            owner=call.principal.name,
            embedding_model=vault.embedding_model or rt.settings.default_embedding_model,
            settings=_stored(vault, () if branch is None else _BRANCH),
            create_us=now_us,
            update_us=now_us,
            filling=branch is not None,
        )

        def run(conn: Connection) -> VaultRow:
            store = rt.store(conn)
            if store.vault(org, vault_id) is not None:
                raise already_exists(row.name)
            begun = store.filling_vault(org, vault_id)
            if begun is not None:
                return _same_branch(store, begun, row, branch)
            there = store.vaults(org, after="", limit=rt.settings.max_vaults, filling=True)
            if len(there) >= rt.settings.max_vaults:
                raise PlatformError(
                    Reason.QUOTA_EXCEEDED,
                    f"{parent} may have {rt.settings.max_vaults} vaults",
                    metadata={"quota": "vaults", "limit": str(rt.settings.max_vaults)},
                )
            store.clear_ended_pack(org, vault_id)
            store.insert_vault(row)
            if branch is not None:
                store.begin_branch(replace(branch, vault_uid=row.uid))
            audit.record_in(conn, call, resource=row.name, details={"uid": row.uid, "kind": str(row.kind)})
            return row

        def recall(conn: Connection, uid: str) -> VaultRow:
            found = rt.store(conn).vault_by_uid(uid)
            if found is None:
                raise not_found(f"{parent}/vaults/{vault_id}")
            return found

        def write(conn: Connection) -> VaultRow:
            return idempotency.once(
                conn, call, now=rt.clock.now(), run=run, remember=lambda made: made.uid, recall=recall
            )

        made = await rt.db.write(write)
        await rt.cipher(made)
        return made

    async def get(self, name: str) -> Vault:
        """Return a vault.

        Raises:
            PlatformError: INVALID_FIELD, NOT_FOUND.
        """
        return vault_of(await self._rt.vault(name))

    async def list(self, call: Call, parent: str, *, size: int, token: str) -> VaultPage:
        """Return one page of an organisation's vaults.

        Raises:
            PlatformError: INVALID_FIELD, INVALID_PAGE_TOKEN.
        """
        rt = self._rt
        org = names.ORG.parse(parent, "parent")["org"]
        limit = page_size(size)
        scope = f"{call.method} {parent}"
        after = rt.page_tokens.open(scope, token).get("after", "")
        rows = await rt.db.read(lambda conn: rt.store(conn).vaults(org, after=after, limit=limit + 1))
        more = len(rows) > limit
        page = rows[:limit]
        following = rt.page_tokens.seal(scope, {"after": page[-1].vault_id}) if more else ""
        return VaultPage([vault_of(row) for row in page], following)

    async def update(self, call: Call, vault: Vault, mask: FieldMask | None) -> Vault:
        """Change a vault's settings.

        Raises:
            PlatformError: INVALID_FIELD, NOT_FOUND, ETAG_MISMATCH.
        """
        rt = self._rt
        ids = names.VAULT.parse(vault.name, "vault.name")
        paths = masks.paths_of(vault, mask, SETTABLE)
        now_us = rt.now_us()

        def run(conn: Connection) -> VaultRow:
            store = rt.store(conn)
            old = store.vault(ids["org"], ids["vault"])
            if old is None:
                raise not_found(vault.name)
            if vault.etag and vault.etag != vault_etag(old):
                raise etag_mismatch(vault.name)
            if old.agreement and "read_only" in paths and not vault.read_only and not call.principal.via:
                raise invalid("vault.read_only", "a licensed pack stays read-only")
            merged = Vault()
            merged.CopyFrom(settings_of(old.settings))
            masks.copy(vault, merged, paths)
            _check(merged)
            new = replace(
                old,
                settings=_stored(merged, _BRANCH),
                read_only=merged.read_only,
                update_us=now_us,
                edition=old.edition + 1,
            )
            store.save_vault(new)
            audit.record_in(conn, call, resource=old.name, details={"fields": ",".join(sorted(paths))})
            return new

        def recall(conn: Connection, uid: str) -> VaultRow:
            found = rt.store(conn).vault_by_uid(uid)
            if found is None:
                raise not_found(vault.name)
            return found

        def write(conn: Connection) -> VaultRow:
            return idempotency.once(
                conn, call, now=rt.clock.now(), run=run, remember=lambda row: row.uid, recall=recall
            )

        return vault_of(await rt.db.write(write))


def vault_etag(row: VaultRow) -> str:
    """Return the etag of a vault's settings; changes of its cubes leave it as it is."""
    return f'"{row.edition}"'


def vault_of(row: VaultRow) -> Vault:
    """Return the message of a vault's row."""
    vault = Vault()
    vault.CopyFrom(settings_of(row.settings))
    vault.name = row.name
    vault.uid = row.uid
    vault.etag = vault_etag(row)
    vault.kind = row.kind  # type: ignore[assignment]
    vault.read_only = row.read_only
    vault.embedding_model = row.embedding_model
    vault.embedding_dimensions = row.dimensions
    vault.owner = row.owner
    vault.revision = row.revision
    vault.usage.cubes, vault.usage.bytes, vault.usage.units = row.cubes, row.bytes_used, row.units
    codec.set_time(vault.create_time, row.create_us)
    codec.set_time(vault.update_time, row.update_us)
    return vault


def _same_branch(store: Store, begun: VaultRow, wanted: VaultRow, branch: BranchRow | None) -> VaultRow:
    """Return a branch that was begun, where the same principal asked for the same.

    Raises:
        PlatformError: ALREADY_EXISTS.
    """
    at = store.branch(begun.uid)
    if branch is None or at is None or (at.asked, begun.owner) != (branch.asked, wanted.owner):
        raise PlatformError(
            Reason.ALREADY_EXISTS,
            f"{begun.name} is a branch that is being made; erase it to give it up",
            metadata={"resource": begun.name, "state": "FILLING"},
        )
    return begun


def _stored(vault: Vault, more: Sequence[str]) -> bytes:
    kept = Vault()
    for name in (*SETTABLE, "licence", *more):
        masks.copy(vault, kept, {name})
    return kept.SerializeToString(deterministic=True)


def _check(vault: Vault) -> None:
    for name in ("display_name", "description"):
        if len(getattr(vault, name)) > _MAX_TEXT_CHARS:
            raise invalid(f"vault.{name}", f"at most {_MAX_TEXT_CHARS} characters")
    policy, weights = vault.retention, vault.leg_weights
    for field, value in policy.ListFields():
        if field.message_type is not None and seconds(value) < 0:
            raise invalid(f"vault.retention.{field.name}", "must not be negative")
    if policy.archive_below_heat < 0:
        raise invalid("vault.retention.archive_below_heat", "must not be negative")
    if vault.quota.max_cubes < 0 or vault.quota.max_bytes < 0:
        raise invalid("vault.quota", "must not be negative")
    _check_scenes(vault)
    for trusts in (vault.trust.roles, vault.trust.sources):
        if len(trusts) > _MAX_TRUSTS or any(not 0 <= trust <= 1 for trust in trusts.values()):
            raise invalid("vault.trust", f"must be at most {_MAX_TRUSTS} of each kind, 0 to 1")
    if vault.HasField("leg_weights") and (
        min(weights.dense, weights.own, weights.context) < 0 or max(weights.dense, weights.own, weights.context) <= 0
    ):
        raise invalid("vault.leg_weights", "must be 0 or more, at least one above 0")


def _check_scenes(vault: Vault) -> None:
    if not 0 <= vault.scenes.threshold <= 1:
        raise invalid("vault.scenes.threshold", "must be 0 to 1")
    if vault.scenes.HasField("gap") and not 0 < seconds(vault.scenes.gap) <= _LONGEST_GAP_S:
        raise invalid("vault.scenes.gap", "must be above 0, at most 100 years")
