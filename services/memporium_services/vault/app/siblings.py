"""Cubes of one call that name each other by the ids that the caller chose for them.

Another cube may stand for one of them: one with the same content, in the vault or earlier in the call. It is known only
in the transaction that writes them. What names such a cube must name the one that stands for it: else its licences are
not carried over, and when that one is forgotten what was made of it stays. So the call is got ready anew, with the
names as they are kept.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from memporium.vault.v1.changes_pb2 import Change
from memporium.vault.v1.cubes_pb2 import NewCube
from memporium_services.vault.app.made import parents_of
from memporium_services.vault.app.plans import StaleError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from memporium.cube.v1.cube_pb2 import Cube
    from memporium_services.vault.domain.rows import VaultRow

# How often a call is got ready anew before it is refused.
TRIES = 8


class StandInError(StaleError):
    """Other cubes than was thought stand for some of the call; `stands`: their names by the names that were chosen."""

    def __init__(self, stands: Mapping[str, str]) -> None:
        """Tell what stands for what."""
        super().__init__("another cube stands for one of the call")
        self.stands = dict(stands)


def stand_ins(vault: VaultRow, kept: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return the names of cubes that stand for others, by the names of these.

    Args:
        vault: The vault.
        kept: Of each new cube the id that was chosen for it, "": none, and that of the cube that is kept. An id that
            one of them has is its own.
    """
    pairs = list(kept)
    own = {asked for asked, cube_id in pairs if asked == cube_id}
    found: dict[str, str] = {}
    for asked, cube_id in pairs:
        if asked and asked not in own:
            found.setdefault(f"{vault.name}/cubes/{asked}", f"{vault.name}/cubes/{cube_id}")
    return found


def name_each_other(vault: VaultRow, news: Iterable[NewCube], others: Iterable[Cube] = ()) -> bool:
    """Return whether any of these cubes names a new one as its parent."""
    news = list(news)
    chosen = {f"{vault.name}/cubes/{new.cube_id}" for new in news if new.cube_id}
    if not chosen:
        return False
    return any(not chosen.isdisjoint(parents_of(cube)) for cube in (*(new.cube for new in news), *others))


def changes_name_each_other(vault: VaultRow, changes: Sequence[Change]) -> bool:
    """Return whether what any change writes names as its parent a cube that the same call makes."""
    kinds = [(one.WhichOneof("change"), one) for one in changes]
    news = [one.create for kind, one in kinds if kind == "create"]
    written = [getattr(one, kind).cube for kind, one in kinds if kind in {"update", "merge"}]
    return name_each_other(vault, news, written)


def renamed(vault: VaultRow, news: Sequence[NewCube], stands: Mapping[str, str]) -> list[NewCube]:
    """Return copies of new cubes that name their parents as they are kept."""
    found = []
    for new in news:
        copy = NewCube()
        copy.CopyFrom(new)
        _rename(copy.cube, stands, but=f"{vault.name}/cubes/{new.cube_id}")
        found.append(copy)
    return found


def renamed_changes(vault: VaultRow, changes: Sequence[Change], stands: Mapping[str, str]) -> list[Change]:
    """Return copies of changes whose cubes name their parents as they are kept."""
    found = []
    for one in changes:
        copy = Change()
        copy.CopyFrom(one)
        kind = copy.WhichOneof("change") or ""
        if kind == "create":
            _rename(copy.create.cube, stands, but=f"{vault.name}/cubes/{copy.create.cube_id}")
        elif kind == "update":
            _rename(copy.update.cube, stands, but=copy.update.cube.name)
        elif kind == "merge" and copy.merge.HasField("cube"):
            _rename(copy.merge.cube, stands, but=f"{vault.name}/cubes/{copy.merge.cube_id}")
        found.append(copy)
    return found


def _rename(cube: Cube, stands: Mapping[str, str], *, but: str) -> None:
    """Let a cube name its parents as they are kept, itself never.

    Tensors' payloads stay as they came, since their digests are what duplicates are known by; lineage says it beside.
    """
    named = parents_of(cube)
    if stands.keys().isdisjoint(named):
        return
    told = list(cube.behavioural.lineage.parents)
    beside = [name for name in named if name in stands and name not in told]
    kept = dict.fromkeys(stands.get(name, name) for name in (*told, *beside))
    cube.behavioural.lineage.parents[:] = [name for name in kept if name != but]
