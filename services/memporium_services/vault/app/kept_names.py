"""What the cubes of an import are called in the vault, so that what was made of them names them as they are kept.

A cube whose id is taken gets another; one that is there already stays what it is. What was made of it may come first,
so names are put right when all of the import is known: in the transaction that publishes it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from memporium.cube.v1.cube_pb2 import Cube
from memporium_platform import names
from memporium_services.vault.app.made import parents_of

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from memporium_services.vault.app.cipher import VaultCipher
    from memporium_services.vault.app.drafting import Draft
    from memporium_services.vault.domain.rows import CubeRow, VaultRow
    from memporium_services.vault.ports import Store


@dataclass(slots=True)
class KeptNames:
    """Ids that an import's cubes came under, and those that they have in the vault.

    Attributes:
        kept: The vault's id by the one that was asked for; "" until the cube is drafted. Of two cubes that ask for one
            id, the first counts.
        made_of: By the vault's id of a cube that was made of others, the ids that these came under.
    """

    kept: dict[str, str] = field(default_factory=dict)
    made_of: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def copy(self) -> KeptNames:
        """Return a copy."""
        return KeptNames(dict(self.kept), dict(self.made_of))

    def ask(self, asked_id: str, cube_id: str) -> None:
        """Note the id of a cube that asks for one; the first to ask has it."""
        if asked_id:
            self.kept.setdefault(asked_id, cube_id)

    def drafted(self, vault: VaultRow, drafts: Sequence[Draft]) -> None:
        """Note the ids of cubes that are new, and what they were made of."""
        prefix = f"{vault.name}/cubes/"
        for draft in drafts:
            asked_id = asked_of(draft.cube)
            if self.kept.get(asked_id) == "":
                self.kept[asked_id] = draft.row.cube_id
            parents = [name.removeprefix(prefix) for name in parents_of(draft.cube) if name.startswith(prefix)]
            if parents:
                self.made_of[draft.row.cube_id] = tuple(parents)

    def folded(self, draft: Draft, cube_id: str) -> None:
        """Note that what was drafted has come to be there under another id."""
        asked_id = asked_of(draft.cube)
        if self.kept.get(asked_id) == draft.row.cube_id:
            self.kept[asked_id] = cube_id

    def others(self) -> dict[str, str]:
        """Return the vault's ids of cubes that came under others."""
        return {asked_id: cube_id for asked_id, cube_id in self.kept.items() if asked_id != cube_id}

    def parents(self, among: Collection[str]) -> set[str]:
        """Return the vault's ids of what any of these cubes were made of."""
        return {
            self.kept.get(one, one) for cube_id in self.made_of if cube_id in among for one in self.made_of[cube_id]
        }

    def put_right(self, store: Store, vault: VaultRow, cipher: VaultCipher, among: Collection[str]) -> None:
        """Let hidden cubes name what they were made of as the vault keeps it.

        Payloads stay as they came, since their digests are what duplicates are known by; lineage says it beside them.
        Tensors whose payload names an id that is another cube's here go with that one, too: too much, not too little.
        """
        changed = [
            cube_id
            for cube_id, asked in self.made_of.items()
            if cube_id in among and any(self.kept.get(one, one) != one for one in asked)
        ]
        rows = store.cubes(vault.uid, changed, hidden=True).values()
        store.restate(vault.uid, [(row.cube_id, row.version, self._restated(vault, cipher, row)) for row in rows])

    def _restated(self, vault: VaultRow, cipher: VaultCipher, row: CubeRow) -> bytes:
        prefix = f"{vault.name}/cubes/"
        meta = Cube.FromString(cipher.open(row.meta_sealed, "meta", row.uid, row.version))
        known = list(meta.behavioural.lineage.parents)
        # What only the payload names, under an id that is not the vault's.
        more = [prefix + one for one in self.made_of[row.cube_id] if self.kept.get(one, one) != one]
        found = dict.fromkeys(self._follow(prefix, name) for name in [*known, *more])
        meta.behavioural.lineage.parents[:] = list(found)
        return cipher.seal(meta.SerializeToString(), "meta", row.uid, row.version)

    def _follow(self, prefix: str, name: str) -> str:
        asked_id = name.removeprefix(prefix)
        return prefix + self.kept.get(asked_id, asked_id) if name.startswith(prefix) else name


def asked_of(cube: Cube) -> str:
    """Return the id that a cube asks for, or ""."""
    name = names.CUBE.match(cube.name)
    return name["cube"] if name else ""
