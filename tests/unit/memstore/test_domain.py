from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memporium_platform.errors import PlatformError
from memporium_platform.licence.terms import Action, Constraints, Form, Period, Quota, Terms, Unit, Window
from memporium_platform.storage.sql.times import from_us, to_us
from memporium_services.memstore.domain.agreements import end_of
from memporium_services.memstore.domain.audience import Audience, Scope, audience
from memporium_services.memstore.domain.entitlements import (
    Draw,
    Units,
    checked_units,
    draws_of,
    merged_draws,
    used_of,
    window_of,
)
from memporium_services.memstore.domain.prices import PlanKind, Price, PricePlan, amount_due, check_plan, periods_begun
from memporium_services.memstore.domain.releases import parse_version

BEGIN = datetime(2026, 1, 31, 12, 30, tzinfo=UTC)


def test_versions_order_by_precedence():
    texts = ["1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta.2", "1.0.0-beta.11", "1.0.0-rc.1"]
    texts += ["1.0.0", "1.0.1", "1.2.0", "1.10.0", "2.0.0"]
    assert sorted(sorted(texts), key=parse_version) == texts


@pytest.mark.parametrize("text", ["", "1", "1.0", "01.0.0", "1.0.0-", "1.0.0-a..b", "1.0.0+5", "v1.0.0", "1.0.0\n"])
def test_what_is_no_version_is_refused(text):
    with pytest.raises(PlatformError):
        parse_version(text)


@pytest.mark.parametrize(
    ("period", "start", "end"),
    [
        (Period.HOUR, datetime(2026, 1, 31, 12, tzinfo=UTC), datetime(2026, 1, 31, 13, tzinfo=UTC)),
        (Period.DAY, datetime(2026, 1, 31, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)),
        (Period.MONTH, datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)),
        (Period.YEAR, datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)),
    ],
)
def test_quota_windows_are_those_of_the_calendar(period, start, end):
    assert window_of(period, to_us(BEGIN)) == (to_us(start), to_us(end))


@given(
    st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1)),  # noqa: DTZ001 - made aware below
    st.sampled_from(list(Period)[1:]),
)
def test_every_moment_lies_in_one_window(moment, period):
    now_us = to_us(moment.replace(tzinfo=UTC))
    start_us, end_us = window_of(period, now_us)
    assert start_us <= now_us < end_us
    assert window_of(period, end_us)[0] == end_us
    assert window_of(period, start_us) == (start_us, end_us)


def test_a_use_is_at_least_one_call_and_draws_only_what_it_takes():
    quotas = [Quota(Unit.CALLS, Period.DAY, "p", 5), Quota(Unit.TOKENS, Period.AGREEMENT, "p", 5)]
    draws = draws_of(quotas, checked_units(Units()), to_us(BEGIN))
    assert [(draw.unit, draw.amount) for draw in draws] == [(Unit.CALLS, 1)]
    with pytest.raises(PlatformError):
        checked_units(Units(calls=1, tokens=-1))


def test_what_was_drawn_in_two_periods_is_used_once():
    draw = Draw(Unit.TOKENS, Period.HOUR, "p", 1, 5)
    later = Draw(Unit.TOKENS, Period.HOUR, "p", 2, 4)
    assert merged_draws([draw, later, draw]) == (Draw(Unit.TOKENS, Period.HOUR, "p", 1, 10), later)
    for tokens, used in ((0, [0, 0]), (4, [4, 0]), (7, [5, 2]), (9, [5, 4]), (12, [5, 4])):
        assert [each.amount for each in used_of([later, draw], Units(tokens=tokens))] == used


def test_prices():
    euro = Price("EUR", 100)
    per_use = PricePlan(PlanKind.PER_USE, euro, cap=Price("EUR", 250))
    due = [amount_due(per_use, used=used, start_us=0, until_us=0).micros for used in (0, 1, 2, 3)]
    assert due == [0, 100, 200, 250]
    start_us = to_us(BEGIN)
    monthly = PricePlan(PlanKind.PER_PERIOD, euro, period=Period.MONTH)
    # From 31 January: the second month begins on 1 March at the latest, as February has no 31st.
    for days, begun in ((0, 1), (28, 1), (29, 2), (58, 2), (59, 3)):
        until_us = to_us(BEGIN + timedelta(days=days))
        assert periods_begun(Period.MONTH, start_us, until_us) == begun
        assert amount_due(monthly, used=0, start_us=start_us, until_us=until_us).micros == 100 * begun
    assert periods_begun(Period.DAY, start_us, start_us + 86_400_000_000) == 2
    assert periods_begun(Period.HOUR, start_us, start_us) == 1
    assert periods_begun(Period.YEAR, start_us, to_us(BEGIN + timedelta(days=366))) == 2
    assert amount_due(PricePlan(), used=9, start_us=0, until_us=0) == Price()
    for wrong in (
        PricePlan(PlanKind.PER_USE, Price("euro", 1)),
        PricePlan(PlanKind.PER_USE, Price("EUR", -1)),
        PricePlan(PlanKind.PER_USE, euro, cap=Price("USD", 1)),
        PricePlan(PlanKind.TRIAL),
    ):
        with pytest.raises(PlatformError):
            check_plan(wrong, "price")


def test_an_agreement_ends_with_its_last_permission_or_its_trial():
    short = Constraints(window=Window(duration=timedelta(days=1)))
    long = Constraints(window=Window(end=BEGIN + timedelta(days=5)))
    two = Terms({(Action.READ, Form.PLAINTEXT): short, (Action.EMBED, Form.PLAINTEXT): long})
    endless = Terms({(Action.READ, Form.PLAINTEXT): short, (Action.EMBED, Form.PLAINTEXT): Constraints()})
    trial = PricePlan(PlanKind.TRIAL, duration_s=3600)
    assert end_of(two, PricePlan(), BEGIN) == BEGIN + timedelta(days=5)
    assert end_of(endless, PricePlan(), BEGIN) is None
    assert end_of(endless, trial, BEGIN) == BEGIN + timedelta(hours=1)
    assert end_of(Terms({}), PricePlan(), BEGIN) is None


def test_audiences():
    named = audience(Scope.ORGANISATIONS, ("orgs/b", "orgs/b"), "audience")
    assert named == Audience(Scope.ORGANISATIONS, ("b",))
    assert (named.includes("b", "a"), named.includes("c", "a"), named.includes("a", "a")) == (True, False, True)
    assert named.rows("a") == ("a", "b")
    assert Audience(Scope.PUBLIC).rows("a") == ("*",)
    for scope, names in ((Scope.ORGANISATIONS, ()), (Scope.PUBLIC, ("orgs/b",)), (Scope.ORGANISATIONS, ("b",))):
        with pytest.raises(PlatformError):
            audience(scope, names, "audience")


@given(st.integers(0, 2**52))
def test_times_survive_the_table(microseconds):
    assert to_us(from_us(microseconds)) == microseconds
