"""Forgetting reaches branches: what a vault forgets goes from what was copied of it, too."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from memporium_platform.errors import PlatformError
from memporium_services.vault.app.derivations import lineage_of, lineage_since, made_from
from memporium_services.vault.app.forget_asked import Chosen
from memporium_services.vault.app.reading import condition_of
from memporium_services.vault.app.retention import settings_of
from memporium_services.vault.domain.lifecycle import Trigger, step

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from memporium.vault.v1.cubes_pb2 import Receipt
    from memporium_platform.call import Call
    from memporium_services.vault.app.cipher import VaultCipher
    from memporium_services.vault.app.forget_asked import ForgetAsked, Forgotten
    from memporium_services.vault.app.runtime import Runtime
    from memporium_services.vault.domain.rows import VaultRow
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
    ) -> Forgotten:
        """Remove the cubes that `choose(store)` returns within the transaction."""
        ...


def branches_of(store: Store, vault: VaultRow, limit: int) -> list[VaultRow]:
    """Return the branches of a vault, and theirs."""
    parents: dict[str, list[VaultRow]] = {}
    for row in store.vaults(vault.org, after="", limit=limit):
        parent = settings_of(row.settings).branch_of
        if parent:
            parents.setdefault(parent, []).append(row)
    found: list[VaultRow] = []
    level = [vault.name]
    while level:
        nearer = [row for name in level for row in parents.pop(name, [])]
        found += nearer
        level = [row.name for row in nearer]
    return found


async def forget_in_branches(
    rt: Runtime,
    remover: Remover,
    call: Call,
    vault: VaultRow,
    cipher: VaultCipher,
    choose: Callable[[Store], Chosen],
    asked: ForgetAsked,
) -> list[Receipt]:
    """Forget in branches, and theirs, what `choose` finds, or, where anything forbids it, nothing; return the receipts.

    Raises:
        PlatformError: LEGAL_HOLD, CUBE_FROZEN.
    """
    now_us = rt.now_us()
    branches = await rt.db.read(lambda conn: branches_of(rt.store(conn), vault, rt.settings.max_vaults))
    if not branches:
        return []
    try:
        gone = [row.cube_id for row in (await rt.db.read(lambda c: choose(rt.store(c, cipher.token)))).rows]
    except PlatformError:
        if call.request_id:
            return []  # It may have been done already; if not, the removal says what is wrong.
        raise
    work = await in_branches(rt, branches, gone, keep_derived=asked.keep_derived, now_us=now_us)
    quiet = replace(call, request_id="")
    done = [
        await remover.remove(quiet, branch, its, same, reason=asked.reason, trigger=Trigger.FORGET)
        for branch, its, same in work
    ]
    return [one.receipt for one in done if one.receipt is not None]


async def in_branches(
    rt: Runtime, branches: Sequence[VaultRow], gone: Sequence[str], *, keep_derived: bool, now_us: int
) -> list[tuple[VaultRow, VaultCipher, Callable[[Store], Chosen]]]:
    """Return the branches that hold any of these cubes, each with what finds them there.

    Raises:
        PlatformError: LEGAL_HOLD, CUBE_FROZEN.
    """
    work: list[tuple[VaultRow, VaultCipher, Callable[[Store], Chosen]]] = []
    for branch in branches:
        branch_cipher = await rt.cipher(branch)
        lineage = {} if keep_derived else await lineage_of(rt, branch, branch_cipher)

        def same(
            store: Store,
            branch: VaultRow = branch,
            cipher: VaultCipher = branch_cipher,
            lineage: Mapping[str, set[str]] = lineage,
        ) -> Chosen:
            rows = list(store.cubes(branch.uid, gone).values())
            whole = {} if keep_derived else lineage_since(store, branch, cipher, lineage)
            parents = {} if keep_derived else made_from(store, branch.uid, [r.cube_id for r in rows], whole)
            return Chosen(rows + list(store.cubes(branch.uid, list(parents)).values()), parents)

        found = await rt.db.read(lambda conn, same=same: same(rt.store(conn)))  # type: ignore[misc]
        for row in found.rows:
            step(condition_of(row, now_us), Trigger.FORGET, resource=f"{branch.name}/cubes/{row.cube_id}")
        if found.rows:
            work.append((branch, branch_cipher, same))
    return work
