"""The periods of statistics and reports: from days to years, of the calendar in Shanghai."""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import takewhile

from core.errors import invalid
from core.text import Text
from core.times import SHANGHAI

KINDS = {
    "day": Text("日", "day"),
    "week": Text("周", "week"),
    "month": Text("月", "month"),
    "quarter": Text("季度", "quarter"),
    "half_year": Text("半年", "half-year"),
    "year": Text("年", "year"),
}
_PARTS = {"week": "day", "month": "day", "quarter": "month", "half_year": "month", "year": "month"}
"""What a period is divided into, in charts and sums."""
FIRST_YEAR, LAST_YEAR = 2000, 2099
_SPELLED = re.compile(r"(\d{4})(?:-(?:Q([1-4])|H([12])|W(\d\d)|(\d\d)(?:-(\d\d))?))?", re.ASCII)
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Period:
    """One period, from its `first` day up to, not including, the day `end`."""

    kind: str
    first: date
    end: date

    @property
    def start_at(self) -> datetime:
        """The instant at which it begins."""
        return midnight(self.first)

    @property
    def end_at(self) -> datetime:
        """The first instant that no longer belongs to it."""
        return midnight(self.end)

    @property
    def last(self) -> date:
        """Its last day."""
        return self.end - _DAY

    @property
    def name(self) -> str:
        """How it is spelled: 2026-02-10, 2026-W07 (ISO 8601), 2026-02, 2026-Q1, 2026-H1 or 2026."""
        week = self.first.isocalendar()
        return {
            "day": self.first.isoformat(),
            "week": f"{week.year}-W{week.week:02d}",
            "month": f"{self.first:%Y-%m}",
            "quarter": f"{self.first.year}-Q{_quarter(self.first)}",
            "half_year": f"{self.first.year}-H{_half(self.first)}",
            "year": f"{self.first.year}",
        }[self.kind]

    @property
    def title(self) -> Text:
        """How it is called."""
        first, week = self.first, self.first.isocalendar()
        return {
            "day": Text(f"{first.year}年{first.month}月{first.day}日", f"{first.day} {first:%B %Y}"),
            "week": Text(f"{week.year}年第{week.week}周", f"week {week.week} of {week.year}"),
            "month": Text(f"{first.year}年{first.month}月", f"{first:%B %Y}"),
            "quarter": Text(
                f"{first.year}年第{'一二三四'[_quarter(first) - 1]}季度",
                f"quarter {_quarter(first)} of {first.year}",
            ),
            "half_year": Text(
                f"{first.year}年{'上下'[_half(first) - 1]}半年",
                f"{('first', 'second')[_half(first) - 1]} half of {first.year}",
            ),
            "year": Text(f"{first.year}年", f"{first.year}"),
        }[self.kind]

    @property
    def next(self) -> Period:
        """The period after it."""
        return period_of(self.kind, self.end)

    @property
    def previous(self) -> Period:
        """The period before it."""
        return period_of(self.kind, self.first - _DAY)

    @property
    def year_before(self) -> Period:
        """The same period of the year before; for week 53 the last week of that year."""
        if self.kind != "week":
            last = monthrange(self.first.year - 1, self.first.month)[1]
            return period_of(
                self.kind, self.first.replace(year=self.first.year - 1, day=min(self.first.day, last))
            )
        year, week, _ = self.first.isocalendar()
        weeks = date(year - 1, 12, 28).isocalendar().week
        return period_of("week", date.fromisocalendar(year - 1, min(week, weeks), 1))

    def parts(self) -> tuple[Period, ...]:
        """Return the days of a week or month, the months of anything longer, a day itself."""
        if self.kind == "day":
            return (self,)
        return tuple(takewhile(lambda p: p.first < self.end, _from(period_of(_PARTS[self.kind], self.first))))


def midnight(day: date) -> datetime:
    """Return the instant at which a day begins in Shanghai."""
    return datetime(day.year, day.month, day.day, tzinfo=SHANGHAI)


def day_of(instant: datetime) -> date:
    """Return the day in Shanghai on which an instant falls."""
    return instant.astimezone(SHANGHAI).date()


def period_of(kind: str, day: date) -> Period:
    """Return the period of a kind that `day` lies in."""
    if kind == "day":
        return Period(kind, day, day + _DAY)
    if kind == "week":
        monday = day - timedelta(days=day.weekday())
        return Period(kind, monday, monday + timedelta(days=7))
    months = {"month": 1, "quarter": 3, "half_year": 6, "year": 12}[kind]
    at = (day.year * 12 + day.month - 1) // months * months
    return Period(kind, _month(at), _month(at + months))


def read_period(kind: str | None, text: str | None, now: datetime, pointer: str = "/from") -> Period:
    """Return the period that a query names; the running month where it names nothing.

    `text` is a day in it or how a period is spelled: 2026-02-10, 2026-W07, 2026-02, 2026-Q1, 2026-H1, 2026.
    Raises Invalid, at `pointer` where the text is wrong.
    """
    kind = kind or "month"
    if kind not in KINDS:
        known = "、".join(KINDS)
        raise invalid("/period", f"应为 {known} 之一", f"must be one of {', '.join(KINDS)}", code="enum")
    day = _read(text) if text else day_of(now)
    if day is None or not FIRST_YEAR <= day.year <= LAST_YEAR:
        raise invalid(
            pointer,
            "应写作 2026-02-10、2026-W07、2026-02、2026-Q1、2026-H1 或 2026",
            "must be spelled like 2026-02-10, 2026-W07, 2026-02, 2026-Q1, 2026-H1 or 2026",
            code="format",
        )
    return period_of(kind, day)


def _read(text: str) -> date | None:
    """Return the first day of what is spelled; of a week the Thursday, which lies in the week's year."""
    found = _SPELLED.fullmatch(text.strip())
    if found is None:
        return None
    year, quarter, half, week, month, day = (int(part) if part else None for part in found.groups())
    try:
        if week is not None:
            return date.fromisocalendar(year or 0, week, 4)
        first = month or (half * 6 - 5 if half else (quarter or 1) * 3 - 2)
        return date(year or 0, first, day or 1)
    except ValueError:
        return None


def _quarter(day: date) -> int:
    return (day.month + 2) // 3


def _half(day: date) -> int:
    return (day.month + 5) // 6


def _month(number: int) -> date:
    return date(number // 12, number % 12 + 1, 1)


def _from(period: Period) -> Iterator[Period]:
    while True:
        yield period
        period = period.next
