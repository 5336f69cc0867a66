"""Seats of an agreement: who holds them, and giving them back, or to somebody else, no sooner than the terms say.

Whoever could pass a seat on at will would share it among any number of people, so the consumer keeps to the time that
the terms name; the provider, whom that protects, may let a seat go at any time. Taking, giving back and passing on are
each one serialisable transaction, as uses are.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NoReturn

from memporium_platform.call import current_call
from memporium_platform.errors import PlatformError, Reason, invalid
from memporium_platform.paging import page_size
from memporium_platform.storage.sql.times import from_us, to_us
from memporium_services.memstore.app.agreements import party_agreement
from memporium_services.memstore.app.market import Page, Shown, caller_org, move_by, parsed_terms, refuse, sign_step
from memporium_services.memstore.domain.agreements import AgreementState
from memporium_services.memstore.domain.machine import Side
from memporium_services.memstore.domain.peering import names
from memporium_services.memstore.domain.seats import SEAT_MACHINE, Seat, hold_of, seats_of

if TYPE_CHECKING:
    from datetime import datetime

    from memporium_services.memstore.app.market import Market
    from memporium_services.memstore.app.peering.seating import Pseudonyms
    from memporium_services.memstore.domain.agreements import Agreement
    from memporium_services.memstore.ports import Signer, Transaction

_MAX_REASON = 1000


@dataclass(frozen=True, slots=True)
class HeldSeat:
    """A seat as it is shown.

    Attributes:
        seat: The seat.
        free_us: From when on its holder's organisation may give it back; 0: not while the agreement lasts.
        holder: What the provider's platform calls the holder, where that is another one; "": as it is called here.
    """

    seat: Seat
    free_us: int
    holder: str = ""


class Seats:
    """Seats of agreements."""

    def __init__(self, market: Market, pseudonyms: Pseudonyms) -> None:
        """Work on the market; providers on other platforms know holders by pseudonyms."""
        self._market, self._pseudonyms = market, pseudonyms

    async def list_of(self, parent: str, *, size: int, token: str) -> Page[Shown[HeldSeat]]:
        """Return the seats of an agreement, those that were given back too, by principal."""
        limit = page_size(size)
        scope = f"ListSeats/{parent}"
        after = self._market.after(scope, token)

        def fetch(tx: Transaction) -> list[Shown[HeldSeat]]:
            agreement = party_agreement(tx, parent)
            found = tx.meter.all_seats(agreement.name, after=after, limit=limit + 1)
            return [self._shown(tx, agreement, seat) for seat in found]

        found = await self._market.store.read(fetch)
        return self._market.page(scope, found, limit, lambda shown: shown.entity.seat.principal)

    async def release(self, parent: str, principal: str, successor: str, reason: str) -> Shown[HeldSeat]:
        """Give a principal's seat back, or to a successor, for the caller's side; return what became of it.

        Raises:
            PlatformError: FAILED_PRECONDITION where the principal holds none, the terms count none, or it is too soon;
                INVALID_FIELD where the successor has one already or is not of the consumer.
        """
        if len(reason) > _MAX_REASON:
            raise invalid("reason", f"must have at most {_MAX_REASON} characters")
        signer = await self._market.signers.of(caller_org())

        def work(tx: Transaction, now: datetime) -> str:
            agreement = party_agreement(tx, parent)
            self._release(tx, agreement, principal, successor, signer=signer, reason=reason, now=now)
            return agreement.name

        def show(tx: Transaction, name: str) -> Shown[HeldSeat]:
            agreement, seat = party_agreement(tx, name), tx.meter.seat(name, principal)
            return refuse(parent) if seat is None else self._shown(tx, agreement, seat)

        return await self._market.mutate(work, show)

    def _shown(self, tx: Transaction, agreement: Agreement, seat: Seat) -> Shown[HeldSeat]:
        foreign = names.is_foreign(agreement.provider)
        holder = self._pseudonyms.of(tx, agreement, seat.principal) if foreign else ""
        return Shown(HeldSeat(seat, _free_us(tx, agreement, seat), holder), steps=tuple(tx.steps(seat.name)))

    def _release(
        self,
        tx: Transaction,
        agreement: Agreement,
        principal: str,
        successor: str,
        *,
        signer: Signer,
        reason: str,
        now: datetime,
    ) -> None:
        side, seat, now_us = agreement.side_of(caller_org()), tx.meter.seat(agreement.name, principal), to_us(now)
        if side is None:
            refuse(agreement.name)
        if names.is_foreign(agreement.consumer):
            _fail(agreement, f"seats are kept by the platform of orgs/{agreement.consumer}, which meters the uses")
        if agreement.state is AgreementState.RENEWED:
            _fail(agreement, f"its seats passed to {agreement.renewed_by}", renewed_by=agreement.renewed_by)
        if seat is None or seat.end_us:
            _fail(agreement, f"{principal} holds no seat")
        if side is Side.CONSUMER:
            _demand_held(tx, agreement, seat, now_us)
        self._end(tx, seat, side, signer=signer, reason=reason, now=now)
        details = {"seat": principal}
        if successor:
            _pass_on(tx, agreement, successor, now_us)
            details["successor"] = successor
        tx.audit(current_call(), agreement.name, details, now)

    def _end(self, tx: Transaction, seat: Seat, side: Side, *, signer: Signer, reason: str, now: datetime) -> None:
        after = SEAT_MACHINE.move(seat.name, seat.state, "release", side)
        tx.meter.put_seat(replace(seat, end_us=to_us(now)))
        move = move_by(current_call(), signer, reason=reason, now=now)
        sequence = len(tx.steps(seat.name)) + 1
        sign_step(tx, move, resource=seat.name, sequence=sequence, states=(seat.state.value, after.value, "release"))


def _demand_held(tx: Transaction, agreement: Agreement, seat: Seat, now_us: int) -> None:
    """Refuse to give a seat back before it was held as long as the terms say.

    Raises:
        PlatformError: FAILED_PRECONDITION, with the time from which it may be.
    """
    free_us = _free_us(tx, agreement, seat)
    if not free_us:
        _fail(agreement, "the terms let no seat be given back while the agreement lasts")
    if now_us < free_us:
        free = from_us(free_us).isoformat()
        _fail(agreement, f"the terms let this seat be given back from {free} on", free_time=free)


def _free_us(tx: Transaction, agreement: Agreement, seat: Seat) -> int:
    terms = parsed_terms(tx.document(agreement.terms_sha256))
    if seats_of(terms) is None:
        return seat.take_us
    hold_us = hold_of(terms)
    return 0 if hold_us is None else seat.take_us + hold_us


def _pass_on(tx: Transaction, agreement: Agreement, successor: str, now_us: int) -> None:
    head = f"orgs/{agreement.consumer}/principals/"
    if not successor.startswith(head) or not successor[len(head) :] or "/" in successor[len(head) :]:
        raise invalid("successor", f"must be a principal of the consumer, {head}...")
    if successor in tx.meter.seats(agreement.name):
        raise invalid("successor", "holds a seat already")
    tx.meter.put_seat(Seat(agreement.name, successor, now_us))


def _fail(agreement: Agreement, text: str, **metadata: str) -> NoReturn:
    told = {"resource": agreement.name, "term": "seats", **metadata}
    raise PlatformError(Reason.FAILED_PRECONDITION, text, metadata=told)
