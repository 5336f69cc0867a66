"""What a dry run of forgetting tells: what would go, and why, and what would stay."""

from __future__ import annotations

from typing import TYPE_CHECKING

from memporium.vault.v1.cubes_pb2 import FORGET_WHY_ASKED, FORGET_WHY_DERIVED, ForgetCandidate, ForgottenElsewhere
from memporium_platform.errors import PlatformError
from memporium_services.vault.app.reading import condition_of
from memporium_services.vault.app.removing import staying
from memporium_services.vault.domain.lifecycle import Trigger, step

if TYPE_CHECKING:
    from collections.abc import Mapping

    from memporium_services.vault.app.forget_asked import Chosen
    from memporium_services.vault.app.reach import Reach
    from memporium_services.vault.domain.rows import VaultRow


def candidates_of(
    vault: VaultRow, found: Chosen, whys: Mapping[str, int], reach: Reach, *, now_us: int
) -> list[ForgetCandidate]:
    """Return the cubes that would go, first those of the vault itself, then those of others, by vault."""
    candidates = []
    for row in found.rows:
        name = f"{vault.name}/cubes/{row.cube_id}"
        candidate = ForgetCandidate(name=name, why=whys.get(row.cube_id, FORGET_WHY_ASKED))  # type: ignore[arg-type]
        if row.cube_id in found.parents:
            candidate.why = FORGET_WHY_DERIVED
            candidate.parent = found.parents[row.cube_id]
        try:
            step(condition_of(row, now_us), Trigger.FORGET, resource=name)
        except PlatformError as error:
            candidate.refusal = error.reason.name
        candidates.append(candidate)
    more = [
        ForgetCandidate(
            name=name,
            why=FORGET_WHY_DERIVED if parent else whys.get(name.rpartition("/")[2], FORGET_WHY_ASKED),  # type: ignore[arg-type]
            parent=parent,
            refusal=refusal,
        )
        for name, (parent, refusal) in found.named.items()
    ]
    for place in reach.of(found):
        its = found.elsewhere[place.vault.uid]
        more += [
            ForgetCandidate(
                name=f"{place.vault.name}/cubes/{row.cube_id}",
                why=FORGET_WHY_DERIVED,
                parent=its.parents[row.cube_id],
            )
            for row in its.rows
        ]
    return candidates + sorted(more, key=lambda one: one.name)


def would_become(found: Chosen, reach: Reach) -> list[ForgottenElsewhere]:
    """Return what would become of other vaults."""
    going = [
        ForgottenElsewhere(vault=place.vault.name, cubes=len(found.elsewhere[place.vault.uid].rows))
        for place in reach.of(found)
    ]
    told = [*(one for one in going if one.cubes), *staying(found)]
    return sorted(told, key=lambda one: (one.vault, one.refusal))
