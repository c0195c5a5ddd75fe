"""From when a limit counts and how long it is where an event or a fact of the case says so."""

from __future__ import annotations

from typing import Any

import pytest

from core.times import parse_instant
from rules.clocks import ClockState, Recorded, clock_states
from rules.rulebook import Rulebook
from tests.rules.books import book, calendar, clock, shipped

NOW = parse_instant("2026-03-20T09:00")


def at(text: str) -> Any:
    return parse_instant(text)


def recorded(name: str, instant: str, **fields: Any) -> Recorded:
    return Recorded(name, at(instant), fields)


def only(rules: Rulebook, workflow: str, name: str, *events: Recorded, **facts: Any) -> ClockState:
    states = clock_states(rules, workflow, facts, events, calendar(), NOW)
    (state,) = [s for s in states if s.name == name]
    return state


# --- from when: the instant that the start event tells of -----------------------------------------


def changed(**fields: Any) -> ClockState:
    event = recorded("changed", "2026-03-10T10:00", **fields)
    return only(shipped().get("sharing/ganzhou"), "dataset", "update", event)


def test_a_change_counts_from_the_day_on_which_it_happened() -> None:
    """GZ art. 6: ten working days from the change, whenever it was reported."""
    state = changed(changed_on="2026-03-02T15:00+08:00")
    assert (state.started_at, state.due) == (at("2026-03-02T15:00"), at("2026-03-16T23:59:59"))
    assert state.breached


def test_a_change_that_is_said_to_lie_ahead_counts_from_its_report() -> None:
    for said in ("2026-03-10T10:00+08:00", "2026-03-18T10:00+08:00", "2030-01-01T00:00+08:00"):
        state = changed(changed_on=said)
        assert (state.started_at, state.due) == (at("2026-03-10T10:00"), at("2026-03-24T23:59:59"))


def test_a_change_without_a_date_counts_from_its_report() -> None:
    assert changed().started_at == at("2026-03-10T10:00")


def test_more_time_counts_from_the_change_as_well() -> None:
    """GZ art. 6: twenty working days in all, the first of them after the change."""
    events = (
        recorded("changed", "2026-03-10T10:00", changed_on="2026-03-02T15:00+08:00"),
        recorded("extended", "2026-03-12T10:00", clock="update"),
    )
    state = only(shipped().get("sharing/ganzhou"), "dataset", "update", *events)
    assert state.due == state.extendable_to == at("2026-03-30T23:59:59")


# --- until when: the instant that the start event names -------------------------------------------


def ordered(*events: Recorded) -> ClockState:
    return only(shipped().get("sharing/qianjiang"), "rectification", "rectify", *events)


def test_the_notice_itself_says_until_when_to_rectify() -> None:
    """QJ art. 31: within the time that the notice sets."""
    state = ordered(recorded("rectification_noticed", "2026-03-02T10:00", deadline="2026-03-18T17:30+08:00"))
    assert (state.due, state.provisional) == (at("2026-03-18T17:30"), False)
    assert state.breached


def test_a_second_notice_sets_a_time_of_its_own() -> None:
    state = ordered(
        recorded("rectification_noticed", "2026-03-02T10:00", deadline="2026-03-18T17:30+08:00"),
        recorded("rectification_done", "2026-03-17T10:00"),
        recorded("rectification_noticed", "2026-03-19T10:00", deadline="2026-03-27T12:00+08:00"),
    )
    assert (state.due, state.running, state.breached) == (at("2026-03-27T12:00"), True, False)


def test_a_notice_that_names_no_time_has_none() -> None:
    state = ordered(recorded("rectification_noticed", "2026-03-02T10:00"))
    assert (state.due, state.breached) == (None, False)


# --- how long: the length that a fact stands for --------------------------------------------------


@pytest.mark.parametrize(
    ("update_limit", "due"),
    [
        ("realtime", "2026-01-31T23:59:59"),
        ("daily", "2026-01-31T23:59:59"),
        ("weekly", "2026-02-06T23:59:59"),
        ("ten_days", "2026-02-09T23:59:59"),
        ("monthly", "2026-02-28T23:59:59"),
        ("quarterly", "2026-04-30T23:59:59"),
        ("half_yearly", "2026-07-30T23:59:59"),
        ("yearly", "2027-01-30T23:59:59"),
        ("irregular", None),
    ],
)
def test_data_are_supplied_within_the_update_limit_of_their_entry(update_limit: str, due: str | None) -> None:
    """QJ art. 17."""
    published = recorded("published", "2026-01-30T10:00")
    rules = shipped().get("sharing/qianjiang")
    state = only(rules, "dataset", "supply", published, update_limit=update_limit)
    assert state.due == (at(due) if due else None)
    assert state.breached is (due is not None and at(due) < NOW)


def test_each_supply_begins_the_next_period() -> None:
    """QJ art. 17, as I-Q-05 reads it."""
    rules = shipped().get("sharing/qianjiang")
    events = [recorded("published", "2026-03-02T10:00"), recorded("supplied", "2026-03-19T10:00")]
    state = only(rules, "dataset", "supply", *events, update_limit="weekly")
    assert (state.due, state.breached) == (at("2026-03-26T23:59:59"), False)


def test_a_fact_that_is_not_known_gives_no_length() -> None:
    rules = shipped().get("sharing/qianjiang")
    assert only(rules, "dataset", "supply", recorded("published", "2026-03-02T10:00")).due is None


def test_where_the_fact_stands_for_nothing_the_rules_own_length_holds() -> None:
    rules = book(
        clock(
            "supply",
            workflow="x",
            starts=["published"],
            stops=["ended"],
            lasts="2wd",
            lasts_by={"fact": "pace", "values": {"slow": "1mo", "open": None}},
        )
    )
    published = recorded("published", "2026-03-16T10:00")
    assert only(rules, "x", "supply", published, pace="slow").due == at("2026-04-16T23:59:59")
    assert only(rules, "x", "supply", published, pace="open").due == at("2026-03-18T23:59:59")
