"""Clocks of a case: start, stop, restart, breach, extension."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import Conflict, Invalid
from core.times import SHANGHAI, local_iso, parse_instant
from rules.clocks import ClockState, Recorded, clock_states, extended_due, next_due
from rules.rulebook import Rulebook
from tests.rules.books import book, calendar, clock, shipped

NOW = parse_instant("2026-02-11T09:00")
PROVIDER = {"share_class": "conditional", "decider": "provider"}


def recorded(name: str, at: str, **fields: Any) -> Recorded:
    return Recorded(name, parse_instant(at), fields)


def application(events: list[Recorded], now: datetime = NOW) -> dict[str, ClockState]:
    rules = shipped().get("sharing/qianjiang")
    return {s.name: s for s in clock_states(rules, "application", PROVIDER, events, calendar(), now)}


def test_a_clock_runs_until_its_event() -> None:
    submitted = recorded("submitted", "2026-02-10T10:00")
    running = application([submitted])["check"]
    assert running.running
    assert not running.breached
    stopped = application([submitted, recorded("accepted", "2026-02-12T10:00")])["check"]
    assert stopped.stopped_at == parse_instant("2026-02-12T10:00")
    assert not stopped.breached


@pytest.mark.parametrize(
    ("now", "breached"),
    [
        ("2026-02-13T23:59:59", False),
        ("2026-02-13T23:59:59.999999", False),
        ("2026-02-14T00:00:00", True),
        ("2026-03-14T00:00:00", True),
    ],
)
def test_a_breach_is_true_from_the_first_second_after_the_day(now: str, breached: bool) -> None:
    state = application([recorded("submitted", "2026-02-10T10:00")], parse_instant(now))["check"]
    assert state.breached is breached


def test_what_was_done_in_time_stays_in_time_and_what_was_late_stays_late() -> None:
    submitted = recorded("submitted", "2026-02-10T10:00")
    much_later = parse_instant("2027-06-01T00:00")
    in_time = application([submitted, recorded("accepted", "2026-02-13T23:59:59")], much_later)["check"]
    too_late = application([submitted, recorded("accepted", "2026-02-14T00:00:00")], much_later)["check"]
    assert (in_time.breached, too_late.breached) == (False, True)


def test_a_limit_without_a_number_is_never_breached() -> None:
    rules = shipped().get("sharing/qianjiang")
    changed = [recorded("changed", "2020-02-10T10:00")]
    (update,) = clock_states(rules, "dataset", {}, changed, calendar(), NOW)
    assert (update.due, update.breached, update.running) == (None, False, True)


def test_the_next_due_is_the_earliest_of_those_that_run() -> None:
    events = [
        recorded("submitted", "2026-02-10T10:00"),
        recorded("accepted", "2026-02-11T10:00"),
        recorded("forwarded", "2026-02-11T10:00"),
    ]
    states = application(events)
    assert next_due(states.values()) == states["decide"]
    assert next_due([states["check"]]) is None


def test_the_breach_of_a_decision_obliges_a_report() -> None:
    state = application([recorded("forwarded", "2026-02-11T10:00")])["decide"]
    assert state.on_breach is not None
    assert state.on_breach.cite.article == "26"


def test_the_clock_of_the_provider_does_not_run_for_the_platform_manager() -> None:
    rules = shipped().get("sharing/qianjiang")
    facts = {"decider": "platform_manager"}
    events = [recorded("forwarded", "2026-02-11T10:00")]
    assert clock_states(rules, "application", facts, events, calendar(), NOW) == ()


def test_a_second_dispatch_starts_a_clock_anew_only_where_the_rule_says_so() -> None:
    events = [recorded("dispatched", "2026-02-10T10:00"), recorded("dispatched", "2026-02-12T10:00")]
    for restarts, started in ((True, "2026-02-12T10:00"), (False, "2026-02-10T10:00")):
        rules = book(
            clock(
                "handle", workflow="x", starts=["dispatched"], stops=["done"], restarts=restarts, lasts="1wd"
            )
        )
        (state,) = clock_states(rules, "x", {}, events, calendar(), NOW)
        assert state.started_at == parse_instant(started)


def test_a_stopped_clock_begins_a_new_run() -> None:
    events = [
        recorded("changed", "2026-02-10T10:00"),
        recorded("updated", "2026-02-11T10:00"),
        recorded("changed", "2026-03-10T10:00"),
    ]
    rules = shipped().get("sharing/ganzhou")
    (update,) = clock_states(rules, "dataset", {}, events, calendar(), NOW)
    assert (local_iso(update.started_at), update.running) == ("2026-03-10T10:00:00+08:00", True)


def test_an_api_in_use_is_never_idle() -> None:
    rules = shipped().get("sharing/ganzhou")
    facts = {"kind": "api"}
    granted = recorded("granted", "2026-01-05T10:00")
    called = recorded("called", "2026-03-20T10:00")
    now = parse_instant("2026-04-06T00:00")

    def idle(*events: Recorded) -> ClockState:
        return next(
            s for s in clock_states(rules, "grant", facts, events, calendar(), now) if s.name == "idle"
        )

    assert idle(granted).passed
    assert not idle(granted).breached  # an allowance of the provider, nobody's failure
    assert not idle(granted, called).passed


def test_a_grant_that_ends_with_its_term_has_breached_nothing() -> None:
    rules = shipped().get("sharing/ganzhou")
    events = [recorded("granted", "2026-02-13T15:20"), recorded("ended", "2027-02-14T00:00")]
    (term,) = clock_states(rules, "grant", {"term_days": 365}, events, calendar(), NOW)
    assert (term.passed, term.breached) == (True, False)
    assert next_due(clock_states(rules, "grant", {"term_days": 365}, events[:1], calendar(), NOW)) is None


def test_a_planned_stop_is_counted_back_from_the_instant_that_it_names() -> None:
    rules = shipped().get("sharing/ganzhou")
    told = recorded("service_stop", "2026-04-20T10:00", service_stop="2026-05-01T22:00+08:00")
    (notice,) = clock_states(rules, "maintenance", {}, [told], calendar(), NOW)
    assert notice.due == parse_instant("2026-04-28T23:59:59")


def test_a_warning_comes_before_the_due_instant() -> None:
    rules = book(
        clock(
            "handle", starts=["dispatched"], stops=["done"], lasts="5wd", warn={"before": "3wh", "cite": "it"}
        )
    )
    (state,) = clock_states(rules, None, {}, [recorded("dispatched", "2026-09-22T09:50")], calendar(), NOW)
    assert state.warn_at == parse_instant("2026-09-30T14:00")


# --- extension ------------------------------------------------------------------------------------


def extendable(**extend: Any) -> Rulebook:
    extension = {"event": "extended", "cite": "it", **extend}
    return book(
        clock("handle", workflow="x", starts=["dispatched"], stops=["done"], lasts="5wd", extend=extension),
        clock("contact", workflow="x", starts=["dispatched"], stops=["done"], lasts="1wd"),
    )


TWICE = extendable(each="5wd", count=2)
DISPATCHED = recorded("dispatched", "2025-09-23T14:40")
FIRST = recorded("extended", "2025-09-28T10:00", clock="handle")
SECOND = recorded("extended", "2025-10-12T10:00", clock="handle")


def handle(rules: Rulebook, *events: Recorded) -> ClockState:
    states = clock_states(rules, "x", {}, events, calendar(), NOW)
    return next(s for s in states if s.name == "handle")


def asked(rules: Rulebook, *events: Recorded, clock: str = "handle", **fields: Any) -> str:
    now = parse_instant("2025-10-12T12:00")
    return local_iso(extended_due(rules, "x", {}, events, calendar(), now, clock, fields))


def test_two_extensions_chain_and_a_third_changes_nothing() -> None:
    third = recorded("extended", "2025-10-19T10:00", clock="handle")
    assert handle(TWICE, DISPATCHED).due == parse_instant("2025-09-29T23:59:59")
    assert handle(TWICE, DISPATCHED, FIRST).due == parse_instant("2025-10-13T23:59:59")
    assert handle(TWICE, DISPATCHED, FIRST, SECOND).due == parse_instant("2025-10-20T23:59:59")
    assert handle(TWICE, DISPATCHED, FIRST, SECOND, third).due == parse_instant("2025-10-20T23:59:59")


def test_how_far_a_limit_may_go_is_known_from_the_start() -> None:
    state = handle(TWICE, DISPATCHED)
    assert state.extendable_to == parse_instant("2025-10-20T23:59:59")
    assert state.original_due == state.due
    assert handle(extendable(), DISPATCHED).extendable_to is None


def test_an_extension_may_be_shorter_than_allowed_but_not_longer() -> None:
    assert asked(TWICE, DISPATCHED, by="2wd") == "2025-10-09T23:59:59+08:00"
    assert asked(TWICE, DISPATCHED, by=2) == "2025-10-09T23:59:59+08:00"
    assert asked(TWICE, DISPATCHED, to="2025-10-10T17:00") == "2025-10-10T17:00:00+08:00"
    assert asked(TWICE, DISPATCHED) == "2025-10-13T23:59:59+08:00"
    for wrong in ("6wd", "tomorrow"):
        with pytest.raises(Invalid) as caught:
            asked(TWICE, DISPATCHED, by=wrong)
        assert caught.value.errors[0].pointer == "/by"


def test_an_extension_whose_length_the_text_leaves_open_is_as_long_as_was_agreed() -> None:
    assert asked(extendable(), DISPATCHED, by="10wd") == "2025-10-20T23:59:59+08:00"


@pytest.mark.parametrize(
    ("events", "name"),
    [
        ((DISPATCHED, FIRST, SECOND), "handle"),
        ((DISPATCHED, recorded("done", "2025-09-25T10:00")), "handle"),
        ((), "handle"),
        ((DISPATCHED,), "contact"),
    ],
)
def test_a_limit_that_is_used_up_stopped_or_fixed_is_not_extended(
    events: tuple[Recorded, ...], name: str
) -> None:
    with pytest.raises(Conflict):
        asked(TWICE, *events, clock=name)


def test_an_extension_of_another_clock_does_not_count() -> None:
    other = recorded("extended", "2025-09-28T10:00", clock="contact")
    assert handle(TWICE, DISPATCHED, other).due == parse_instant("2025-09-29T23:59:59")


@settings(max_examples=50)
@given(
    st.datetimes(datetime(2024, 1, 1), datetime(2027, 12, 31)),  # noqa: DTZ001 - hypothesis wants naive bounds
    st.lists(st.integers(1, 400), max_size=4),
    st.sampled_from(
        [{"each": "5wd", "count": 2}, {"total": "15wd"}, {"to": "20wd"}, {"each": "3wd", "total": "7wd"}]
    ),
)
def test_no_series_of_extensions_passes_the_bound(
    start: datetime, hours: list[int], bounds: dict[str, Any]
) -> None:
    begun = Recorded("dispatched", start.replace(tzinfo=SHANGHAI), {})
    later = [Recorded("extended", begun.at + timedelta(hours=h), {"by": f"{h}wd"}) for h in sorted(hours)]
    state = handle(extendable(**bounds), begun, *later)
    assert state.due is not None
    assert state.original_due is not None
    assert state.extendable_to is not None
    assert state.original_due <= state.due <= state.extendable_to


def test_a_fact_of_the_case_can_name_the_due_instant_and_move_it() -> None:
    facts = {"valid_until": {"title": {"zh": "字", "en": "words"}, "type": "instant"}}
    rule = clock("end", starts=["began"], stops=["over"], due_at="valid_until", lasts=None)
    rules, began = book(rule, facts=facts), recorded("began", "2026-02-10T10:00")
    for until in ("2026-03-01T00:00:00+08:00", "2026-04-01T00:00:00+08:00"):
        state = clock_states(rules, None, {"valid_until": until}, [began], calendar(), NOW)[0]
        assert state.due == parse_instant(until)
    assert clock_states(rules, None, {}, [began], calendar(), NOW)[0].due is None
