"""Working days and working hours, counted on the calendars that the State Council publishes year by year.

Three sources, in this order: the files under ``rulebooks/calendars`` (one a year, as published), the
`chinese_calendar` library, and for years that nobody has published Monday to Friday, marked provisional: no
holiday is ever invented. All days and hours are those of Asia/Shanghai (UTC+8).
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import chinese_calendar.constants

from core.errors import ConfigError, Finding
from core.settings import read_yaml
from core.text import Text, text_of
from core.times import SHANGHAI
from schemas import errors as schema_errors

FIRST_YEAR, LAST_YEAR = 2000, 2100
"""The years that working days can be counted in."""
LAST_SECOND = time(23, 59, 59)
SATURDAY = 5
DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Hours:
    """The working hours of a working day, without a lunch break (convention K4)."""

    opens: time = time(9)
    closes: time = time(17)


@dataclass(frozen=True, slots=True)
class Holiday:
    """One holiday of a published year: the days off, and the weekend days worked in exchange."""

    name: Text
    off: tuple[date, ...]
    work: tuple[date, ...]


@dataclass(frozen=True, slots=True)
class PublishedYear:
    """A year as the State Council's notice arranges it."""

    year: int
    source: str
    """Title and number of the notice."""
    holidays: tuple[Holiday, ...]


class Calendar:
    """Which days are worked, when a day ends, and how to count along; immutable."""

    def __init__(
        self,
        years: Mapping[int, PublishedYear],
        hours: Hours = Hours(),
        day_end: str = "24:00",
    ) -> None:
        """`day_end` is ``24:00`` or ``business_close``: how a limit's last day ends (Civil Code art. 203)."""
        self.published = dict(years)
        self.hours = hours
        self.end_of_day = hours.closes if day_end == "business_close" else LAST_SECOND
        off, work = _exceptions(years)
        self._known = frozenset(years) | frozenset(d.year for d in chinese_calendar.constants.holidays)
        self._days = tuple(d for d in _span() if _is_worked(d, off, work))
        self._set = frozenset(self._days)

    def is_workday(self, day: date) -> bool:
        """Tell whether `day` is worked: Monday to Friday less holidays, plus make-up weekend days."""
        return day.toordinal() in self._set

    def is_provisional(self, day: date) -> bool:
        """Tell whether nobody that we know of has published the year of `day` yet."""
        return day.year not in self._known

    def is_provisional_between(self, one: datetime, other: datetime) -> bool:
        """Tell whether counting from one instant to the other touches a year that is not published."""
        years = sorted((_local(one).year, _local(other).year))
        return any(year not in self._known for year in range(years[0], years[1] + 1))

    def add_workdays(self, day: date, n: int) -> date:
        """Return the `n`-th working day after `day`, before it when `n` is negative; `day` does not count.

        Raises OverflowError outside FIRST_YEAR to LAST_YEAR.
        """
        if n == 0:
            return day
        at = (
            bisect_right(self._days, day.toordinal()) + n - 1
            if n > 0
            else bisect_left(self._days, day.toordinal()) + n
        )
        if not 0 <= at < len(self._days):
            raise OverflowError(f"no calendar {n} working days from {day}")
        return date.fromordinal(self._days[at])

    def workdays_between(self, first: date, last: date) -> int:
        """Count the working days after `first` up to and including `last`."""
        return bisect_right(self._days, last.toordinal()) - bisect_right(self._days, first.toordinal())

    def end_of(self, day: date) -> datetime:
        """Return the last instant of `day` for a limit that ends on it."""
        return datetime.combine(day, self.end_of_day, SHANGHAI)

    def rolled(self, day: date) -> date:
        """Return `day`, or the next working day when it is none (Civil Code art. 203)."""
        return day if self.is_workday(day) else self.add_workdays(day, 1)

    def add_working_time(self, start: datetime, length: timedelta) -> datetime:
        """Return the instant at which `length` of working hours has passed since `start` (K4)."""
        now, left = self._into_hours(_local(start)), length
        while (room := datetime.combine(now.date(), self.hours.closes, SHANGHAI) - now) < left:
            left -= room
            now = datetime.combine(self.add_workdays(now.date(), 1), self.hours.opens, SHANGHAI)
        return now + left

    def subtract_working_time(self, end: datetime, length: timedelta) -> datetime:
        """Return the instant from which `length` of working hours passes until `end` (K9)."""
        now, left = self._back_into_hours(_local(end)), length
        while (room := now - datetime.combine(now.date(), self.hours.opens, SHANGHAI)) < left:
            left -= room
            now = datetime.combine(self.add_workdays(now.date(), -1), self.hours.closes, SHANGHAI)
        return now - left

    def _into_hours(self, instant: datetime) -> datetime:
        day = instant.date()
        if not self.is_workday(day) or instant.time() >= self.hours.closes:
            return datetime.combine(self.add_workdays(day, 1), self.hours.opens, SHANGHAI)
        return max(instant, datetime.combine(day, self.hours.opens, SHANGHAI))

    def _back_into_hours(self, instant: datetime) -> datetime:
        day = instant.date()
        if not self.is_workday(day) or instant.time() <= self.hours.opens:
            return datetime.combine(self.add_workdays(day, -1), self.hours.closes, SHANGHAI)
        return min(instant, datetime.combine(day, self.hours.closes, SHANGHAI))


def load_calendar(folder: Path, hours: Hours = Hours(), day_end: str = "24:00") -> Calendar:
    """Read every ``*.yaml`` of `folder` as a published year. Raises ConfigError with every fault found."""
    files = [(path, hashlib.sha256(path.read_bytes()).hexdigest()) for path in sorted(folder.glob("*.yaml"))]
    return _calendar_of(tuple(files), hours, day_end)


@lru_cache(maxsize=16)
def _calendar_of(files: tuple[tuple[Path, str], ...], hours: Hours, day_end: str) -> Calendar:
    """Read the files once for their content (digest): a calendar lays out every day of its centuries."""
    findings: list[Finding] = []
    years: dict[int, PublishedYear] = {}
    for path, _ in files:
        year = _read_year(path, findings)
        if year is not None:
            years[year.year] = year
    if findings:
        raise ConfigError(findings)
    return Calendar(years, hours, day_end)


def _read_year(path: Path, findings: list[Finding]) -> PublishedYear | None:
    try:
        document = read_yaml(path)
    except ConfigError as wrong:
        findings += wrong.findings
        return None
    faults = [Finding(str(path), e.pointer, e.message) for e in schema_errors("rulebook/calendar", document)]
    if not faults:
        year = _year_of(document)
        faults = [Finding(str(path), pointer, Text(zh, en)) for pointer, zh, en in _wrong_days(path, year)]
    findings += faults
    return None if faults else year


def _year_of(document: Mapping[str, Any]) -> PublishedYear:
    holidays = tuple(
        Holiday(
            text_of(entry["name"]),
            tuple(_days(date.fromisoformat(entry["off"][0]), date.fromisoformat(entry["off"][1]))),
            tuple(date.fromisoformat(d) for d in entry.get("work", ())),
        )
        for entry in document["holidays"]
    )
    return PublishedYear(document["year"], document["source"], holidays)


def _wrong_days(path: Path, year: PublishedYear) -> Iterator[tuple[str, str, str]]:
    """Say what no schema can: days of another year, ranges out of order, make-up days that are no weekend."""
    if path.stem != str(year.year):
        yield "/year", f"文件名与年份 {year.year} 不符", f"the file is not named after the year {year.year}"
    for i, holiday in enumerate(year.holidays):
        at = f"/holidays/{i}"
        if not holiday.off:
            yield f"{at}/off", "放假的起止日期颠倒", "the first day off is after the last"
        if any(d.year != year.year for d in (*holiday.off, *holiday.work)):
            yield at, f"有不属于 {year.year} 年的日期", f"has a day outside {year.year}"
        if any(d.weekday() < SATURDAY for d in holiday.work):
            yield f"{at}/work", "调休上班日应为周六或周日", "a make-up day must be a Saturday or a Sunday"
    off = [d for holiday in year.holidays for d in holiday.off]
    work = [d for holiday in year.holidays for d in holiday.work]
    if len({*off, *work}) < len(off) + len(work):
        yield "/holidays", "同一天出现两次", "a day is given twice"
    if any(later < earlier for earlier, later in pairwise(off)):
        yield "/holidays", "节假日没有按时间排列", "the holidays are not in the order of the year"


def _exceptions(years: Mapping[int, PublishedYear]) -> tuple[set[int], set[int]]:
    """Return the ordinals of the days off and of the make-up days; a file outweighs the library."""
    library = chinese_calendar.constants
    off = {d.toordinal() for d in library.holidays if d.year not in years}
    work = {d.toordinal() for d in library.workdays if d.year not in years}
    for year in years.values():
        off.update(d.toordinal() for holiday in year.holidays for d in holiday.off)
        work.update(d.toordinal() for holiday in year.holidays for d in holiday.work)
    return off, work


def _is_worked(ordinal: int, off: set[int], work: set[int]) -> bool:
    weekday = (ordinal - 1) % 7  # ordinal 1 was a Monday
    return ordinal in work or (weekday < SATURDAY and ordinal not in off)


def _span() -> range:
    return range(date(FIRST_YEAR, 1, 1).toordinal(), date(LAST_YEAR, 12, 31).toordinal() + 1)


def _days(first: date, last: date) -> Iterable[date]:
    return (first + n * DAY for n in range((last - first).days + 1))


def _local(instant: datetime) -> datetime:
    return instant.astimezone(SHANGHAI)
