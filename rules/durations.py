"""How long a limit lasts, as the rulebooks write it, and the instant at which it ends.

10wd      working days: the day of the start is day 0, the limit ends with the last one (Civil Code 201, 203)
1wh 10wm  working hours and minutes, inside the office hours of working days
12h       hours by the wall clock, from the instant
5cd       calendar days; an end on a day off moves to the next working day (Civil Code 203)
365d      days that end where they end, as the term of a grant does
3mo 2y    months and years to the corresponding day, or the month's last (Civil Code 202)
same_day  until midnight of the same calendar day, on holidays too
immediate at once: no instant, so nothing falls due
"""

from __future__ import annotations

import calendar as months
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from core.times import SHANGHAI
from rules.workdays import DAY, LAST_SECOND, Calendar

FORM = re.compile(r"([1-9][0-9]{0,3})(wd|wh|wm|h|cd|d|mo|y)")
WORDS = ("same_day", "immediate")
MONTHS_OF_YEAR = 12


@dataclass(frozen=True, slots=True)
class Duration:
    """A length of time such as ten working days; `amount` is 0 for the two that are words."""

    amount: int
    unit: str

    @classmethod
    def parse(cls, text: str) -> Duration:
        """Read the form of the rulebooks. Raises ValueError."""
        if text in WORDS:
            return cls(0, text)
        match = FORM.fullmatch(text)
        if match is None:
            raise ValueError(f"not a duration: {text!r}")
        return cls(int(match[1]), match[2])

    def __str__(self) -> str:
        return f"{self.amount}{self.unit}" if self.amount else self.unit

    @property
    def needs_calendar(self) -> bool:
        """Whether the end depends on which days are worked."""
        return self.unit in ("wd", "wh", "wm", "cd")


def after(start: datetime, duration: Duration, calendar: Calendar) -> datetime | None:
    """Return the last instant of a limit that begins with `start`; None for ``immediate``.

    Raises OverflowError when the end lies beyond the calendar.
    """
    return _FORWARD[duration.unit](start.astimezone(SHANGHAI), duration.amount, calendar)


def before(end: datetime, duration: Duration, calendar: Calendar) -> datetime | None:
    """Return the last instant for what must be done `duration` before `end`.

    Working days must lie between in full: two of them before Friday 1 May leave until the end of Tuesday
    28 April. Calendar days are not moved off holidays: moving one would shorten the notice.
    """
    return _BACKWARD[duration.unit](end.astimezone(SHANGHAI), duration.amount, calendar)


def is_provisional(start: datetime, end: datetime | None, duration: Duration, calendar: Calendar) -> bool:
    """Tell whether the end may still move because a year that it was counted in is not published yet."""
    return end is not None and duration.needs_calendar and calendar.is_provisional_between(start, end)


def add_months(day: date, n: int) -> date:
    """Return the corresponding day `n` months on, or that month's last day where there is none."""
    year, month = divmod(day.year * MONTHS_OF_YEAR + day.month - 1 + n, MONTHS_OF_YEAR)
    return date(year, month + 1, min(day.day, months.monthrange(year, month + 1)[1]))


def _elapsed(start: datetime, hours: int) -> datetime:
    return (start.astimezone(UTC) + timedelta(hours=hours)).astimezone(SHANGHAI)


def _midnight(instant: datetime) -> datetime:
    return datetime.combine(instant.date(), LAST_SECOND, SHANGHAI)


Count = Callable[[datetime, int, Calendar], datetime | None]

_FORWARD: dict[str, Count] = {
    "wd": lambda t, n, c: c.end_of(c.add_workdays(t.date(), n)),
    "wh": lambda t, n, c: c.add_working_time(t, timedelta(hours=n)),
    "wm": lambda t, n, c: c.add_working_time(t, timedelta(minutes=n)),
    "h": lambda t, n, c: _elapsed(t, n),
    "cd": lambda t, n, c: c.end_of(c.rolled(t.date() + n * DAY)),
    "d": lambda t, n, c: c.end_of(t.date() + n * DAY),
    "mo": lambda t, n, c: c.end_of(add_months(t.date(), n)),
    "y": lambda t, n, c: c.end_of(add_months(t.date(), n * MONTHS_OF_YEAR)),
    "same_day": lambda t, n, c: _midnight(t),
    "immediate": lambda t, n, c: None,
}
_BACKWARD: dict[str, Count] = {
    "wd": lambda t, n, c: c.end_of(c.add_workdays(t.date(), -n) - DAY),
    "wh": lambda t, n, c: c.subtract_working_time(t, timedelta(hours=n)),
    "wm": lambda t, n, c: c.subtract_working_time(t, timedelta(minutes=n)),
    "h": lambda t, n, c: _elapsed(t, -n),
    "cd": lambda t, n, c: c.end_of(t.date() - n * DAY),
    "d": lambda t, n, c: c.end_of(t.date() - n * DAY),
    "mo": lambda t, n, c: c.end_of(add_months(t.date(), -n)),
    "y": lambda t, n, c: c.end_of(add_months(t.date(), -n * MONTHS_OF_YEAR)),
    "same_day": lambda t, n, c: _midnight(t),
    "immediate": lambda t, n, c: None,
}
