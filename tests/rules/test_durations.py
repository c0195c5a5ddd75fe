"""Lengths of time as the rulebooks write them."""

from __future__ import annotations

from datetime import date, datetime

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from core.times import SHANGHAI, local_iso, parse_instant
from rules.durations import Duration, add_months, after, before, is_provisional
from tests.rules.books import calendar

UNITS = ["wd", "wh", "wm", "h", "cd", "d", "mo", "y"]
instants = st.datetimes(datetime(2010, 1, 1), datetime(2050, 12, 31)).map(  # noqa: DTZ001 - hypothesis wants naive bounds
    lambda t: t.replace(tzinfo=SHANGHAI)
)


@given(st.integers(1, 9999), st.sampled_from(UNITS))
def test_a_duration_is_written_as_it_is_read(amount: int, unit: str) -> None:
    assert str(Duration.parse(f"{amount}{unit}")) == f"{amount}{unit}"


@pytest.mark.parametrize(
    "text", ["", "wd", "0wd", "-1wd", "1.5h", "10 wd", "10WD", "10days", "12345d", "十天", "1wd "]
)
def test_anything_else_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError):
        Duration.parse(text)


@pytest.mark.parametrize(
    ("start", "length", "end"),
    [
        ("2026-01-31T10:00", "1mo", "2026-02-28T23:59:59+08:00"),
        ("2024-02-29T10:00", "3y", "2027-02-28T23:59:59+08:00"),
        ("2026-11-15T10:00", "3mo", "2027-02-15T23:59:59+08:00"),
        ("2026-10-01T10:00", "1d", "2026-10-02T23:59:59+08:00"),  # a holiday; a term is not moved
        ("2026-10-01T10:00", "1cd", "2026-10-08T23:59:59+08:00"),
        ("2026-10-01T10:00", "same_day", "2026-10-01T23:59:59+08:00"),
        ("2026-10-01T17:30:00Z", "same_day", "2026-10-02T23:59:59+08:00"),  # already tomorrow in Shanghai
        ("2026-02-16T22:10:30", "3h", "2026-02-17T01:10:30+08:00"),
    ],
)
def test_where_a_limit_ends(start: str, length: str, end: str) -> None:
    found = after(parse_instant(start), Duration.parse(length), calendar())
    assert found is not None
    assert local_iso(found) == end


def test_at_once_never_ends_anywhere() -> None:
    now = datetime(2026, 2, 10, 10, tzinfo=SHANGHAI)
    assert after(now, Duration.parse("immediate"), calendar()) is None
    assert before(now, Duration.parse("immediate"), calendar()) is None


@settings(max_examples=80)
@given(instants, st.integers(1, 200), st.sampled_from(UNITS))
def test_a_limit_ends_after_it_starts_and_a_longer_one_no_earlier(start: datetime, n: int, unit: str) -> None:
    assume(unit != "y" or n < 40)
    end, later = (after(start, Duration(amount, unit), calendar()) for amount in (n, n + 1))
    assert end is not None
    assert later is not None
    assert start < end <= later


@settings(max_examples=80)
@given(instants, st.integers(1, 200), st.sampled_from(UNITS))
def test_a_notice_lies_before_what_it_announces(end: datetime, n: int, unit: str) -> None:
    assume(unit != "y" or n < 9)
    notice = before(end, Duration(n, unit), calendar())
    assert notice is not None
    assert notice < end


@settings(max_examples=80)
@given(instants, st.integers(1, 40))
def test_full_working_days_lie_between_a_notice_and_what_it_announces(end: datetime, n: int) -> None:
    notice = before(end, Duration(n, "wd"), calendar())
    assert notice is not None
    last_of_them = calendar().add_workdays(notice.date(), n)
    assert last_of_them < end.date()
    assert calendar().add_workdays(notice.date(), n + 1) >= end.date()


@given(st.dates(date(1990, 1, 1), date(2090, 1, 1)), st.integers(-400, 400))
def test_months_keep_the_day_or_take_the_last(day: date, n: int) -> None:
    moved = add_months(day, n)
    assert (moved.year * 12 + moved.month) - (day.year * 12 + day.month) == n
    assert moved.day == day.day or (moved.day < day.day and add_months(moved, 1).day >= moved.day)


@pytest.mark.parametrize(
    ("length", "provisional"),
    [("10wd", True), ("10cd", True), ("5wh", False), ("40d", False), ("1mo", False)],
)
def test_only_what_is_counted_on_the_calendar_is_provisional(length: str, provisional: bool) -> None:
    start = datetime(2026, 12, 28, 10, tzinfo=SHANGHAI)
    duration = Duration.parse(length)
    assert is_provisional(start, after(start, duration, calendar()), duration, calendar()) is provisional
