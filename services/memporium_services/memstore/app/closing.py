"""Statements that are made by themselves, when a period ends: each once, whatever is killed when.

When the next one is due stands in a row beside the agreement. The statement, its uses and the next due time change in
one transaction, so a platform that was away makes up for what it missed, and two replicas make nothing twice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from memporium_platform.call import Call, Principal, PrincipalKind
from memporium_platform.errors import PlatformError
from memporium_platform.licence.terms import Period
from memporium_platform.names import new_id
from memporium_platform.storage.sql.times import to_us
from memporium_services.memstore.app.market import PLATFORM_ACTOR
from memporium_services.memstore.app.statements import MAX_USES, closed, standing, told
from memporium_services.memstore.domain.agreements import AgreementState
from memporium_services.memstore.domain.entitlements import window_of

if TYPE_CHECKING:
    from datetime import datetime

    from memporium_services.memstore.app.market import Market
    from memporium_services.memstore.app.statements import Statements
    from memporium_services.memstore.domain.agreements import Agreement
    from memporium_services.memstore.domain.statements import UsageStatement
    from memporium_services.memstore.ports import Signer, Transaction

_log = structlog.get_logger(__name__)
_BATCH = 100
# Periods that one transaction closes.
_PERIODS = 500
# Between two attempts for an agreement whose statement could not be made.
_AGAIN_US = 60 * 1_000_000
_LIVING = frozenset({AgreementState.ACTIVE, AgreementState.SUSPENDED})


class Closing:
    """Makes them."""

    def __init__(self, market: Market, statements: Statements) -> None:
        """Make them by `statements`."""
        self._market, self._statements = market, statements
        # When one that failed is tried again; its period does not change by that.
        self._again: dict[str, int] = {}

    async def close_due(self) -> int:
        """Make the statements whose period has ended; return how many were made."""
        now_us, made = to_us(self._market.clock.now()), 0
        for name in await self._market.store.read(lambda tx: tx.statements.due(now_us, limit=_BATCH)):
            if now_us < self._again.get(name, 0):
                continue
            try:
                made += await self._close(name)
                self._again.pop(name, None)
            except PlatformError as error:
                self._again[name] = now_us + _AGAIN_US
                _log.warning("statement.not_made", agreement=name, reason=error.reason.value)
        if made:
            self._statements.announce()
        return made

    async def _close(self, name: str) -> int:
        agreement = await self._market.store.read(lambda tx: tx.agreements.get(name))
        if agreement is None or agreement.price.statement_period is None:
            await self._market.store.write(lambda tx: tx.statements.set_due(name, None))
            return 0
        signers = await self._statements.signers_of(agreement.consumer)
        return await self._market.store.write(lambda tx: self._closed(tx, name, signers, self._market.clock.now()))

    def _closed(self, tx: Transaction, name: str, signers: tuple[Signer, Signer], now: datetime) -> int:
        agreement, due_us = tx.agreements.get(name), tx.statements.next_due(name)
        if agreement is None or due_us is None:
            return 0
        if not due_us:
            last = standing(tx, tx.statements.last(name))
            due_us = self._end_of(agreement, last.end_us if last is not None else agreement.activate_us)
        made = 0
        for _ in range(_PERIODS):
            if due_us > to_us(now):
                break
            count = self._period(tx, agreement, due_us, signers, now)
            made += count
            # A use that was under way at the end is metered soon after it.
            over_us = agreement.update_us + int(2e6 * self._market.settings.reservation_ttl_s)
            if agreement.state not in _LIVING and not count and over_us <= due_us:
                tx.statements.set_due(name, None)
                return made
            due_us = self._end_of(agreement, due_us)
        tx.statements.set_due(name, due_us)
        return made

    def _period(
        self, tx: Transaction, agreement: Agreement, end_us: int, signers: tuple[Signer, Signer], now: datetime
    ) -> int:
        """Close one period; return how many statements that took: none where there is nothing to state."""
        if agreement.price.statement_period is Period.AGREEMENT and agreement.state in _LIVING:
            return 0
        last, made = standing(tx, tx.statements.last(agreement.name)), 0
        if last is not None and last.end_us >= end_us:
            # Somebody asked for one since.
            return 0
        while True:
            statement = closed(tx, agreement, end_us, before_us=end_us)
            if not statement.uses and not statement.amount.micros:
                return made
            self._note(tx, agreement, self._statements.put(tx, agreement, statement, signers, now), now)
            made += 1
            if statement.uses < MAX_USES:
                return made

    def _note(self, tx: Transaction, agreement: Agreement, made: UsageStatement, now: datetime) -> None:
        """Write it into the audit log of each party that has one here."""
        for org in sorted({agreement.consumer, agreement.provider}):
            if "." not in org:
                principal = Principal(PLATFORM_ACTOR, org, PrincipalKind.SERVICE)
                call = Call(principal, action="memstore.statements.create", resource=made.name, decision_id=new_id(now))
                tx.audit(call, made.name, told(made), now)

    def _end_of(self, agreement: Agreement, after_us: int) -> int:
        """Return the end of the period that a time lies in."""
        every_us = int(self._market.settings.statements_every_s * 1e6)
        if every_us:
            return (after_us // every_us + 1) * every_us
        period = agreement.price.statement_period
        # Whether an agreement has ended is looked at each day.
        return window_of(Period.DAY if period in {None, Period.AGREEMENT} else period, after_us)[1]
