"""The calendar: published years, the library beside them, years that nobody has published, working hours."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import chinese_calendar
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import ConfigError
from core.times import SHANGHAI
from rules.rulebook import SHIPPED
from rules.workdays import DAY, Calendar, Hours, load_calendar
from tests.rules.books import calendar

PUBLISHED = [date(2024, 1, 1) + n * DAY for n in range(366 + 365 + 365)]
days = st.dates(date(2005, 1, 1), date(2090, 12, 31))
instants = st.datetimes(datetime(2023, 1, 1), datetime(2028, 12, 31)).map(  # noqa: DTZ001 - hypothesis wants naive bounds
    lambda t: t.replace(tzinfo=SHANGHAI)
)
lengths = st.timedeltas(timedelta(0), timedelta(hours=60))


def test_the_files_of_three_years_agree_with_the_library_on_every_day() -> None:
    from_files = calendar()
    assert set(from_files.published) == {2024, 2025, 2026}
    wrong = [day for day in PUBLISHED if from_files.is_workday(day) != chinese_calendar.is_workday(day)]
    assert wrong == []


def test_the_library_stands_in_for_years_without_a_file() -> None:
    bare = Calendar({})
    assert not bare.is_workday(date(2026, 2, 16))
    assert bare.is_workday(date(2026, 2, 14))
    assert not bare.is_provisional(date(2010, 6, 1))


def test_a_file_outweighs_the_library() -> None:
    published = dict(calendar().published)
    labour_day = published[2026].holidays[3]
    assert labour_day.name.zh == "劳动节"
    shortened = type(labour_day)(labour_day.name, labour_day.off[:1], ())
    year = type(published[2026])(2026, "更正通知", (shortened,))
    changed = Calendar({**published, 2026: year})
    assert changed.is_workday(date(2026, 5, 4))
    assert not changed.is_workday(date(2026, 5, 9))
    assert changed.is_workday(date(2026, 2, 16))


def test_no_holiday_is_invented_for_a_year_that_nobody_has_published() -> None:
    assert calendar().is_workday(date(2031, 10, 1))
    assert not calendar().is_workday(date(2031, 10, 4))
    assert calendar().is_provisional(date(2031, 10, 1))
    assert not calendar().is_provisional(date(2026, 12, 31))


def test_the_published_years_have_as_many_working_days_as_announced() -> None:
    counts = {
        y: calendar().workdays_between(date(y - 1, 12, 31), date(y, 12, 31)) for y in (2024, 2025, 2026)
    }
    assert counts == {2024: 251, 2025: 248, 2026: 248}


def test_counting_beyond_the_calendar_is_an_overflow() -> None:
    with pytest.raises(OverflowError):
        calendar().add_workdays(date(2100, 12, 1), 40)


@settings(max_examples=60)
@given(days, st.integers(1, 60))
def test_adding_working_days_is_the_same_as_walking_day_by_day(start: date, n: int) -> None:
    day, left = start, n
    while left:
        day += DAY
        left -= calendar().is_workday(day)
    assert calendar().add_workdays(start, n) == day
    assert calendar().workdays_between(start, day) == n


@settings(max_examples=60)
@given(days, st.integers(1, 60))
def test_subtracting_working_days_is_the_same_as_walking_back(start: date, n: int) -> None:
    day, left = start, n
    while left:
        day -= DAY
        left -= calendar().is_workday(day)
    assert calendar().add_workdays(start, -n) == day


def worked(start: datetime, end: datetime) -> timedelta:
    """Return the working time between two instants, counted day by day."""
    total, day = timedelta(0), start.date()
    while day <= end.date():
        if calendar().is_workday(day):
            opens = datetime.combine(day, time(9), SHANGHAI)
            closes = datetime.combine(day, time(17), SHANGHAI)
            total += max(timedelta(0), min(end, closes) - max(start, opens))
        day += DAY
    return total


@settings(max_examples=60)
@given(instants, lengths)
def test_working_time_added_is_working_time_passed(start: datetime, length: timedelta) -> None:
    end = calendar().add_working_time(start, length)
    assert worked(start, end) == length
    assert calendar().is_workday(end.date())
    assert time(9) <= end.time() <= time(17)


@settings(max_examples=60)
@given(instants, lengths)
def test_working_time_subtracted_is_working_time_passed(end: datetime, length: timedelta) -> None:
    assert worked(calendar().subtract_working_time(end, length), end) == length


def test_working_time_does_not_depend_on_the_offset_that_an_instant_is_written_in() -> None:
    start = datetime(2026, 2, 13, 16, 40, tzinfo=SHANGHAI)
    hour = timedelta(hours=1)
    assert calendar().add_working_time(start.astimezone(UTC), hour) == calendar().add_working_time(
        start, hour
    )


def test_office_hours_are_a_setting() -> None:
    late = load_calendar(SHIPPED / "calendars", Hours(time(8, 30), time(18)))
    start = datetime(2026, 2, 13, 17, 30, tzinfo=SHANGHAI)
    assert late.add_working_time(start, timedelta(hours=1)) == datetime(2026, 2, 14, 9, 0, tzinfo=SHANGHAI)


GOOD = "year: 2027\nsource: 通知\nissued: 2026-11-01\nholidays:\n"
ONE = "  - {name: {zh: 元旦, en: New Year}, off: [2027-01-01, 2027-01-03]}\n"


@pytest.mark.parametrize(
    ("text", "pointer"),
    [
        (GOOD + ONE.replace("2027-01-03", "2026-12-30"), "/holidays/0/off"),
        (GOOD + ONE.replace("2027-01-03", "2028-01-01"), "/holidays/0"),
        (GOOD + ONE.replace("}\n", ", work: [2027-01-06]}\n"), "/holidays/0/work"),
        (GOOD + ONE + ONE, "/holidays"),
        (GOOD + ONE.replace("01-01, 2027-01-03", "10-01, 2027-10-03") + ONE, "/holidays"),
        (GOOD + ONE.replace("2027-01-03", "2027-13-03"), "/holidays/0/off/1"),
        (GOOD.replace("year: 2027", "year: 2028") + ONE.replace("2027", "2028"), "/year"),
        (GOOD.replace("source: 通知\n", "") + ONE, "/source"),
        (GOOD + ONE + "extra: 1\n", "/extra"),
    ],
)
def test_a_wrong_calendar_file_is_refused_with_its_name_and_place(
    tmp_path: Path, text: str, pointer: str
) -> None:
    (tmp_path / "2027.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_calendar(tmp_path)
    assert pointer in [f.pointer for f in caught.value.findings]
    assert all(f.file.endswith("2027.yaml") and f.message.zh and f.message.en for f in caught.value.findings)


def test_a_new_year_takes_effect_with_its_file(tmp_path: Path) -> None:
    (tmp_path / "2027.yaml").write_text(GOOD + ONE, encoding="utf-8")
    loaded = load_calendar(tmp_path)
    assert not loaded.is_workday(date(2027, 1, 1))
    assert not loaded.is_provisional(date(2027, 1, 1))
