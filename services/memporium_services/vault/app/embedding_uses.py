"""Licensed memory that is embedded by another model than its pack was made with: a use of its own, EMBED.

A vault embeds what it takes in where no vectors of its own model come along: a pack's next release after its publisher
has changed the model, a dump that is loaded into a vault of another model. Vectors by the pack's own model stand for
those that the publisher gave, and text that is made of licensed memory is the use by which it is made.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from memporium_services.vault.app.licensing import EMBED, Lease, agreements_of, asked_for, refuse_dead

if TYPE_CHECKING:
    from collections.abc import Iterable

    from memporium_platform.call import Call
    from memporium_services.vault.app.drafting import Wanted
    from memporium_services.vault.app.runtime import Runtime
    from memporium_services.vault.ports import GrantedUse, UseAsked


class EmbedUses:
    """The uses of one import: one an agreement, which grows with each batch."""

    def __init__(self, rt: Runtime, call: Call) -> None:
        """Ask for the caller."""
        self._rt, self._call = rt, call
        self._root = call.root_id or call.decision_id or rt.new_id()
        self._held: dict[str, tuple[GrantedUse, UseAsked]] = {}

    async def permit(self, wanted: Iterable[Wanted]) -> None:
        """Ask for what is about to be embedded of these.

        Raises:
            PlatformError: LICENCE_*: it must not be.
        """
        cubes = [one.cube for one in wanted if one.vectors is None and one.units and agreements_of(one.cube)]
        for more in asked_for(cubes, EMBED):
            refuse_dead(self._rt, more.agreement)
            before = self._held.get(more.agreement)
            asked = more if before is None else _joined(before[1], more)
            use_id = f"{self._root}:{asked.agreement}:{EMBED}"
            self._held[asked.agreement] = (await self._rt.gate.reserve(self._call, asked, use_id), asked)

    @property
    def lease(self) -> Lease:
        """What was reserved so far, to be committed when the import is public, else released."""
        return Lease(self._rt, list(self._held.values()))


def _joined(before: UseAsked, more: UseAsked) -> UseAsked:
    forms = {before.form, *before.further_forms, more.form, *more.further_forms} - {before.form}
    return before._replace(
        memories=before.memories + more.memories,
        tokens=before.tokens + more.tokens,
        bytes_used=before.bytes_used + more.bytes_used,
        further_forms=tuple(sorted(forms)),
    )
