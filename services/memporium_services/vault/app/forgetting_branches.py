"""Forgetting reaches branches: what a vault forgets goes from what was copied of it, too."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from memporium_platform.errors import PlatformError, Reason
from memporium_services.vault.app.follower import Waiting
from memporium_services.vault.app.leavings import leaving_of
from memporium_services.vault.app.plans import StaleError
from memporium_services.vault.app.reading import condition_of
from memporium_services.vault.app.retention import settings_of
from memporium_services.vault.app.writing import FORGOTTEN
from memporium_services.vault.domain.lifecycle import Trigger, step
from memporium_services.vault.domain.rows import ChangeRow, IndexTask
from memporium_services.vault.ports import VaultDelta

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from memporium_platform.call import Call
    from memporium_services.vault.app.cipher import VaultCipher
    from memporium_services.vault.app.forget_asked import Chosen, ForgetAsked, Forgotten
    from memporium_services.vault.app.reach import Place, Reach
    from memporium_services.vault.app.runtime import Runtime
    from memporium_services.vault.domain.rows import CubeRow, Removed, VaultRow
    from memporium_services.vault.ports import Store


class Remover(Protocol):
    """Removes cubes of one vault."""

    async def remove(
        self,
        call: Call,
        vault: VaultRow,
        cipher: VaultCipher,
        choose: Callable[[Store], Chosen],
        *,
        reason: str,
        trigger: Trigger,
        known: frozenset[str] | None,
        others: Sequence[Place],
    ) -> Forgotten:
        """Remove the cubes that `choose(store)` returns within the transaction."""
        ...


def take_out_of_filling(
    store: Store,
    vault: VaultRow,
    cube_ids: Sequence[str],
    known: frozenset[str] | None,
    *,
    receipt_id: str,
    now_us: int,
) -> tuple[VaultRow, ...]:
    """Remove cubes from branches of a vault that are not whole yet, within the transaction that removes them there.

    Nobody was told of these: no receipt names them. `known` are the branches that were seen to; None: all need not be.

    Returns:
        The branches whose indexes have something to take in.

    Raises:
        StaleError: A branch has become whole since.
    """
    if known is not None and any(one.uid not in known for one in store.branches_from(vault.uid, filling=False)):
        raise StaleError
    behind = []
    for branch in store.branches_from(vault.uid, filling=True):
        rows = list(store.cubes(branch.uid, cube_ids).values())
        removed, revision, waiting = take_out(store, branch, rows, now_us=now_us)
        if removed.object_keys or removed.blobs:
            store.note_leaving(leaving_of(branch, f"{receipt_id}.{branch.uid}", removed, now_us))
        if waiting is not None:
            behind.append(replace(branch, revision=revision, index_revision=revision))
    return tuple(behind)


def take_out(
    store: Store, vault: VaultRow, rows: Sequence[CubeRow], *, now_us: int
) -> tuple[Removed, int, Waiting | None]:
    """Remove cubes within the transaction; return what was removed, the revision, and what the index has to do."""
    removed = store.remove_cubes(vault.uid, [row.cube_id for row in rows])
    if not rows:
        return removed, vault.revision, None
    delta = VaultDelta(
        cubes=-len(rows),
        bytes_used=-removed.bytes_freed,
        units=-len(removed.unit_ids),
        context_units=-removed.context_units,
    )
    revision = store.bump(vault, delta, indexed=bool(removed.unit_ids))
    store.add_changes(vault.uid, [ChangeRow(revision, row.cube_id, FORGOTTEN, now_us) for row in rows])
    if not removed.unit_ids:
        return removed, revision, None
    store.add_task(vault.uid, IndexTask(revision, (), removed.unit_ids))
    return removed, revision, Waiting(vault.index_revision, (), removed.unit_ids)


def branches_by_source(store: Store, org: str, limit: int) -> dict[str, list[VaultRow]]:
    """Return the branches of an organisation's vaults, by the name of the vault that they are of."""
    found: dict[str, list[VaultRow]] = {}
    for row in store.vaults(org, after="", limit=limit):
        source = settings_of(row.settings).branch_of
        if source:
            found.setdefault(source, []).append(row)
    return found


def branches_of(store: Store, vault: VaultRow, limit: int) -> list[VaultRow]:
    """Return the branches of a vault, and theirs."""
    sources = branches_by_source(store, vault.org, limit)
    found: list[VaultRow] = []
    level = [vault.name]
    while level:
        nearer = [row for name in level for row in sources.pop(name, [])]
        found += nearer
        level = [row.name for row in nearer]
    return found


@dataclass(frozen=True, slots=True)
class InBranch:
    """What goes from a branch: what finds it within the transaction, and the other vaults that it comes to."""

    branch: VaultRow
    cipher: VaultCipher
    choose: Callable[[Store], Chosen]
    others: Sequence[Place]


async def forget_in_branches(
    rt: Runtime,
    remover: Remover,
    call: Call,
    vault: VaultRow,
    cipher: VaultCipher,
    choose: Callable[[Store], Chosen],
    asked: ForgetAsked,
    reach: Reach,
) -> tuple[list[Forgotten], frozenset[str]]:
    """Forget in branches, and theirs, what `choose` finds, or, where anything forbids it, nothing.

    Returns:
        What went, and the uids of all branches.

    Raises:
        PlatformError: LEGAL_HOLD, CUBE_FROZEN.
        StaleError: A branch has become whole meanwhile, or lineage leads to another vault.
    """
    branches = await rt.db.read(lambda conn: branches_of(rt.store(conn), vault, rt.settings.max_vaults))
    known = frozenset(branch.uid for branch in branches)
    if not branches:
        return [], known
    try:
        rows = (await rt.db.read(lambda c: choose(rt.store(c, cipher.token)))).rows
        # What the vault itself must keep, its branches keep, too.
        for row in rows:
            step(condition_of(row, rt.now_us()), Trigger.FORGET, resource=f"{vault.name}/cubes/{row.cube_id}")
    except PlatformError:
        if call.request_id:
            return [], known  # It may have been done already; if not, the removal says what is wrong.
        raise
    gone = [row.cube_id for row in rows]
    work = await in_branches(rt, branches, gone, reach, keep_derived=asked.keep_derived, lenient=asked.lenient)
    quiet = replace(call, request_id="")
    done = [
        await remover.remove(
            quiet,
            one.branch,
            one.cipher,
            one.choose,
            reason=asked.reason,
            trigger=Trigger.FORGET,
            known=known,
            others=one.others,
        )
        for one in work
    ]
    return done, known


async def in_branches(
    rt: Runtime,
    branches: Sequence[VaultRow],
    gone: Sequence[str],
    reach: Reach,
    *,
    keep_derived: bool,
    lenient: bool = False,
) -> list[InBranch]:
    """Return the branches that hold any of these cubes, each with what finds them there.

    Raises:
        PlatformError: LEGAL_HOLD, CUBE_FROZEN.
    """
    work, now_us = [], rt.now_us()
    for branch in branches:
        cipher = await rt.cipher(branch)

        def same(store: Store, branch: VaultRow = branch) -> Chosen:
            rows = list(store.cubes(branch.uid, gone).values())
            return reach.choose(store, branch, rows, keep_derived=keep_derived, lenient=lenient)

        found = await reach.settle(branch, cipher, same)
        for row in found.rows:
            step(condition_of(row, now_us), Trigger.FORGET, resource=f"{branch.name}/cubes/{row.cube_id}")
        if found.rows:
            work.append(InBranch(branch, cipher, same, reach.of(found)))
    return work


def any_vault(store: Store, org: str, vault_id: str) -> VaultRow | None:
    """Return a vault, or a branch that is not whole yet: to delete it is to give it up."""
    return store.vault(org, vault_id) or store.filling_vault(org, vault_id)


def refuse_branched(store: Store, vault: VaultRow, limit: int) -> None:
    """Refuse to erase a vault that has branches; those that are not whole yet go with it.

    Raises:
        PlatformError: FAILED_PRECONDITION.
    """
    branches = branches_of(store, vault, limit)
    if branches:
        raise PlatformError(
            Reason.FAILED_PRECONDITION,
            f"{vault.name} has branches; erase {branches[0].name} first",
            metadata={"resource": vault.name, "state": "HAS_BRANCHES"},
        )
