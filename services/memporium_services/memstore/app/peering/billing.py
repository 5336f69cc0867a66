"""Statements where the provider is on another platform: made here, where memory is used, and sent there."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import TYPE_CHECKING

from memporium_platform.errors import PlatformError, Reason, invalid, not_found
from memporium_platform.storage.sql.times import to_us
from memporium_services.memstore.app.market import caller_org, refuse
from memporium_services.memstore.app.peering.outbox import settled
from memporium_services.memstore.app.peering.records import noted
from memporium_services.memstore.app.peering.voiding import MAX_REASON, note_refusal
from memporium_services.memstore.app.statements import Statements
from memporium_services.memstore.domain.machine import Side
from memporium_services.memstore.domain.peering import names, speech
from memporium_services.memstore.domain.peering.peers import EntryState
from memporium_services.memstore.domain.statement import pre_authentication_encoding
from memporium_services.memstore.domain.voids import STATEMENT_MACHINE, VOID_TYPE, StatementState, VoidDocument

if TYPE_CHECKING:
    from datetime import datetime

    from memporium_services.memstore.app.market import Market, Shown
    from memporium_services.memstore.app.peering.outbox import Outbox
    from memporium_services.memstore.app.peering.peering import Peering
    from memporium_services.memstore.domain.agreements import Agreement
    from memporium_services.memstore.domain.peering.peers import Entry, Peer
    from memporium_services.memstore.domain.statements import UsageStatement
    from memporium_services.memstore.ports import Signer, Transaction


class PeerStatements(Statements):
    """The statements."""

    def __init__(self, market: Market, peering: Peering, outbox: Outbox) -> None:
        """Send statements by the outbox."""
        super().__init__(market)
        self._peering, self._outbox = peering, outbox

    async def create(self, parent: str) -> Shown[UsageStatement]:
        """Close what was used since the last statement; the provider's platform signs it when it has it."""
        made = await super().create(parent)
        self.announce()
        return made

    async def void(self, name: str, reason: str) -> Shown[UsageStatement]:
        """Void a statement that the provider's platform refused; its uses go onto the next one.

        Raises:
            PlatformError: ILLEGAL_TRANSITION where it was not refused, INVALID_FIELD without a reason,
                FAILED_PRECONDITION where one before it was refused, too: that is voided first.
        """
        if not names.names_foreign(name):
            return await super().void(name, reason)
        if not 0 < len(reason) <= MAX_REASON:
            raise invalid("reason", f"must say why, in at most {MAX_REASON} characters")
        statement = (await self.get(name)).entity
        if caller_org() != statement.consumer:
            refuse(name)
        if statement.state is StatementState.VOIDED:
            return await self.get(name)
        peer = await self._peering.peer(names.peer_of(statement.provider))
        message, before = await self._market.store.write(lambda tx: self._refused(tx, peer, statement))
        if not message.answer and message.state is EntryState.REFUSED:
            # Turned away without an answer: it may have come there all the same, so it is sent once more.
            message = await self._outbox.send(peer, replace(message, state=EntryState.WAITING))
            if not message.answer:
                text = f"{peer.name} does not answer whether it refuses the statement: {message.reason}"
                raise PlatformError(Reason.UNAVAILABLE, text, retry_after_s=1.0)
        statement = (await self.get(name)).entity
        STATEMENT_MACHINE.move(name, statement.state, "void", Side.CONSUMER)
        if before is not None and before.state is StatementState.REFUSED:
            text = f"statement {before.number} was refused, too, and must be voided first"
            raise PlatformError(Reason.FAILED_PRECONDITION, text, metadata={"resource": before.name})
        content = self._void_of(peer, statement, message, before, reason).payload
        signer = await self._market.signers.of(statement.consumer)
        entry = await self._outbox.say(
            peer,
            statement.consumer,
            kind=speech.SETTLING,
            trigger="void",
            about=statement.agreement,
            sequence=statement.number,
            document=base64.b64encode(content).decode(),
            document_signature=signer.sign(pre_authentication_encoding(VOID_TYPE, content)).hex(),
        )
        settled(entry)
        return await self.get(name)

    def _refused(self, tx: Transaction, peer: Peer, statement: UsageStatement) -> tuple[Entry, UsageStatement | None]:
        """Return the message with a statement, and the statement before it."""
        there = self._peering.there(statement.agreement, peer.id)
        said = tx.peering.at(peer.id, there, statement.number, sent=True)
        known = [each for each in said if each.kind == speech.SETTLING and each.trigger == "settle"]
        if not known:
            raise not_found(statement.name)
        note_refusal(tx, known[-1])
        return known[-1], tx.statements.get(f"{statement.agreement}/statements/{statement.number - 1}")

    def _void_of(
        self, peer: Peer, statement: UsageStatement, message: Entry, before: UsageStatement | None, reason: str
    ) -> VoidDocument:
        agreement = self._peering.there(statement.agreement, peer.id)
        return VoidDocument(
            agreement=agreement,
            statement=f"{agreement}/statements/{statement.number}",
            number=statement.number,
            statement_sha256=statement.document_sha256,
            previous_sha256=before.link if before is not None else "",
            start_us=statement.start_us,
            end_us=statement.end_us,
            message_sha256=message.sha256,
            reason=reason,
            time_us=to_us(self._market.clock.now()),
        )

    def announce(self) -> None:
        """Let what was made be sent to whom it concerns."""
        self._peering.to_send.fire()

    def put(
        self,
        tx: Transaction,
        agreement: Agreement,
        statement: UsageStatement,
        signers: tuple[Signer, Signer],
        now: datetime,
    ) -> UsageStatement:
        """Keep a statement with its bytes and both signatures, and what is said of it; return it.

        Raises:
            PlatformError: FAILED_PRECONDITION, where it is for the consumer's platform to make, there is no peer, or
                the one before was refused: none can follow that until it is voided.
        """
        before = tx.statements.last(agreement.name)
        if before is not None and before.state is StatementState.REFUSED:
            text = f"statement {before.number} was refused and must be voided first: {before.refusal}"
            raise PlatformError(Reason.FAILED_PRECONDITION, text, metadata={"resource": before.name})
        made = super().put(tx, agreement, statement, signers, now)
        if not names.is_foreign(agreement.provider):
            return made
        peer = tx.peering.peer(names.peer_of(agreement.provider))
        if peer is None:
            text = f"peers/{names.peer_of(agreement.provider)} is no longer a peer"
            raise PlatformError(Reason.FAILED_PRECONDITION, text, metadata={"resource": agreement.name})
        entry = self._outbox.message(
            signers[0],
            peer,
            agreement.consumer,
            kind=speech.SETTLING,
            trigger="settle",
            about=agreement.name,
            sequence=made.number,
            document=base64.b64encode(tx.document(made.document_sha256)).decode(),
            document_signature=made.signatures[0].value,
        )
        noted(tx, entry, now)
        return made

    def payload_of(self, tx: Transaction, agreement: Agreement, statement: UsageStatement) -> bytes:
        """Return the bytes that are signed for a statement, by the names that the provider's platform uses."""
        if names.is_foreign(agreement.consumer):
            text = f"statements are made by the platform of orgs/{agreement.consumer}, which meters the uses"
            raise PlatformError(Reason.FAILED_PRECONDITION, text, metadata={"resource": agreement.name})
        peer = names.peer_of(agreement.provider)
        if not peer:
            return super().payload_of(tx, agreement, statement)
        orgs = {"platform": self._peering.me, "peer": peer}
        there = replace(
            statement,
            name=names.to_there(statement.name, **orgs),
            agreement=names.to_there(statement.agreement, **orgs),
            listing=names.to_there(statement.listing, **orgs),
            provider=names.org_there(statement.provider, **orgs),
            consumer=names.org_there(statement.consumer, **orgs),
        )
        return there.payload
