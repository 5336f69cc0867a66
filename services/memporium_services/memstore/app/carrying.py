"""A renewal takes the seats over: whoever held one goes on holding it, and the time that the terms name goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from memporium_services.memstore.app.market import parsed_terms
from memporium_services.memstore.domain.seats import carried, seats_of

if TYPE_CHECKING:
    from memporium_services.memstore.domain.agreements import Agreement
    from memporium_services.memstore.ports import Transaction


def carry_seats(tx: Transaction, agreement: Agreement | None) -> None:
    """Give an agreement the seats of the one that it renews; again changes nothing.

    Between two platforms, uses may take seats under the old one until the word of its renewal has come, so this is done
    when either of both changes.
    """
    limit = seats_of(parsed_terms(tx.document(agreement.terms_sha256))) if agreement is not None else None
    if agreement is None or not agreement.renews or limit is None:
        return
    before, known = tx.meter.all_seats(agreement.renews), tx.meter.all_seats(agreement.name)
    for seat in carried(before, known, agreement.name, limit):
        tx.meter.put_seat(seat)


def first_of(tx: Transaction, agreement: Agreement) -> str:
    """Return the name of the agreement that stands at the beginning of the renewals."""
    first = agreement
    while first.renews and (before := tx.agreements.get(first.renews)) is not None:
        first = before
    return first.name
