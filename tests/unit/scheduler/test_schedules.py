"""When schedules fall due, in pure code."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memporium_platform.errors import PlatformError
from memporium_services.scheduler.domain.cron import next_time, parse_cron
from memporium_services.scheduler.domain.schedules import Trigger, check_trigger

NOW = datetime(2024, 5, 15, 10, 30, tzinfo=UTC)  # a Wednesday


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("* * * * *", "2024-05-15T10:31"),
        ("*/20 * * * *", "2024-05-15T10:40"),
        ("0 3 * * *", "2024-05-16T03:00"),
        ("30 10 * * *", "2024-05-16T10:30"),
        ("15,45 9-11 * * *", "2024-05-15T10:45"),
        ("0 0 1 * *", "2024-06-01T00:00"),
        ("0 8 * * 1", "2024-05-20T08:00"),
        ("0 8 * * 7", "2024-05-19T08:00"),
        ("0 8 20 * 5", "2024-05-17T08:00"),  # either of the two days suffices
        ("0 0 29 2 *", "2028-02-29T00:00"),
        ("0 12 * 12 0-2", "2024-12-01T12:00"),
    ],
)
def test_the_next_time(expression, expected):
    found = next_time(parse_cron(expression), NOW, UTC)
    assert found is not None
    assert found.strftime("%Y-%m-%dT%H:%M") == expected


def test_a_clock_that_is_changed():
    oslo = ZoneInfo("Europe/Oslo")
    spring = datetime(2024, 3, 30, 12, tzinfo=UTC)
    # 02:30 does not exist on 31 March, when the clock goes from 2 to 3.
    assert next_time(parse_cron("30 2 * * *"), spring, oslo) == datetime(2024, 4, 1, 0, 30, tzinfo=UTC)
    autumn = datetime(2024, 10, 26, 12, tzinfo=UTC)
    first = next_time(parse_cron("30 2 * * *"), autumn, oslo)
    assert first == datetime(2024, 10, 27, 0, 30, tzinfo=UTC)
    assert next_time(parse_cron("30 2 * * *"), first, oslo) == datetime(2024, 10, 28, 1, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    "expression",
    ["", "* * * *", "60 * * * *", "* 24 * * *", "* * 0 * *", "a * * * *", "5-1 * * * *", "*/0 * * * *", "1- * * * *"],
)
def test_what_is_no_expression_is_refused(expression):
    with pytest.raises(PlatformError):
        parse_cron(expression)


@given(
    st.integers(0, 59),
    st.integers(0, 23),
    st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1)),  # noqa: DTZ001
)
def test_a_time_is_after_and_nothing_between_fits(minute, hour, moment):
    after = moment.replace(tzinfo=UTC)
    found = next_time(parse_cron(f"{minute} {hour} * * *"), after, UTC)
    assert timedelta(0) < found - after <= timedelta(days=1)
    assert (found.minute, found.hour) == (minute, hour)


def test_intervals_keep_their_beat_and_those_that_were_missed_are_one():
    made = NOW
    trigger = Trigger(every_s=60)
    assert trigger.next_after(made, since=made) == made + timedelta(seconds=60)
    late = made + timedelta(seconds=601)
    assert trigger.next_after(late, since=made) == made + timedelta(seconds=660)


@pytest.mark.parametrize(
    ("trigger", "field"),
    [
        (Trigger(every_s=5), "schedule.every"),
        (Trigger(cron="0 0 31 2 *"), "schedule.cron.expression"),
        (Trigger(cron="x"), "schedule.cron.expression"),
        (Trigger(cron="* * * * *", time_zone="Mars"), "schedule.cron.time_zone"),
        (Trigger(vault="orgs/acme/vaults/v"), "schedule.tags.tags"),
        (Trigger(vault="orgs/other/vaults/v", tags=("a",)), "schedule.tags.vault"),
    ],
)
def test_triggers_that_are_malformed_or_never_come_are_refused(trigger, field):
    with pytest.raises(PlatformError) as caught:
        check_trigger(trigger, "acme", NOW)
    assert caught.value.fields[0].field == field
