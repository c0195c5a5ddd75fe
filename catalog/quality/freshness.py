"""Whether data are as fresh as their update limit says. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from catalog.quality.conditions import is_date, is_datetime
from catalog.quality.model import Freshness
from core.text import Text
from rules.durations import Duration, after
from rules.workdays import Calendar

WITHIN = {
    "realtime": Duration(1, "d"),
    "daily": Duration(1, "d"),
    "weekly": Duration(7, "d"),
    "ten_days": Duration(10, "d"),
    "monthly": Duration(1, "mo"),
    "quarterly": Duration(3, "mo"),
    "half_yearly": Duration(6, "mo"),
    "yearly": Duration(1, "y"),
}
"""How old the newest data may be under each update limit, as we read it; `irregular` names no date."""


def freshness(
    limit: str | None, newest: datetime | None, now: datetime, calendar: Calendar
) -> Freshness | None:
    """Return how fresh data are whose newest instant is `newest`; None where the entry states no limit."""
    if limit is None:
        return None
    within = WITHIN.get(limit)
    due = after(newest, within, calendar) if newest is not None and within is not None else None
    return Freshness(limit, newest, due, due is not None and due < now)


def words(fresh: Freshness) -> Text | None:
    """Return until when the data were in time."""
    if fresh.due is None:
        return None
    day = fresh.due.date().isoformat()
    return Text(f"应在 {day} 前更新", f"due by {day}")


def instant_sql(attribute: Mapping[str, str], value: str) -> str:
    """Return a value as a TIMESTAMP in UTC; a day begins at midnight, no offset means Shanghai."""
    if attribute["type"] == "date":
        return f"CASE WHEN {is_date(value)} THEN {_local(value, '1:10')} - INTERVAL 8 HOUR END"
    offset = f"regexp_extract({value}, '([+-])([0-9]{{2}}):?([0-9]{{2}})?$', ['sign', 'hours', 'minutes'])"
    shift = (
        f"CASE WHEN ends_with({value}, 'Z') THEN INTERVAL 0 MINUTE "
        f"WHEN NOT regexp_matches({value}[17:], '[+-]') THEN INTERVAL 8 HOUR "
        f"ELSE to_minutes((CASE WHEN {offset}.sign = '-' THEN -1 ELSE 1 END * ({offset}.hours::INTEGER * 60 "
        f"+ coalesce(try_cast({offset}.minutes AS INTEGER), 0)))::INTEGER) END"
    )
    return f"CASE WHEN {is_datetime(value)} THEN {_local(value, '1:19')} - ({shift}) END"


def _local(value: str, part: str) -> str:
    bare = f"regexp_extract(replace({value}, 'T', ' ')[{part}], '^[-0-9]{{10}}( [0-9:]+)?')"
    return f"try_cast({bare} AS TIMESTAMP)"


def instant_literal(at: datetime) -> str:
    """Return an instant as the TIMESTAMP in UTC that `instant_sql` compares with."""
    return f"TIMESTAMP '{at.astimezone(UTC).strftime('%Y-%m-%d %H:%M:%S')}'"
