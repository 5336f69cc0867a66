"""Statements: uses that stand on none yet are closed into one; bills are made of statements."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from memporium_platform.call import current_call
from memporium_platform.names import ORG
from memporium_platform.paging import page_size
from memporium_platform.storage.sql.times import to_us
from memporium_services.memstore.app.agreements import party_agreement
from memporium_services.memstore.app.market import PLATFORM_ACTOR, Page, Shown, caller_org, refuse, sees_all
from memporium_services.memstore.app.usage import amount_owed
from memporium_services.memstore.domain.machine import Side
from memporium_services.memstore.domain.negotiations import Signature
from memporium_services.memstore.domain.prices import Price
from memporium_services.memstore.domain.statement import pre_authentication_encoding
from memporium_services.memstore.domain.statements import (
    BILLING_TYPES,
    STATEMENT_TYPE,
    UsageStatement,
    bill,
    digest_of_uses,
    lines_of,
)
from memporium_services.memstore.domain.voids import STATEMENT_MACHINE

if TYPE_CHECKING:
    from datetime import datetime

    from memporium_services.memstore.app.market import Market
    from memporium_services.memstore.domain.agreements import Agreement
    from memporium_services.memstore.ports import Signer, Transaction

# Uses that one statement sums up; more wait for the next one.
MAX_USES = 100_000
_MAX_BILLED = 100_000


class Statements:
    """Statements of agreements."""

    def __init__(self, market: Market) -> None:
        """Work on the market."""
        self._market = market

    async def create(self, parent: str) -> Shown[UsageStatement]:
        """Close what was used since the last statement; signed for the consumer and by the platform."""
        consumer = await self._market.store.read(lambda tx: party_agreement(tx, parent).consumer)
        signers = await self.signers_of(consumer)

        def work(tx: Transaction, now: datetime) -> str:
            agreement = party_agreement(tx, parent)
            made = self.put(tx, agreement, closed(tx, agreement, to_us(now)), signers, now)
            tx.audit(current_call(), made.name, told(made), now)
            return made.name

        return await self._market.mutate(work, _show)

    async def void(self, name: str, reason: str) -> Shown[UsageStatement]:
        """Void a statement that was refused, for the consumer; its uses go onto the next one.

        Raises:
            PlatformError: ILLEGAL_TRANSITION, where it was not refused: on one platform none is.
        """
        del reason
        shown = await self.get(name)
        statement, org = shown.entity, caller_org()
        side = Side.CONSUMER if org == statement.consumer else Side.PROVIDER
        STATEMENT_MACHINE.move(name, statement.state, "void", side)
        return shown

    def announce(self) -> None:
        """Let what was made be sent to whom it concerns."""

    async def signers_of(self, consumer: str) -> tuple[Signer, Signer]:
        """Return who signs statements: the consumer and the platform."""
        return await self._market.signers.of(consumer), await self._market.signers.of("")

    def put(
        self,
        tx: Transaction,
        agreement: Agreement,
        statement: UsageStatement,
        signers: tuple[Signer, Signer],
        now: datetime,
    ) -> UsageStatement:
        """Keep a statement with its bytes and both signatures; return it."""
        payload = self.payload_of(tx, agreement, statement)
        made = replace(
            statement,
            document_sha256=tx.put_document(payload),
            signatures=(
                signed(signers[0], f"orgs/{agreement.consumer}", STATEMENT_TYPE, payload, to_us(now)),
                signed(signers[1], PLATFORM_ACTOR, STATEMENT_TYPE, payload, to_us(now)),
            ),
        )
        tx.statements.put(made)
        return made

    def payload_of(self, tx: Transaction, agreement: Agreement, statement: UsageStatement) -> bytes:
        """Return the bytes that are signed for a statement."""
        del self, tx, agreement
        return statement.payload

    async def get(self, name: str) -> Shown[UsageStatement]:
        """Return a statement of an agreement of the caller's organisation."""

        def fetch(tx: Transaction) -> Shown[UsageStatement]:
            statement = tx.statements.get(name, party="" if sees_all() else caller_org())
            return refuse(name) if statement is None else _shown(tx, statement)

        return await self._market.store.read(fetch)

    async def list_of(self, parent: str, *, size: int, token: str) -> Page[Shown[UsageStatement]]:
        """Return the statements of an agreement, by number."""
        limit = page_size(size)
        scope = f"ListStatements/{parent}"
        after = int(self._market.after(scope, token) or 0)

        def fetch(tx: Transaction) -> list[Shown[UsageStatement]]:
            name = party_agreement(tx, parent).name
            return [_shown(tx, one) for one in tx.statements.of_agreement(name, after=after, limit=limit + 1)]

        found = await self._market.store.read(fetch)
        return self._market.page(scope, found, limit, lambda shown: str(shown.entity.number))

    async def billing(self, parent: str, form: str, *, start_us: int, end_us: int) -> tuple[bytes, Signature, int]:
        """Return an organisation's statements for bookkeeping, its signature over the bytes, and their number."""
        org = ORG.parse(parent, "parent")["org"]
        signer = await self._market.signers.of(org)
        found = await self._market.store.read(
            lambda tx: tx.statements.billed(org, start_us=start_us, end_us=end_us, limit=_MAX_BILLED)
        )
        data = bill(found, form)
        now_us = to_us(self._market.clock.now())
        return data, signed(signer, f"orgs/{org}", BILLING_TYPES[form], data, now_us), len(found)


def told(statement: UsageStatement) -> dict[str, str]:
    """Return what the audit log says of a statement."""
    return {"statement": statement.document_sha256, "uses": str(statement.uses)}


def closed(tx: Transaction, agreement: Agreement, end_us: int, *, before_us: int = 0) -> UsageStatement:
    """Return the next statement, not signed, with its uses marked as standing on it.

    Args:
        tx: The transaction.
        agreement: The agreement.
        end_us: Until when it counts.
        before_us: Takes only uses made before; 0: all.
    """
    newest = tx.statements.last(agreement.name)
    last, number = standing(tx, newest), 1 if newest is None else newest.number + 1
    uses = tx.meter.close(agreement.name, number, MAX_USES, before_us=before_us)
    # What begins at its end is on the next one.
    due = amount_owed(tx, agreement, end_us - 1, stated=True)
    before = Price(due.currency, 0) if last is None else last.due
    return UsageStatement(
        name=f"{agreement.name}/statements/{number}",
        number=number,
        agreement=agreement.name,
        provider=agreement.provider,
        consumer=agreement.consumer,
        listing=agreement.listing,
        start_us=agreement.activate_us if last is None else last.end_us,
        end_us=end_us,
        lines=lines_of(uses),
        amount=Price(due.currency, due.micros - before.micros),
        due=due,
        uses_sha256=digest_of_uses(uses),
        previous_sha256="" if newest is None else newest.link,
    )


def standing(tx: Transaction, newest: UsageStatement | None) -> UsageStatement | None:
    """Return the newest statement, up to this one, that was not voided."""
    while newest is not None and newest.void is not None:
        newest = tx.statements.get(f"{newest.agreement}/statements/{newest.number - 1}")
    return newest


def signed(signer: Signer, organisation: str, kind: str, payload: bytes, now_us: int) -> Signature:
    """Return an organisation's signature under a document."""
    value = signer.sign(pre_authentication_encoding(kind, payload)).hex()
    return Signature(organisation, signer.key_id, value, now_us)


def _show(tx: Transaction, name: str) -> Shown[UsageStatement]:
    statement = tx.statements.get(name)
    return refuse(name) if statement is None else _shown(tx, statement)


def _shown(tx: Transaction, statement: UsageStatement) -> Shown[UsageStatement]:
    void = tx.document(statement.void.document_sha256) if statement.void is not None else b""
    return Shown(statement, document=tx.document(statement.document_sha256), further=void)
