"""A limit that runs around days off only, and what a script says along with the events that it asks about."""

from __future__ import annotations

import pytest

from core.errors import Invalid
from tests.rules.books import book, clock, dues

ALARM = clock("alarm", starts=["dispatched"], stops=["signed_in"], on_days_off=True, lasts="2h")
HANDLE = clock(
    "handle", starts=["dispatched"], stops=["fed_back"], lasts="5wd", extend={"event": "more", "cite": "it"}
)
BY = {"by": {"title": {"zh": "延长", "en": "added"}, "type": "integer", "min": 1, "max": 10}}


@pytest.mark.parametrize(
    ("dispatched", "due"),
    [
        ("2026-02-16T20:00", "2026-02-16 22:00:00"),  # New Year's Eve
        ("2026-02-20T23:30", "2026-02-21 01:30:00"),
        ("2026-03-06T17:00", "2026-03-06 19:00:00"),  # the eve of a weekend
        ("2026-03-08T17:00", "2026-03-08 19:00:00"),  # its last day
        ("2027-03-06T09:00", "2027-03-06 11:00:00"),  # a Saturday of a year without a calendar
    ],
)
def test_a_limit_of_days_off_runs_on_them_and_on_their_eve(dispatched: str, due: str) -> None:
    assert dues(book(ALARM), {"dispatched": dispatched}) == {"alarm": due}


@pytest.mark.parametrize("dispatched", ["2026-02-13T10:00", "2026-03-04T10:00", "2026-02-24T10:00"])
def test_it_does_not_run_between_two_working_days(dispatched: str) -> None:
    assert dues(book(ALARM), {"dispatched": dispatched}) == {}


def test_a_script_says_by_how_much_a_limit_was_extended() -> None:
    rules = book(HANDLE, fields=BY)
    events = {"dispatched": "2025-09-30T11:00", "more": "2025-10-13T09:00"}
    assert dues(rules, events) == {"handle": "2025-10-14 23:59:59"}
    assert dues(rules, events, {"by": "10"}) == {"handle": "2025-10-28 23:59:59"}
    assert dues(rules, events, {"延长": 3}) == {"handle": "2025-10-17 23:59:59"}


def test_a_script_says_how_long_somebody_made_a_limit() -> None:
    days = {"limit_days": {"title": {"zh": "天数", "en": "days"}, "type": "integer"}}
    bounds = {"field": "limit_days", "unit": "wd", "min": "3wd", "max": "7wd"}
    rules = book(
        clock("handle", starts=["dispatched"], stops=["fed_back"], lasts="3wd", set=bounds), fields=days
    )
    dispatched = {"dispatched": "2026-01-26T09:00"}
    assert dues(rules, dispatched) == {"handle": "2026-01-29 23:59:59"}
    assert dues(rules, dispatched, {"limit_days": 7}) == {"handle": "2026-02-04 23:59:59"}
    for wrong in (2, 8):
        with pytest.raises(Invalid) as caught:
            dues(rules, dispatched, {"limit_days": wrong})
        assert [(e.pointer, e.code) for e in caught.value.errors] == [("/facts/limit_days", "range")]


@pytest.mark.parametrize(("said", "pointer"), [({"by": 11}, "/facts/by"), ({"for": 3}, "/facts/for")])
def test_what_it_says_must_be_a_field_of_the_book(said: dict[str, int], pointer: str) -> None:
    with pytest.raises(Invalid) as caught:
        dues(book(HANDLE, fields=BY), {"dispatched": "2025-09-30T11:00"}, said)
    assert [e.pointer for e in caught.value.errors] == [pointer]
