from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memporium_services.reader.domain.dates import render, resolve

# A Monday.
MOMENT = datetime(2023, 5, 8, 13, 56, tzinfo=UTC)

TABLE = [
    ("yesterday", "7 May 2023"),
    ("last night", "7 May 2023"),
    ("the day before yesterday", "6 May 2023"),
    ("today", "8 May 2023"),
    ("this morning", "8 May 2023"),
    ("tomorrow", "9 May 2023"),
    ("the day after tomorrow", "10 May 2023"),
    ("last Friday", "5 May 2023"),
    ("last Monday", "1 May 2023"),
    ("next Monday", "15 May 2023"),
    ("next Friday", "12 May 2023"),
    ("this Saturday", "13 May 2023"),
    ("last Tues", "2 May 2023"),
    ("Last Thurs.", "4 May 2023"),
    ("next Sat", "13 May 2023"),
    ("last week", "1 to 7 May 2023"),
    ("next week", "15 to 21 May 2023"),
    ("this weekend", "13 to 14 May 2023"),
    ("past weekend", "6 to 7 May 2023"),
    ("last month", "April 2023"),
    ("next month", "June 2023"),
    ("last year", "2022"),
    ("two weeks ago", "24 April 2023"),
    ("3 days ago", "5 May 2023"),
    ("a couple of days ago", "6 May 2023"),
    ("few days ago", "5 May 2023"),
    ("a few years ago", "2020"),
    ("two months ago", "March 2023"),
    ("in two weeks", "22 May 2023"),
    ("in 3 days", "11 May 2023"),
    ("ten days from now", "18 May 2023"),
    ("in May", "May 2023"),
    ("in December", "December 2022"),
    ("since October 2021", "October 2021"),
    ("last June", "June 2022"),
    ("last summer", "1 June 2022 to 31 August 2022"),
    ("on 3 July", "3 July 2023"),
    ("July 3rd, 2021", "3 July 2021"),
    ("the 4th of August", "4 August 2023"),
    ("2023-02-28", "28 February 2023"),
    ("in 2019", "2019"),
]


@pytest.mark.parametrize(("words", "meaning"), TABLE)
def test_words_for_times_mean_days(words, meaning):
    found = resolve(f"We did it {words}, I think.", MOMENT)
    assert [render(one) for one in found] == [meaning]


@pytest.mark.parametrize(
    "words",
    [
        "on Friday",
        "in March of progress 99999 days ago",
        "31 February 2023",
        "999 years ago",
        "2023-13-45",
        "room 2019",
    ],
)
def test_what_is_uncertain_or_impossible_means_nothing_wrong(words):
    assert all(1900 <= one.start.year <= 2200 for one in resolve(words, MOMENT))
    assert not any("99999" in one.words or "999 y" in one.words for one in resolve(words, MOMENT))


def test_the_sun_and_sitting_are_no_days():
    assert resolve("We saw the last sun of this sun-kissed day; next sat a man, next wed a pair.", MOMENT) == []


def test_the_longest_words_win():
    assert [one.words for one in resolve("the day before yesterday and last week", MOMENT)] == [
        "the day before yesterday",
        "last week",
    ]


def test_days_begin_at_midnight_of_the_moment_s_zone():
    zone = ZoneInfo("America/New_York")
    late = datetime(2023, 5, 9, 1, 0, tzinfo=UTC).astimezone(zone)
    (one,) = resolve("yesterday", late)
    assert (one.start.isoformat(), one.end.isoformat()) == ("2023-05-07T00:00:00-04:00", "2023-05-08T00:00:00-04:00")


@given(st.text(max_size=200), st.datetimes(min_value=datetime(1900, 1, 2), max_value=datetime(2199, 12, 31)))  # noqa: DTZ001 - made aware below
def test_any_text_at_any_time_resolves_without_error(text, naive):
    for one in resolve(f"{text} last year 500 years ago next december", naive.replace(tzinfo=UTC)):
        assert one.start < one.end
        assert render(one)
