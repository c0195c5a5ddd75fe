"""The small tables that some questions join the log with: grants in force, and working hours."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta

import pyarrow as pa

from audit.questions.grants import InForce
from core.periods import day_of
from core.times import SHANGHAI
from rules.workdays import Calendar

_INSTANT = pa.timestamp("us")
_GRANTS = pa.schema(
    [
        *((name, pa.string()) for name in ("grant", "consumer", "provider", "client", "dataset")),
        ("granted_at", _INSTANT),
        ("valid_until", _INSTANT),
    ]
)
_WORKTIME = pa.schema([("day", pa.date32()), ("opens", _INSTANT), ("closes", _INSTANT)])


def grants_table(grants: Sequence[InForce]) -> pa.Table:
    """Return the grants in force as a table; instants are UTC without a zone, as in the log's columns."""
    rows = [
        {
            **grant._asdict(),
            "granted_at": _bare(grant.granted_at),
            "valid_until": None if grant.valid_until is None else _bare(grant.valid_until),
        }
        for grant in grants
    ]
    return pa.Table.from_pylist(rows, schema=_GRANTS)


def worktime_table(calendar: Calendar, since: datetime, until: datetime) -> pa.Table:
    """Return the working hours of each working day from `since` to `until`, make-up weekends among them."""
    first, hours = day_of(since), calendar.hours
    days = (first + timedelta(days=n) for n in range((day_of(until) - first).days + 1))
    rows = [
        {"day": day, "opens": _at(day, hours.opens), "closes": _at(day, hours.closes)}
        for day in days
        if calendar.is_workday(day)
    ]
    return pa.Table.from_pylist(rows, schema=_WORKTIME)


def _at(day: date, clock: time) -> datetime:
    return _bare(datetime.combine(day, clock, SHANGHAI))


def _bare(instant: datetime) -> datetime:
    return instant.astimezone(UTC).replace(tzinfo=None)
