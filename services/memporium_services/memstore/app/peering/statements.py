"""Usage statements: what a consumer on another platform says it has used, held against what it said before."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from memporium_platform.call import current_call
from memporium_platform.errors import PlatformError, Reason, invalid
from memporium_platform.licence.terms import Action, Form, Period
from memporium_platform.storage.sql.times import to_us
from memporium_services.memstore.app.agreements import party_agreement
from memporium_services.memstore.app.market import parsed_terms
from memporium_services.memstore.app.peering.seating import take_seats
from memporium_services.memstore.domain.entitlements import Draw, Units, Usage
from memporium_services.memstore.domain.peering import speech
from memporium_services.memstore.domain.peering.speech import Said

if TYPE_CHECKING:
    from memporium_platform.licence.terms import Terms
    from memporium_services.memstore.app.market import Market
    from memporium_services.memstore.domain.agreements import Agreement
    from memporium_services.memstore.ports import Transaction

UNITS = ("calls", "memories", "tokens", "bytes", "derivations")
USAGE = "usage"
Lines = dict[tuple[str, str], Units]


class UsageBook:
    """What consumers on other platforms have stated; billed like what is metered here."""

    def __init__(self, market: Market) -> None:
        """Keep it in the market's meter."""
        self._market = market

    async def take(self, name: str, fields: dict[str, Any]) -> None:
        """Take a statement.

        Raises:
            PlatformError: CONFLICT where it does not follow the last one, INVALID_FIELD where a total falls,
                LICENCE_QUOTA_EXHAUSTED where it is beyond what was agreed for the whole agreement,
                LICENCE_NOT_PERMITTED where it is more seats than were agreed.
        """

        def work(tx: Transaction) -> None:
            agreement = party_agreement(tx, name)
            last = tx.peering.newest_said(name, USAGE, sent=False)
            number, before = speech.number(fields, "sequence"), last.sequence if last is not None else 0
            previous = last.sha256 if last is not None else ""
            if number != before + 1 or speech.text(fields, "previous", optional=True) != previous:
                text = f"statement {number} does not follow statement {before}"
                raise PlatformError(Reason.CONFLICT, text, metadata={"resource": name})
            stated, known = lines_in(fields), stated_lines(last.payload) if last is not None else {}
            if any(key not in stated or not old.within(stated[key]) for key, old in known.items()):
                raise invalid("lines", "a total is lower than before")
            self._book(tx, agreement, stated, known, number)
            now_us = to_us(self._market.clock.now())
            take_seats(tx, agreement, fields, last.payload if last is not None else b"", now_us)

        await self._market.store.write(work)

    def _book(self, tx: Transaction, agreement: Agreement, stated: Lines, known: Lines, number: int) -> None:
        now_us = to_us(self._market.clock.now())
        terms = parsed_terms(tx.document(agreement.terms_sha256))
        for place, ((action, form), units) in enumerate(sorted(stated.items())):
            more = units.beyond(known.get((action, form), Units()))
            if more == Units():
                continue
            _count(tx, agreement, terms, (action, form), more)
            usage = Usage(
                agreement=agreement.name,
                use_id=f"statement-{number}-{place}",
                principal=current_call().principal.name,
                action=action,
                form=form,
                purpose="",
                units=more,
                time_us=now_us,
            )
            tx.meter.record(usage)


def _count(tx: Transaction, agreement: Agreement, terms: Terms, line: tuple[str, str], more: Units) -> None:
    """Take what was used from the quotas of the whole agreement; others begin anew at times that are not stated."""
    rule = terms.rules.get((Action(line[0]), Form(line[1])))
    if rule is None:
        text = f"the licence does not permit {line[0].lower()} on {line[1].lower()} memory"
        metadata = {"agreement": agreement.name, "action": line[0], "term": "permissions"}
        raise PlatformError(Reason.LICENCE_NOT_PERMITTED, text, metadata=metadata)
    for quota in sorted(rule.quotas):
        amount = more.of(quota.unit)
        if quota.period is not Period.AGREEMENT or not amount:
            continue
        draw = Draw(quota.unit, quota.period, quota.pool, 0, amount)
        if not tx.meter.take(agreement.name, draw, quota.limit):
            unit = quota.unit.value.lower()
            metadata = {"agreement": agreement.name, "limit": str(quota.limit), "unit": unit}
            text = f"more than the licence's {quota.limit} {unit} were used"
            raise PlatformError(Reason.LICENCE_QUOTA_EXHAUSTED, text, metadata=metadata)
        tx.meter.use_up(agreement.name, [draw], more)


def lines_out(lines: list[tuple[str, str, tuple[int, ...]]]) -> list[dict[str, Any]]:
    """Return totals by action and form as they are stated."""
    return [{"action": action, "form": form, **dict(zip(UNITS, units, strict=True))} for action, form, units in lines]


def lines_in(fields: dict[str, Any]) -> Lines:
    """Return the totals of a statement.

    Raises:
        PlatformError: INVALID_FIELD.
    """
    try:
        lines = {
            (Action(line["action"]).value, Form(line["form"]).value): Units(
                *(speech.number(line, unit) for unit in UNITS)
            )
            for line in fields["lines"]
        }
    except (KeyError, TypeError, ValueError, speech.SpeechError) as error:
        raise invalid("lines", "are malformed") from error
    if len(lines) != len(fields["lines"]):
        raise invalid("lines", "one action and form is stated twice")
    return lines


def stated_lines(payload: bytes) -> Lines:
    """Return the totals of a statement that was taken before."""
    said = Said(speech.MESSAGE_TYPE, payload, "", b"")
    return lines_in(speech.read("message", said, speech.MESSAGE_TYPE))
