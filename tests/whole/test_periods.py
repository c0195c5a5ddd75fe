"""Days, weeks, months, quarters and years of the calendar in Shanghai, also where years end."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import Invalid
from core.periods import KINDS, period_of, read_period

NOW = datetime(2026, 2, 10, 2, 0, tzinfo=UTC)
DAYS = st.dates(date(2000, 1, 10), date(2099, 12, 20))


@pytest.mark.parametrize(
    ("kind", "text", "first", "last", "name"),
    [
        ("day", "2026-12-31", "2026-12-31", "2026-12-31", "2026-12-31"),
        ("week", "2027-01-01", "2026-12-28", "2027-01-03", "2026-W53"),
        ("week", "2026-W53", "2026-12-28", "2027-01-03", "2026-W53"),
        ("week", "2025-12-29", "2025-12-29", "2026-01-04", "2026-W01"),
        ("month", "2026-12", "2026-12-01", "2026-12-31", "2026-12"),
        ("month", "2028-02-10", "2028-02-01", "2028-02-29", "2028-02"),
        ("quarter", "2026-Q4", "2026-10-01", "2026-12-31", "2026-Q4"),
        ("quarter", "2026-11-30", "2026-10-01", "2026-12-31", "2026-Q4"),
        ("half_year", "2026-H2", "2026-07-01", "2026-12-31", "2026-H2"),
        ("half_year", "2026-06-30", "2026-01-01", "2026-06-30", "2026-H1"),
        ("quarter", "2026-H2", "2026-07-01", "2026-09-30", "2026-Q3"),
        ("year", "2026", "2026-01-01", "2026-12-31", "2026"),
        ("year", "2026-W01", "2026-01-01", "2026-12-31", "2026"),
    ],
)
def test_a_period_is_named_and_bounded(kind: str, text: str, first: str, last: str, name: str) -> None:
    period = read_period(kind, text, NOW)
    assert (period.first.isoformat(), period.last.isoformat(), period.name) == (first, last, name)


def test_without_a_word_the_running_month_is_meant() -> None:
    assert read_period(None, None, NOW).name == "2026-02"


def test_the_year_ends_at_midnight_in_shanghai() -> None:
    last_second = datetime(2026, 12, 31, 15, 59, 59, tzinfo=UTC)
    assert read_period("year", None, last_second).name == "2026"
    assert read_period("year", None, last_second + timedelta(seconds=1)).name == "2027"
    assert read_period("year", "2026", NOW).end_at == last_second + timedelta(seconds=1)


@pytest.mark.parametrize(
    "text", ["2026-13", "2026-W54", "2026-Q5", "2026-H3", "2026-02-30", "26", "1999", "2100", "٢٠٢٦"]
)
def test_what_names_no_period_is_refused(text: str) -> None:
    with pytest.raises(Invalid) as refused:
        read_period("month", text, NOW)
    assert refused.value.errors[0].pointer == "/from"


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(Invalid) as refused:
        read_period("decade", None, NOW)
    assert refused.value.errors[0].pointer == "/period"


@given(DAYS, st.sampled_from(sorted(KINDS)))
@settings(max_examples=100)
def test_every_day_lies_in_one_period_which_its_parts_fill(day: date, kind: str) -> None:
    period = period_of(kind, day)
    assert period.first <= day <= period.last
    assert period.next.previous == period.previous.next == period
    assert period.previous.end == period.first
    parts = period.parts()
    assert (parts[0].first, parts[-1].end) == (period.first, period.end)
    assert all(one.end == other.first for one, other in pairwise(parts))


@given(DAYS, st.sampled_from(sorted(KINDS)))
@settings(max_examples=100)
def test_a_period_is_found_again_by_its_name(day: date, kind: str) -> None:
    period = period_of(kind, day)
    assert read_period(kind, period.name, NOW) == period


@pytest.mark.parametrize(
    ("kind", "text", "before"),
    [
        ("day", "2028-02-29", "2027-02-28"),
        ("week", "2026-W53", "2025-W52"),
        ("week", "2027-W01", "2026-W01"),
        ("month", "2026-02", "2025-02"),
        ("half_year", "2026-H1", "2025-H1"),
        ("year", "2026", "2025"),
    ],
)
def test_a_period_is_compared_with_the_same_one_of_the_year_before(kind: str, text: str, before: str) -> None:
    assert read_period(kind, text, NOW).year_before.name == before
