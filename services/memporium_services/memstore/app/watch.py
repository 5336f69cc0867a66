"""The stream of agreements' states for the services that enforce them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from memporium_services.memstore.app.market import Market
    from memporium_services.memstore.domain.agreements import Agreement

# Agreements in one message: stays far below the message limit.
_BATCH = 500


@dataclass(frozen=True, slots=True)
class Changes:
    """Agreements in the order of their changes, complete through a revision."""

    agreements: list[Agreement]
    revision: int
    synced: bool


class Watch:
    """Pushes each change as soon as it is committed."""

    def __init__(self, market: Market) -> None:
        """Work on the market."""
        self._market = market

    async def changes(self, start_revision: int) -> AsyncIterator[Changes]:
        """Yield the present state of all agreements (or what changed after a revision), then each change.

        Nothing new for `keepalive_s` yields an empty list: the revision still holds.
        """
        market, revision, synced, silent_s = self._market, start_revision, False, 0.0
        while True:
            ticket = market.entitlements_changed.ticket()
            found = await market.store.read(lambda tx, after=revision: tx.agreements_after(after, _BATCH))  # type: ignore[misc]
            revision = found[-1].revision if found else revision
            caught_up = len(found) < _BATCH
            if found or not synced or silent_s > market.settings.keepalive_s:
                synced, silent_s = synced or caught_up, 0.0
                yield Changes(found, revision, synced)
            if caught_up:
                silent_s += market.settings.poll_s
                await market.entitlements_changed.wait(ticket, market.settings.poll_s)
