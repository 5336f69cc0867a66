from __future__ import annotations

import pytest
import typer

from memporium.cli._price import plan
from memporium.memstore.v1 import terms_pb2


def test_prices_in_words():
    use = plan("0.25 EUR a call, at most 10 EUR", "", "").per_use
    assert (use.price.micros, use.price.currency, use.unit, use.cap.micros) == (250_000, "EUR", 1, 10_000_000)
    assert not plan("3 USD a derivation", "", "").per_use.HasField("cap")
    period = plan("9 EUR a month", "", "").per_period
    assert (period.price.micros, period.period) == (9_000_000, 4)
    trial = plan("", "14 days", "orgs/a/listings/l/releases/r").trial
    assert (trial.duration.seconds, trial.release) == (14 * 86_400, "orgs/a/listings/l/releases/r")
    assert plan("", "", "").WhichOneof("plan") == "free"


@pytest.mark.parametrize(
    "given",
    [
        ("cheap", "", ""),
        ("1 eur a call", "", ""),
        ("0.1234567 EUR a call", "", ""),
        ("", "soon", ""),
        ("1 EUR a call", "1 day", ""),
        ("", "", "orgs/a/listings/l/releases/r"),
    ],
)
def test_what_is_no_price_is_wrong_use(given):
    with pytest.raises(typer.BadParameter):
        plan(*given)


def test_statements_are_made_as_often_as_is_said():
    assert not plan("9 EUR a month", "", "").statements
    made = plan("0.25 EUR a call", "", "", "month")
    assert made.statements == terms_pb2.QUOTA_PERIOD_MONTH
    assert plan("", "", "", "agreement").statements == terms_pb2.QUOTA_PERIOD_AGREEMENT
    with pytest.raises(typer.BadParameter, match="must be one of hour, day"):
        plan("", "", "", "weekly")
