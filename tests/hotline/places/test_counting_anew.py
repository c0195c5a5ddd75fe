"""The five places' limits, counted anew: at any instant of the years whose holidays are published."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any

import chinese_calendar
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.times import SHANGHAI
from rules.due import Happened, what_is_due
from tests.rules.books import calendar, shipped

FIRST = datetime(2024, 1, 1, tzinfo=SHANGHAI)
LAST = datetime(2026, 11, 1, tzinfo=SHANGHAI)
INSTANTS = st.integers(0, int((LAST - FIRST).total_seconds())).map(lambda s: FIRST + timedelta(seconds=s))
OPENS, CLOSES = 9, 17
"""Hours of a working day in which working hours count."""


def working(day: date) -> bool:
    return bool(chinese_calendar.is_workday(day))


def end_of(start: datetime, days: int) -> str:
    """Return the end of the n-th working day after a start, day by day."""
    day = start.date()
    while days > 0:
        day += timedelta(days=1)
        days -= working(day)
    return f"{day}T23:59:59"


def working_hours_after(start: datetime, hours: int) -> datetime:
    """Return the instant so many working hours later, second by second where it matters, else day by day."""
    left, at = hours * 3600, start
    while True:
        opening = at.replace(hour=OPENS, minute=0, second=0)
        closing = at.replace(hour=CLOSES, minute=0, second=0)
        begin = max(at, opening)
        if working(at.date()) and begin < closing:
            room = int((closing - begin).total_seconds())
            if left <= room:
                return begin + timedelta(seconds=left)
            left -= room
        at = (opening + timedelta(days=1)).replace(hour=0)


def answered(place: str, facts: Mapping[str, Any], events: Happened) -> dict[str, str]:
    """Return when each clock falls due, without the offset."""
    found = what_is_due(shipped().get(f"hotline/{place}"), calendar(), dict(facts), events)
    return {name: str(entry["due"])[:19] for name, entry in found.items()}


WORKDAYS = [
    ("qianjiang", {"level": "urgent"}, "dispatched", {"contact": 1, "handle": 1}),
    ("qianjiang", {"level": "ordinary"}, "dispatched", {"contact": 1, "handle": 3, "target": 2}),
    ("qianjiang", {"level": "complex"}, "dispatched", {"contact": 1, "handle": 5}),
    ("qianjiang", {"level": "special"}, "dispatched", {"contact": 1, "handle": 5}),
    ("qianjiang", {"level": "complex"}, "redone", {"handle": 5}),
    ("tonghua", {"urgency": "general"}, "dispatched", {"return": 2, "handle": 5}),
    ("tonghua", {"urgency": "complex"}, "dispatched", {"return": 2, "handle": 5}),
    ("tonghua", {"urgency": "legal"}, "dispatched", {"return": 2, "enter": 5}),
    ("ordos", {"type": "complaint", "assignment": "system"}, "dispatched", {"return": 1, "handle": 3}),
    ("ordos", {"type": "complaint", "assignment": "written"}, "dispatched", {"return": 1, "handle": 7}),
    ("ordos", {"type": "complaint", "assignment": "system"}, "fed_back", {"revisit": 1}),
    ("yuanmou", {"type": "consult"}, "accepted", {"transfer": 1}),
    (
        "yuanmou",
        {"type": "consult"},
        "dispatched",
        {"sign_in": 1, "contact": 2, "return": 1, "return_site_check": 3, "handle": 5},
    ),
    ("yuanmou", {"type": "suggestion"}, "dispatched", {"handle": 15}),
    ("yuanmou", {"type": "report"}, "dispatched", {"handle": 15}),
    ("ganzhou", {"type": "policy_consult"}, "dispatched", {"handle": 1}),
    ("ganzhou", {"type": "suggestion"}, "dispatched", {"handle": 3}),
    ("ganzhou", {"type": "complaint"}, "dispatched", {"handle": 5}),
    ("ganzhou", {"type": "complaint"}, "urged", {"urge_grace": 2}),
]


@pytest.mark.parametrize(
    ("place", "facts", "event", "days"), WORKDAYS, ids=lambda part: part if isinstance(part, str) else ""
)
@given(start=INSTANTS)
@settings(max_examples=40, deadline=None)
def test_each_limit_ends_with_its_last_working_day(
    place: str, facts: Mapping[str, Any], event: str, days: Mapping[str, int], start: datetime
) -> None:
    found = answered(place, facts, {event: start})
    assert {clock: found[clock] for clock in days} == {clock: end_of(start, n) for clock, n in days.items()}


@given(start=INSTANTS)
@settings(max_examples=150, deadline=None)
def test_working_hours_of_ganzhou_count_in_office_hours_alone(start: datetime) -> None:
    found = answered("ganzhou", {"type": "complaint"}, {"dispatched": start})
    assert found["sign_in"] == f"{working_hours_after(start, 1):%Y-%m-%dT%H:%M:%S}"
    assert found["return"] == f"{working_hours_after(start, 3):%Y-%m-%dT%H:%M:%S}"


@given(start=INSTANTS)
@settings(max_examples=60, deadline=None)
def test_hours_by_the_clock_run_through_nights_and_festivals(start: datetime) -> None:
    three = f"{start + timedelta(hours=3):%Y-%m-%dT%H:%M:%S}"
    found = answered("ganzhou", {"type": "urgent_help"}, {"dispatched": start})
    assert found["handle"] == three
    own = {"sign_in": 1, "return": 3}
    for clock, hours in own.items():
        assert found[clock] == min(three, f"{working_hours_after(start, hours):%Y-%m-%dT%H:%M:%S}")
    reply = answered("ganzhou", {"type": "complaint"}, {"fed_back": start})["reply"]
    assert reply == f"{start + timedelta(hours=12):%Y-%m-%dT%H:%M:%S}"


@given(start=INSTANTS)
@settings(max_examples=60, deadline=None)
def test_what_is_due_on_its_day_is_due_at_midnight_on_days_off_too(start: datetime) -> None:
    assert answered("tonghua", {"urgency": "general"}, {"accepted": start})["dispatch"] == end_of(start, 0)
    assert answered("tonghua", {"urgency": "general"}, {"closed": start})["archive"] == end_of(start, 0)


@given(start=INSTANTS)
@settings(max_examples=60, deadline=None)
def test_more_time_is_asked_for_by_the_day_before(start: datetime) -> None:
    found = answered("tonghua", {"urgency": "complex"}, {"dispatched": start})
    last = datetime.fromisoformat(found["handle"]) - timedelta(days=1)
    assert found["extend_apply_by"] == f"{last:%Y-%m-%dT%H:%M:%S}"


EXTENSIONS = [
    ("qianjiang", {"level": "special"}, 5, 20, 1),
    ("tonghua", {"urgency": "complex"}, 5, None, 2),
    ("ordos", {"type": "complaint", "assignment": "system"}, 3, 15, 1),
    ("yuanmou", {"type": "consult"}, 5, 3, 1),
    ("yuanmou", {"type": "help"}, 15, 5, 1),
    ("yuanmou", {"type": "complaint"}, 15, 10, 1),
    ("ganzhou", {"type": "complaint"}, 5, None, 2),
    ("ganzhou", {"type": "suggestion"}, 3, None, 2),
]
"""Place, class, days of the handling, most days of an extension (None: always five), how many."""


@pytest.mark.parametrize(("place", "facts", "days", "most", "times"), EXTENSIONS)
@given(start=INSTANTS, by=st.integers(1, 20))
@settings(max_examples=40, deadline=None)
def test_more_time_counts_on_from_the_day_that_stood(
    place: str, facts: Mapping[str, Any], days: int, most: int | None, times: int, start: datetime, by: int
) -> None:
    length = 5 if most is None else min(by, most)
    said = {} if most is None else {"by": length}
    for n in range(1, times + 1):
        events = [
            ("dispatched", start),
            *(("extended", start + timedelta(minutes=i)) for i in range(1, n + 1)),
        ]
        assert answered(place, {**facts, **said}, events)["handle"] == end_of(start, days + n * length)
