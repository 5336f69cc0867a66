"""Messages of consumers here to the provider's platform: kept with the caller's audit record, sent until answered."""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import structlog

from memporium_platform.call import maybe_call
from memporium_platform.errors import PlatformError, Reason
from memporium_platform.names import new_id
from memporium_platform.storage.sql.times import to_us
from memporium_services.memstore.app.peering.inbox import PASSING, answer_out
from memporium_services.memstore.app.peering.peering import say, verify
from memporium_services.memstore.app.peering.records import account_of, entry_of, noted, said_of
from memporium_services.memstore.app.peering.voiding import note_refusal
from memporium_services.memstore.domain.peering import speech
from memporium_services.memstore.domain.peering.peers import Entry, EntryState
from memporium_services.memstore.domain.peering.speech import Said, SpeechError

if TYPE_CHECKING:
    from collections.abc import Callable

    from memporium_services.memstore.app.peering.peering import Peering
    from memporium_services.memstore.app.peering.replicas import Replicas
    from memporium_services.memstore.domain.peering.peers import Peer
    from memporium_services.memstore.ports import Signer, Transaction

_log = structlog.get_logger(__name__)
_BATCH = 200


class Outbox:
    """Says what consumers here have to say."""

    def __init__(self, peering: Peering, replicas: Replicas) -> None:
        """Apply the records that come with answers to the replicas."""
        self._peering, self._replicas = peering, replicas

    async def say(
        self,
        peer: Peer,
        org: str,
        *,
        kind: str,
        trigger: str,
        about: str,
        sequence: int,
        alongside: Callable[[Transaction], None] | None = None,
        unasked: bool = False,
        **fields: Any,
    ) -> Entry:
        """Sign a message of an organisation here, keep it, and try to send it; return what became of it.

        The same step at the same sequence is the same message, and so is the same request.

        Args:
            peer: To whom.
            org: Who says it.
            kind: `request`, `amend`, `step`, `cancel`, `usage`, `consent-step` or `settlement`.
            trigger: The step that is asked for.
            about: The offer, negotiation, agreement or consent, by the name here.
            sequence: The sequence that it answers; 0 for a request.
            alongside: Changes rows in the transaction that keeps the message.
            unasked: No caller waits for it: it is sent in the background.
            **fields: What else it says.

        Raises:
            PlatformError: CONFLICT, where another step is on its way from the same sequence.
        """
        signer = await self._peering.market.signers.of(org)
        made = self.message(signer, peer, org, kind=kind, trigger=trigger, about=about, sequence=sequence, **fields)
        entry = made if unasked else replace(made, request_key=_request_key())

        def keep(tx: Transaction) -> Entry:
            before = _said_before(tx, entry)
            if before is not None:
                return before
            if alongside is not None:
                alongside(tx)
            return noted(tx, entry, self._peering.market.clock.now())

        kept = await self._peering.market.store.write(keep)
        if unasked:
            self._peering.to_send.fire()
            return kept
        return await self.send(peer, kept) if kept.state is EntryState.WAITING else kept

    def message(
        self, signer: Signer, peer: Peer, org: str, *, kind: str, trigger: str, about: str, sequence: int, **fields: Any
    ) -> Entry:
        """Return a message that waits to be sent, signed and not yet kept."""
        resource, now = self._peering.there(about, peer.id), self._peering.market.clock.now()
        payload = speech.written(
            "message",
            **{"from": self._peering.me, "to": peer.id},
            id=new_id(now),
            organisation=f"orgs/{org}",
            kind=kind,
            resource=resource,
            sequence=sequence,
            trigger=trigger,
            time_us=to_us(now),
            **fields,
        )
        said = say(signer, speech.MESSAGE_TYPE, payload)
        entry = entry_of(
            said, peer=peer.id, sent=True, kind=kind, account=account_of(about), resource=resource, sequence=sequence,
            org=org, now=now,
        )  # fmt: skip
        return replace(entry, trigger=trigger, state=EntryState.WAITING)

    async def send(self, peer: Peer, entry: Entry) -> Entry:
        """Try to send a message that waits; return what became of it."""
        try:
            statement = await self._peering.statement(entry.org)
            answer, record = await self._peering.calls.deliver(peer, said_of(entry), statement)
            state, reason, text, about = self._judged(peer, entry, answer)
        except PlatformError as error:
            return await self._not_sent(entry, error)
        except SpeechError as error:
            return await self._not_sent(entry, PlatformError(Reason.UNAVAILABLE, f"the peer's answer: {error}"))
        here = self._peering.here(about, peer.id)
        done = replace(
            entry, state=state, reason=f"{reason}: {text}" if reason else "", answer=answer_out(answer), result=here,
            account=account_of(here) if state is EntryState.ACCEPTED else entry.account,
        )  # fmt: skip
        # The record first: whoever finds the message answered finds what came of it, too.
        if record is not None:
            await self._replicas.take(peer, record)
        await self._peering.market.store.write(lambda tx: _answered(tx, done))
        return done

    async def send_due(self) -> int:
        """Send what waits; return how many messages were answered."""
        now_us = to_us(self._peering.market.clock.now())
        due = await self._peering.market.store.read(lambda tx: tx.peering.due(now_us, limit=_BATCH))
        found = await self._peering.market.store.read(
            lambda tx: {entry.peer: tx.peering.peer(entry.peer) for entry in due}
        )
        sent = [self.send(peer, entry) for entry in due if (peer := found[entry.peer]) is not None]
        answered = await asyncio.gather(*sent)
        return sum(entry.state is not EntryState.WAITING for entry in answered)

    def _judged(self, peer: Peer, entry: Entry, answer: Said) -> tuple[EntryState, str, str, str]:
        verify(answer, peer.platform_key)
        fields = speech.read("answer", answer, speech.ANSWER_TYPE)
        if (fields["message_sha256"], fields["platform"], fields["peer"]) != (entry.sha256, peer.id, self._peering.me):
            raise SpeechError("it answers something else")
        outcome = speech.text(fields, "outcome")
        if outcome not in {EntryState.ACCEPTED.value, EntryState.REFUSED.value}:
            raise SpeechError("it says neither yes nor no")
        texts = [speech.text(fields, key, optional=True) for key in ("reason", "text", "resource")]
        return EntryState(outcome), texts[0], texts[1], texts[2]

    async def _not_sent(self, entry: Entry, error: PlatformError) -> Entry:
        """Try again later; what can never go better ends refused, without an answer that could be shown to anyone."""
        settings, attempts = self._peering.settings, entry.attempts + 1
        wait_s = min(settings.retry_s * 2 ** min(attempts - 1, 16), settings.retry_longest_s)
        # Jitter, so that what waited for the same peer does not come back together.
        wait_us = int(wait_s * random.uniform(0.5, 1.0) * 1e6)
        later = replace(entry, attempts=attempts, next_us=to_us(self._peering.market.clock.now()) + wait_us)
        if error.reason not in PASSING:
            later = replace(later, state=EntryState.REFUSED, reason=f"{error.reason.value}: {error.message}")
        _log.info("peer.not_sent", peer=entry.peer, reason=error.reason.value, attempts=attempts)
        await self._peering.market.store.write(lambda tx: _unless_answered(tx, later))
        return later


def _answered(tx: Transaction, done: Entry) -> None:
    tx.peering.put_entry(done)
    note_refusal(tx, done)


def _unless_answered(tx: Transaction, later: Entry) -> None:
    known = tx.peering.entry(later.peer, later.sha256)
    if known is not None and known.state is EntryState.WAITING:
        _answered(tx, later)


def _said_before(tx: Transaction, entry: Entry) -> Entry | None:
    """Return the message that this one repeats, or None.

    Raises:
        PlatformError: CONFLICT, where another step answers the same sequence.
    """
    before = tx.peering.by_request(entry.request_key) if entry.request_key else None
    if before is not None:
        if (before.peer, before.resource, before.trigger) != (entry.peer, entry.resource, entry.trigger):
            raise PlatformError(Reason.REQUEST_ID_REUSED, "the request id was used for another request")
        return before
    if not entry.sequence and entry.kind != speech.ASKING:
        return None
    for other in tx.peering.at(entry.peer, entry.resource, entry.sequence, sent=True):
        if other.state is EntryState.REFUSED or other.kind != entry.kind:
            continue
        if other.trigger == entry.trigger and entry.trigger != "counter":
            return other
        text = f"the step {other.trigger} is on its way to peers/{entry.peer}"
        raise PlatformError(Reason.CONFLICT, text, metadata={"resource": entry.account})
    return None


def _request_key() -> str:
    call = maybe_call()
    return f"{call.principal.name} {call.method} {call.request_id}" if call is not None and call.request_id else ""


def refused(entry: Entry) -> PlatformError:
    """Return the error for the caller whose message was refused."""
    reason, _, text = entry.reason.partition(": ")
    known = Reason(reason) if reason in Reason.__members__ else Reason.FAILED_PRECONDITION
    return PlatformError(known, text or "the provider's platform refused", metadata={"resource": entry.account})


def waiting(entry: Entry) -> PlatformError:
    """Return the error for the caller whose message could not be sent yet."""
    text = (
        f"{entry.trigger} is kept and goes to peers/{entry.peer} when that answers; "
        "the same call with the same request id then returns the result"
    )
    return PlatformError(Reason.UNAVAILABLE, text, retry_after_s=1.0)


def settled(entry: Entry) -> Entry:
    """Return a message that was accepted.

    Raises:
        PlatformError: It was refused, or waits.
    """
    if entry.state is EntryState.REFUSED:
        raise refused(entry)
    if entry.state is EntryState.WAITING:
        raise waiting(entry)
    return entry
