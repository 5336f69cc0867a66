"""States what was used here of memory of other platforms, as its consumers, from time to time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import structlog

from memporium_platform.errors import PlatformError
from memporium_platform.storage.sql.times import to_us
from memporium_services.memstore.app.peering.seating import seats_out, stated_seats
from memporium_services.memstore.app.peering.statements import USAGE, lines_in, lines_out, stated_lines
from memporium_services.memstore.domain.peering import names
from memporium_services.memstore.domain.peering.peers import EntryState

if TYPE_CHECKING:
    from memporium_services.memstore.app.peering.outbox import Outbox
    from memporium_services.memstore.app.peering.peering import Peering
    from memporium_services.memstore.app.peering.seating import Pseudonyms
    from memporium_services.memstore.domain.agreements import Agreement
    from memporium_services.memstore.domain.peering.peers import Entry
    from memporium_services.memstore.ports import Transaction

_log = structlog.get_logger(__name__)
_BATCH = 200
_Lines = list[tuple[str, str, tuple[int, ...]]]


class Stating:
    """Makes usage statements."""

    def __init__(self, peering: Peering, outbox: Outbox, pseudonyms: Pseudonyms) -> None:
        """Send them by the outbox; who holds seats is told by pseudonyms."""
        self._peering, self._outbox, self._pseudonyms = peering, outbox, pseudonyms

    async def state_all(self) -> int:
        """State what has changed since the last statements; return how many were made."""
        made, after = 0, ""
        while True:
            found = await self._behind(after)
            for name in found:
                try:
                    made += await self.state(name)
                except PlatformError as error:
                    _log.warning("peer.usage_not_stated", agreement=name, reason=error.reason.value)
            if len(found) < _BATCH:
                return made
            after = found[-1]

    async def _behind(self, after: str) -> list[str]:
        return await self._peering.market.store.read(lambda tx: tx.peering.mirrored(after=after, limit=_BATCH))

    async def state(self, name: str) -> bool:
        """State what was used under an agreement, if that is more than was stated; return whether it was."""

        def fetch(tx: Transaction) -> tuple[Agreement | None, _Lines, dict[str, Any] | None, list[Entry]]:
            said = [entry for entry in tx.peering.account([name]) if entry.kind == USAGE and entry.sent]
            agreement = tx.agreements.get(name)
            seats = seats_out(tx, agreement, self._pseudonyms) if agreement is not None else None
            return agreement, tx.peering.usage_lines(name), seats, said

        agreement, lines, seats, said = await self._peering.market.store.read(fetch)
        if agreement is None or not (lines or (seats and seats["holders"])):
            return False
        peer_id = names.peer_of(agreement.provider)
        peer = await self._peering.market.store.read(lambda tx: tx.peering.peer(peer_id))
        waits = any(entry.state is EntryState.WAITING for entry in said)
        # What was refused is not said again unchanged.
        if peer is None or waits or (said and _same(said[-1].payload, lines, seats)):
            return False
        taken = [entry for entry in said if entry.state is EntryState.ACCEPTED]
        further: dict[str, Any] = {} if seats is None else {"seats": seats}
        await self._outbox.say(
            peer,
            agreement.consumer,
            kind=USAGE,
            trigger="state",
            about=name,
            sequence=taken[-1].sequence + 1 if taken else 1,
            previous=taken[-1].sha256 if taken else "",
            lines=lines_out(lines),
            through_us=to_us(self._peering.market.clock.now()),
            **further,
        )
        return True


def _same(payload: bytes, lines: _Lines, seats: dict[str, Any] | None) -> bool:
    return stated_lines(payload) == lines_in({"lines": lines_out(lines)}) and stated_seats(payload) == seats
