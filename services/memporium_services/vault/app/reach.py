"""How far forgetting comes: what was made from memories, or copied of them, in all vaults of the organisation.

Lineage is sealed, so each vault that it leads to is read before the transaction; within it the way is gone once more.
Where it leads to another vault by then, the transaction is given up, and that vault is read, too.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from memporium_platform.errors import PlatformError, Reason
from memporium_services.vault.app.derivations import lineage_of, lineage_since, made_from
from memporium_services.vault.app.forget_asked import Chosen
from memporium_services.vault.app.forgetting_branches import branches_by_source
from memporium_services.vault.app.linking import link_old
from memporium_services.vault.app.plans import StaleError
from memporium_services.vault.app.reading import condition_of
from memporium_services.vault.app.runtime import refuse_read_only
from memporium_services.vault.domain.lifecycle import Trigger, step

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from memporium_platform.call import Call
    from memporium_services.vault.app.cipher import VaultCipher
    from memporium_services.vault.app.runtime import Runtime
    from memporium_services.vault.domain.rows import CubeRow, VaultRow
    from memporium_services.vault.ports import Store

FORGET = "vault.cubes.forget"


class UnknownVaultsError(StaleError):
    """Lineage leads to vaults that were not read."""

    def __init__(self, uids: Collection[str]) -> None:
        """Name them by uid."""
        super().__init__()
        self.uids = uids


@dataclass(frozen=True, slots=True)
class Place:
    """A vault that lineage leads to.

    Attributes:
        lineage: The children of its cubes within it, read after `vault` was.
        refusal: What forbids the caller to forget there; "": nothing.
    """

    vault: VaultRow
    cipher: VaultCipher
    lineage: Mapping[str, set[str]]
    refusal: str = ""


class Reach:
    """The vaults that one forgetting comes to."""

    def __init__(self, rt: Runtime, call: Call) -> None:
        """Begin with none; `call` is asked for its right to each."""
        self._rt, self._call = rt, call
        self.places: dict[str, Place | None] = {}
        self.branches: Mapping[str, Sequence[VaultRow]] = {}

    async def settle(self, vault: VaultRow, cipher: VaultCipher, choose: Callable[[Store], Chosen]) -> Chosen:
        """Read all vaults that `choose` comes to from this one; return what it chooses."""
        rt, limit = self._rt, self._rt.settings.max_vaults
        await link_old(rt, vault.org)
        self.places.setdefault(vault.uid, Place(vault, cipher, await lineage_of(rt, vault, cipher)))
        while True:
            try:
                return await rt.db.read(lambda conn: choose(rt.store(conn, cipher.token)))
            except UnknownVaultsError as error:
                unknown = error.uids
            self.branches = await rt.db.read(lambda conn: branches_by_source(rt.store(conn), vault.org, limit))
            for uid in unknown:
                self.places[uid] = await self._read(uid)

    async def _read(self, uid: str) -> Place | None:
        rt = self._rt
        vault = await rt.db.read(lambda conn: rt.store(conn).vault_by_uid(uid))
        if vault is None or vault.filling:
            # Nobody sees it; it goes with the vault that it is a branch of.
            return None
        cipher = await rt.cipher(vault)
        return Place(vault, cipher, await lineage_of(rt, vault, cipher), self._refusal(vault))

    def _refusal(self, vault: VaultRow) -> str:
        try:
            self._rt.authz.require(self._call, FORGET, vault.name)
            refuse_read_only(vault)
        except PlatformError as error:
            return error.reason.name
        return ""

    def of(self, chosen: Chosen) -> list[Place]:
        """Return the other vaults from which something goes, always in the same order."""
        return [place for uid in sorted(chosen.elsewhere) if (place := self.places[uid]) is not None]

    def choose(
        self, store: Store, vault: VaultRow, rows: Sequence[CubeRow], *, keep_derived: bool, lenient: bool = False
    ) -> Chosen:
        """Return cubes of a vault with what was made from them there and elsewhere.

        What may not be forgotten is left out where `lenient`; else the transaction will refuse it.

        Raises:
            UnknownVaultsError: A vault was not read.
        """
        walk = _Walk(store, self, vault)
        walk.go([row.cube_id for row in rows])
        asked = {row.cube_id for row in rows}
        made = {cube_id: parent for cube_id, parent in walk.found[vault.uid].items() if cube_id not in asked}
        derived = list(store.cubes(vault.uid, list(made)).values())
        parents = {row.cube_id: made[row.cube_id] for row in derived}
        now_us = self._rt.now_us()
        stay: Counter[tuple[str, str]] = Counter()
        named: dict[str, tuple[str, str]] = {}
        going = []
        for row in (*rows, *([] if keep_derived else derived)):
            name = f"{vault.name}/cubes/{row.cube_id}"
            if lenient and (refusal := forbids(row, name, now_us)):
                stay[vault.name, refusal] += 1
                named[name] = (parents.pop(row.cube_id, ""), refusal)
            else:
                going.append(row)
        if not keep_derived:
            gone = _Elsewhere(store, self, walk, vault, now_us=now_us)
            return Chosen(going, parents, elsewhere=gone.chosen, stay=stay + gone.stay, named=named | gone.named)
        kept = [f"{vault.name}/cubes/{row.cube_id}" for row in derived]
        for uid, found in walk.found.items():
            place = self.places[uid]
            if uid != vault.uid and place is not None and place.refusal != Reason.PERMISSION_DENIED.name:
                kept += [f"{place.vault.name}/cubes/{cube_id}" for cube_id in store.cubes(uid, list(found))]
        return Chosen(going, kept=kept, stay=stay, named=named)


class _Walk:
    """Goes from cubes to what was made from them, vault by vault, until there is nothing new."""

    def __init__(self, store: Store, reach: Reach, start: VaultRow) -> None:
        self._store, self._reach, self._start = store, reach, start
        self._children: dict[str, Mapping[str, set[str]]] = {}
        # By uid of the vault and id of the cube, the name of what it was made from.
        self.found: dict[str, dict[str, str]] = {start.uid: {}}

    def go(self, cube_ids: Sequence[str]) -> None:
        """Begin with cubes of the vault that was asked for."""
        level = {self._start.uid: dict.fromkeys(cube_ids, "")}
        while level:
            unknown = level.keys() - self._reach.places.keys()
            if unknown:
                raise UnknownVaultsError(unknown)
            following: dict[str, dict[str, str]] = {}
            for uid, new in level.items():
                place = self._reach.places[uid]
                if place is not None:
                    self._within(place, new, following)
            level = following

    def _within(self, place: Place, new: Mapping[str, str], following: dict[str, dict[str, str]]) -> None:
        store, vault = self._store, place.vault
        seen = self.found.setdefault(vault.uid, {})
        fresh = {cube_id: parent for cube_id, parent in new.items() if cube_id not in seen}
        if not fresh:
            return
        if vault.uid not in self._children:
            self._children[vault.uid] = lineage_since(store, vault, place.cipher, place.lineage)
        prefix = f"{vault.name}/cubes/"
        made = made_from(store, vault.uid, fresh, self._children[vault.uid])
        fresh |= {cube_id: prefix + parent for cube_id, parent in made.items() if cube_id not in seen}
        seen.update(fresh)
        ids = list(fresh)
        # Branches of the vault that was asked for are seen to one by one, each with what was made from its own.
        for branch in self._reach.branches.get(vault.name, ()) if vault.uid != self._start.uid else ():
            for cube_id in store.cubes(branch.uid, ids):
                following.setdefault(branch.uid, {}).setdefault(cube_id, prefix + cube_id)
        for link in store.linked(vault.org, vault.vault_id, ids):
            following.setdefault(link.vault_uid, {}).setdefault(link.cube_id, prefix + link.parent_cube)


class _Elsewhere:
    """What of other vaults goes, and what stays, by what forbids it."""

    def __init__(self, store: Store, reach: Reach, walk: _Walk, start: VaultRow, *, now_us: int) -> None:
        self.chosen: dict[str, Chosen] = {}
        self.stay: Counter[tuple[str, str]] = Counter()
        self.named: dict[str, tuple[str, str]] = {}
        for uid, found in walk.found.items():
            place = reach.places[uid]
            if uid != start.uid and place is not None:
                self._take(store, place, found, now_us)

    def _take(self, store: Store, place: Place, found: Mapping[str, str], now_us: int) -> None:
        vault, prefix = place.vault, f"{place.vault.name}/cubes/"
        going = []
        there = store.cubes(vault.uid, sorted(found))
        for cube_id, row in there.items():
            refusal = place.refusal or forbids(row, prefix + cube_id, now_us)
            if not refusal:
                going.append(row)
                continue
            self.stay[vault.name, refusal] += 1
            if refusal != Reason.PERMISSION_DENIED.name:
                self.named[prefix + cube_id] = (found[cube_id], refusal)
        rest = [cube_id for cube_id in found if cube_id not in there]
        hidden = [] if place.refusal else sorted(store.cubes(vault.uid, rest, hidden=True))
        if going or hidden:
            parents = {row.cube_id: found[row.cube_id] for row in going}
            self.chosen[vault.uid] = Chosen(going, parents, hidden=hidden)


def forbids(row: CubeRow, name: str, now_us: int) -> str:
    """Return what forbids to forget a cube; "": nothing."""
    try:
        step(condition_of(row, now_us), Trigger.FORGET, resource=name)
    except PlatformError as error:
        return error.reason.name
    return ""
