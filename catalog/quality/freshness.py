"""Whether data are as fresh as their update limit says. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from cases.model import Event
from catalog.quality.model import Freshness
from core.text import Text
from rules.durations import Duration, after
from rules.rulebook import Rulebook
from rules.workdays import Calendar


class Supply(NamedTuple):
    """What is known of the supply of a dataset: the update limit, the time it gives, the last on record."""

    limit: str | None
    within: Duration | None
    recorded: datetime | None


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
"""How old the newest data may be where the rulebook counts no supply; `irregular` names no date."""


def supply_of(book: Rulebook, document: Mapping[str, Any], events: Sequence[Event]) -> Supply:
    """Return within which time data are supplied, and when that was last put on record.

    The clock of the rulebook that lasts as the update limit says is what counts; its own start is the record.
    """
    limit = document.get("update_limit")
    for clock in book.clocks:
        if clock.workflow == "dataset" and clock.by_fact and clock.by_fact.fact == "update_limit":
            begun = [e.at for e in events if not set(clock.starts).isdisjoint(e.names)]
            return Supply(limit, clock.by_fact.lasts.get(str(limit)), max(begun, default=None))
    return Supply(limit, WITHIN.get(str(limit)), None)


def freshness(supply: Supply, newest: datetime | None, now: datetime, calendar: Calendar) -> Freshness | None:
    """Return how fresh data are whose newest instant is `newest`; None where the entry states no limit."""
    if supply.limit is None:
        return None
    due = after(newest, supply.within, calendar) if newest is not None and supply.within is not None else None
    return Freshness(supply.limit, newest, due, due is not None and due < now)


def words(fresh: Freshness) -> Text | None:
    """Return until when the data were in time."""
    if fresh.due is None:
        return None
    day = fresh.due.date().isoformat()
    return Text(f"应在 {day} 前更新", f"due by {day}")


def instant_literal(at: datetime) -> str:
    """Return an instant as the TIMESTAMP in UTC that `days.instant` compares with."""
    return f"TIMESTAMP '{at.astimezone(UTC).strftime('%Y-%m-%d %H:%M:%S')}'"
