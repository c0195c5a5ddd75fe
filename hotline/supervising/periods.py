"""What a list of findings is narrowed to, read from a query: days are days of Shanghai. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, time, timedelta

from core.errors import invalid
from core.times import SHANGHAI
from hotline.accountability import FLAGS
from hotline.supervising.store import Flags

USUAL = timedelta(days=90)
"""How far the list goes back where no first day is asked for."""


def flags_asked(query: Mapping[str, str], now: datetime) -> Flags:
    """Return what is asked for. Raises Invalid for a kind of finding or a day that there is none of."""
    flag = query.get("flag") or None
    if flag is not None and flag not in FLAGS:
        raise invalid("/flag", f"应为 {'、'.join(FLAGS)} 之一", f"must be one of {', '.join(FLAGS)}")
    until = _day(query, "until")
    return Flags(
        flag,
        query.get("unit") or None,
        _day(query, "from") or first_day(now),
        until + timedelta(days=1) if until is not None else None,
    )


def first_day(now: datetime) -> datetime:
    """Return the day from which tickets are listed where none is asked for."""
    return datetime.combine((now.astimezone(SHANGHAI) - USUAL).date(), time(), SHANGHAI)


def _day(query: Mapping[str, str], name: str) -> datetime | None:
    text = query.get(name)
    if not text:
        return None
    try:
        return datetime.combine(date.fromisoformat(text), time(), SHANGHAI)
    except ValueError:
        raise invalid(f"/{name}", "日期应写成 2026-02-13", "write the day as 2026-02-13") from None
