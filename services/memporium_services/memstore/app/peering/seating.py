"""Seats between two platforms: counted where memory is used, told to the provider's by pseudonyms with each usage.

The consumer's platform signs how many seats are held, by whom under a name of its own making, since when, and when one
was given back. The provider's holds that against the terms and against what was told before, as it does with totals:
more seats than were sold, or one that was passed on too soon, are refused, and the signed message stays as evidence.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from memporium_platform.errors import PlatformError, Reason, invalid
from memporium_services.memstore.app.carrying import first_of
from memporium_services.memstore.app.market import parsed_terms
from memporium_services.memstore.domain.peering import speech
from memporium_services.memstore.domain.peering.speech import Said, SpeechError
from memporium_services.memstore.domain.seats import Seat, hold_of, seats_of

if TYPE_CHECKING:
    from memporium_services.memstore.domain.agreements import Agreement
    from memporium_services.memstore.ports import Transaction

# Seats that one message tells of, those that changed last: a message has an end.
TOLD = 2000
_DIGITS = 32
_HEXADECIMAL = frozenset("0123456789abcdef")


class Pseudonyms:
    """Names of seat holders for the provider: the same through all renewals, and of no use with another agreement."""

    def __init__(self, secret: bytes) -> None:
        """Make them by a secret of this platform."""
        self._secret = secret

    def of(self, tx: Transaction, agreement: Agreement, principal: str) -> str:
        """Return the pseudonym of a principal."""
        key = hmac.digest(self._secret, first_of(tx, agreement).encode(), "sha256")
        return hmac.new(key, principal.encode(), hashlib.sha256).hexdigest()[:_DIGITS]


def seats_out(tx: Transaction, agreement: Agreement, pseudonyms: Pseudonyms) -> dict[str, Any] | None:
    """Return what is told of an agreement's seats; None: it counts none."""
    if seats_of(parsed_terms(tx.document(agreement.terms_sha256))) is None:
        return None
    found = tx.meter.all_seats(agreement.name)
    told = sorted(found, key=lambda seat: (max(seat.take_us, seat.end_us), seat.principal))[-TOLD:]
    holders = [
        {"holder": pseudonyms.of(tx, agreement, seat.principal), "take_us": seat.take_us, "end_us": seat.end_us}
        for seat in told
    ]
    holders.sort(key=lambda one: str(one["holder"]))
    return {"held": sum(not seat.end_us for seat in found), "holders": holders}


def take_seats(tx: Transaction, agreement: Agreement, fields: dict[str, Any], last: bytes, now_us: int) -> None:
    """Keep what a consumer's platform tells of its seats; `last`: the message before, b"" if there was none.

    Raises:
        PlatformError: INVALID_FIELD where it contradicts itself, the terms' time to hold a seat, or what was told
            before; LICENCE_NOT_PERMITTED where more are held than were sold.
    """
    terms = parsed_terms(tx.document(agreement.terms_sha256))
    limit, told = seats_of(terms), _seats_in(agreement, fields)
    if limit is None or told is None:
        return
    held, seats = told
    if held > limit:
        text = f"{held:,} seats are held of {limit:,}"
        metadata = {"agreement": agreement.name, "term": "seats", "limit": str(limit)}
        raise PlatformError(Reason.LICENCE_NOT_PERMITTED, text, metadata=metadata)
    hold_us = hold_of(terms)
    if any(seat.end_us and not _long_enough(seat.take_us, seat.end_us, hold_us) for seat in seats.values()):
        raise invalid("seats", "one was given back sooner than the terms let it")
    before = (_seats_in(agreement, _fields(last)) if last else None) or (0, {})
    for principal, seat in before[1].items():
        now = seats.get(principal)
        if now is None and len(seats) < TOLD and not seat.end_us:
            raise invalid("seats", "one that was held is not told of any more")
        same = now is None or seat.end_us or now.take_us == seat.take_us
        if now is not None and not same and not _long_enough(seat.take_us, now.take_us, hold_us):
            raise invalid("seats", "one was taken at another time than was told before")
    for known in tx.meter.all_seats(agreement.name):
        # Of the agreement that was renewed, and given back before its renewal was known there.
        if known.principal not in seats and len(seats) < TOLD and not known.end_us:
            tx.meter.put_seat(replace(known, end_us=now_us))
    for seat in seats.values():
        tx.meter.put_seat(seat)


def _long_enough(take_us: int, end_us: int, hold_us: int | None) -> bool:
    return hold_us is not None and end_us - take_us >= hold_us


def _fields(payload: bytes) -> dict[str, Any]:
    return speech.read("message", Said(speech.MESSAGE_TYPE, payload, "", b""), speech.MESSAGE_TYPE)


def stated_seats(payload: bytes) -> Any:
    """Return what a message told of seats; None: nothing."""
    return _fields(payload).get("seats")


def _seats_in(agreement: Agreement, fields: dict[str, Any]) -> tuple[int, dict[str, Seat]] | None:
    """Return how many seats are held, and those that are told of; None: the platform tells of none."""
    told = fields.get("seats")
    if told is None:
        return None
    try:
        held = speech.number(told, "held")
        seats = [_seat_in(agreement, one) for one in told["holders"]]
    except (KeyError, TypeError, ValueError, AttributeError, SpeechError) as error:
        raise invalid("seats", "are malformed") from error
    found = {seat.principal: seat for seat in seats}
    open_ = sum(not seat.end_us for seat in seats)
    if len(found) != len(seats) or len(seats) > TOLD or held < open_ or (len(seats) < TOLD and held != open_):
        raise invalid("seats", "do not add up")
    return held, found


def _seat_in(agreement: Agreement, one: dict[str, Any]) -> Seat:
    holder = speech.text(one, "holder")
    if len(holder) != _DIGITS or not _HEXADECIMAL.issuperset(holder):
        raise SpeechError("a holder is malformed")
    take_us, end_us = speech.number(one, "take_us"), speech.number(one, "end_us")
    if not 0 < take_us < 1 << 62 or not (end_us == 0 or take_us <= end_us < 1 << 62):
        raise SpeechError("a time is malformed")
    return Seat(agreement.name, f"orgs/{agreement.consumer}/holders/{holder}", take_us, end_us)
