"""Statements where the provider is on another platform: made here, where memory is used, and sent there."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import TYPE_CHECKING

from memporium_platform.errors import PlatformError, Reason
from memporium_services.memstore.app.peering.records import noted
from memporium_services.memstore.app.statements import Statements
from memporium_services.memstore.domain.peering import names, speech

if TYPE_CHECKING:
    from datetime import datetime

    from memporium_services.memstore.app.market import Market, Shown
    from memporium_services.memstore.app.peering.outbox import Outbox
    from memporium_services.memstore.app.peering.peering import Peering
    from memporium_services.memstore.domain.agreements import Agreement
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
            PlatformError: FAILED_PRECONDITION, where it is for the consumer's platform to make, or there is no peer.
        """
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
