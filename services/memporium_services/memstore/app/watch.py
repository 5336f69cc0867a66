"""The stream of agreements' states for the services that enforce them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from memporium_platform.storage.sql.times import to_us
from memporium_services.memstore.app.entitlements import successor
from memporium_services.memstore.app.peering.lapsing import as_enforced
from memporium_services.memstore.domain.agreements import AgreementState

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from memporium_services.memstore.app.market import Market
    from memporium_services.memstore.domain.agreements import Agreement
    from memporium_services.memstore.ports import Transaction

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
            now_us = to_us(market.clock.now())
            found, shown = await market.store.read(lambda tx, after=revision, now=now_us: _look(tx, after, now))  # type: ignore[misc]
            revision = found[-1].revision if found else revision
            caught_up = len(found) < _BATCH
            if found or not synced or silent_s > market.settings.keepalive_s:
                synced, silent_s = synced or caught_up, 0.0
                yield Changes(shown, revision, synced)
            if caught_up:
                silent_s += market.settings.poll_s
                await market.entitlements_changed.wait(ticket, market.settings.poll_s)


def _look(tx: Transaction, after: int, now_us: int) -> tuple[list[Agreement], list[Agreement]]:
    """Return the agreements that changed after a revision, as they are, and as whoever enforces them must see them."""
    found = tx.agreements_after(after, _BATCH)
    return found, [as_enforced(tx, _effective(tx, agreement), now_us) for agreement in found]


def _effective(tx: Transaction, agreement: Agreement) -> Agreement:
    """Return an agreement that was renewed with the state of the one in its place, unless that one is in force.

    What came under it is used under its successor from then on, and goes where the successor ends.
    """
    if agreement.state is not AgreementState.RENEWED:
        return agreement
    heir = successor(tx, agreement.name)
    if heir is None or heir.state is AgreementState.ACTIVE:
        return agreement
    return replace(agreement, state=heir.state, reason=heir.reason, delete_on_expiry=heir.delete_on_expiry)
