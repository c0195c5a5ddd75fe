"""The hotline of Ordos as it stood: worked examples, marked limits, extensions, and the ways of a ticket."""

from __future__ import annotations

from typing import Any

import pytest

from core.errors import Conflict, Invalid
from core.times import parse_instant
from rules.clocks import extended_due
from rules.rulebook import Rulebook
from rules.visibility import visible
from tests.rules.books import calendar, dues
from tests.rules.hotline.asking import ask, happened, hotline, instants, states, step, way

SYSTEM, WRITTEN = {"assignment": "system"}, {"assignment": "written"}
CALLER = {
    "name": "王小明",
    "phone": "13800138000",
    "address": "园林路1号",
    "contact": "wx1234",
    "ip": "192.0.2.7",
}
RUNNING = {"handle_running": True, "handle": False, "extension_requested": False}


def ordos() -> Rulebook:
    return hotline("ordos")


# --- worked examples --------------------------------------------------------------------------------


def test_a_complaint_by_system_takes_three_days_where_nobody_marks_it() -> None:
    facts = {"type": "投诉", "assignment": "系统转办"}
    events = {"accepted": "2026-02-13T11:00", "dispatched": "2026-02-13T11:00"}
    assert dues(ordos(), events, facts) == {
        "dispatch": None,
        "sign_in": None,
        "contact": None,
        "return": "2026-02-14 23:59:59",
        "handle": "2026-02-25 23:59:59",
    }
    assert dues(ordos(), events, {**facts, "limit_days": 7})["handle"] == "2026-03-02 23:59:59"
    answered = {**events, "fed_back": "2026-02-25T17:30"}
    assert dues(ordos(), answered, facts)["revisit"] == "2026-02-26 23:59:59"


def test_what_is_assigned_in_writing_takes_seven_days() -> None:
    events = {"dispatched": "2026-04-28T10:00", "fed_back": "2026-05-11T10:00"}
    assert instants(ordos(), events, {"assignment": "书面交办"}) == {
        "return": "2026-04-29 23:59:59",
        "handle": "2026-05-11 23:59:59",
        "revisit": "2026-05-12 23:59:59",
    }


def test_extensions_of_fifteen_days_count_from_the_original_due_day() -> None:
    events, facts = {"dispatched": "2026-01-26T09:00"}, {"type": "投诉"}
    assert instants(ordos(), events, facts) == {
        "return": "2026-01-27 23:59:59",
        "handle": "2026-01-29 23:59:59",
    }
    marked = {**facts, "limit_days": 7}
    answer = ask(ordos(), events, marked)["handle"]
    assert (answer["due"], answer["extendable_to"]) == (
        "2026-02-04T23:59:59+08:00",
        "2026-03-03T23:59:59+08:00",
    )
    extended = {**events, "extended": "2026-02-04T10:00"}
    assert dues(ordos(), extended, marked)["handle"] == "2026-03-03 23:59:59"


# --- limits -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("days", [2, 8])
def test_a_dispatcher_marks_three_to_seven_days(days: int) -> None:
    with pytest.raises(Invalid) as caught:
        dues(ordos(), {"dispatched": "2026-01-26T09:00"}, {**SYSTEM, "limit_days": days})
    assert [e.pointer for e in caught.value.errors] == ["/facts/limit_days"]


@pytest.mark.parametrize(
    ("assignment", "dispatched", "due"),
    [
        ("system", "2026-02-14T18:00", "2026-02-26 23:59:59"),
        (
            "system",
            "2026-09-30T10:00",
            "2026-10-10 23:59:59",
        ),  # National Day and the working Saturday behind it
        ("written", "2026-09-19T10:00", "2026-09-29 23:59:59"),  # a working Sunday, Mid-Autumn off
        ("written", "2025-09-28T10:00", "2025-10-14 23:59:59"),
        ("leader", "2026-02-14T18:00", None),
        ("emergency", "2026-02-14T18:00", None),
    ],
)
def test_the_way_of_assignment_sets_the_limit(assignment: str, dispatched: str, due: str | None) -> None:
    assert dues(ordos(), {"dispatched": dispatched}, {"assignment": assignment})["handle"] == due


@pytest.mark.parametrize(
    ("dispatched", "due", "provisional"),
    [
        ("2026-12-28T10:00", "2026-12-31T23:59:59+08:00", False),
        ("2026-12-30T10:00", "2027-01-04T23:59:59+08:00", True),
    ],
)
def test_a_limit_over_the_turn_to_2027_is_provisional(dispatched: str, due: str, provisional: bool) -> None:
    answer = ask(ordos(), {"dispatched": dispatched}, SYSTEM)["handle"]
    assert (answer["due"], answer["provisional"]) == (due, provisional)


def test_a_mark_holds_for_the_dispatch_that_it_was_made_with() -> None:
    events = [
        happened("dispatched", "2026-01-26T09:00", limit_days=7),
        happened("returned", "2026-01-26T15:00"),
        happened("dispatched", "2026-01-27T09:00"),
    ]
    found = states(ordos(), SYSTEM, *events, now="2026-01-27T10:00")
    assert found["handle"].due == parse_instant("2026-01-30T23:59:59")


def test_two_extensions_together_do_not_pass_fifteen_days() -> None:
    rules, facts = ordos(), ordos().facts(WRITTEN)
    events = [happened("dispatched", "2026-03-02T09:00"), happened("extended", "2026-03-10T09:00", by=10)]
    now = parse_instant("2026-03-20T09:00")

    def more(by: int) -> str:
        due = extended_due(rules, "ticket", facts, events, calendar(), now, "handle", {"by": by})
        return due.isoformat()

    assert more(5) == "2026-04-01T23:59:59+08:00"
    with pytest.raises(Invalid):
        more(6)


def test_what_leaders_instruct_has_no_limit_to_extend() -> None:
    rules, events = ordos(), [happened("dispatched", "2026-03-02T09:00")]
    now = parse_instant("2026-03-03T09:00")
    for assignment in ("leader", "emergency"):
        facts = rules.facts({"assignment": assignment})
        with pytest.raises(Conflict):
            extended_due(rules, "ticket", facts, events, calendar(), now, "handle", {"by": 3})
        assert step(rules, "handling", "request_extension", assignment=assignment, **RUNNING) is None


def test_more_time_is_asked_for_before_the_due_day_is_over_and_the_caller_told() -> None:
    ask_for = step(ordos(), "handling", "request_extension", **RUNNING)
    assert ask_for is not None
    assert ask_for.confirms is not None
    assert step(ordos(), "handling", "request_extension", **{**RUNNING, "handle": True}) is None


def test_an_overdue_ticket_calls_for_a_supervision() -> None:
    found = states(ordos(), SYSTEM, happened("dispatched", "2026-01-26T09:00"), now="2026-01-30T00:00")
    assert found["handle"].breached
    assert found["handle"].on_breach is not None
    assert found["handle"].on_breach.opens == "supervision"
    assert (found["return"].passed, found["return"].breached) == (True, False)


def test_a_late_return_needs_an_explanation() -> None:
    in_time = step(ordos(), "dispatched", "return", **{"return": False, "extension_requested": False})
    late = step(ordos(), "dispatched", "return", **{"return": True, "extension_requested": False})
    assert in_time is not None
    assert late is not None
    assert set(late.requires) - set(in_time.requires) == {"overdue_reason"}
    assert in_time.target == "registered"


# --- the ways of a ticket ---------------------------------------------------------------------------

BACK = ("return", {"return": False, "extension_requested": False})
GOOD, BAD = ("revisit", {"is_satisfied": True}), ("revisit", {"is_satisfied": False})


@pytest.mark.parametrize(
    ("actions", "state"),
    [
        (["refuse"], "refused"),
        (["guide"], "guided"),
        (["hand_off"], "handed_off"),
        (["merge"], "merged"),
        ([("answer", {"type": "help"}), "archive"], "archived"),
        (["put_through"], "closed"),
        (["notify_emergency", "dispatch", "sign_in", "assign_down", "feed_back", GOOD], "closed"),
        (["send_outside", "record_result", GOOD], "closed"),
        (["dispatch", BACK, "dispatch", "sign_in", "feed_back", BAD, "redo", "sign_in"], "handling"),
        (["dispatch", "sign_in", "feed_back", "find_incomplete", "redo_supervised"], "dispatched"),
        (["dispatch", "sign_in", ("feed_back_not_adopted", {"type": "suggestion"}), GOOD], "closed"),
        (["dispatch", "sign_in", "feed_back", BAD, "close_explained", "reopen"], "registered"),
        (["dispatch", "sign_in", "withdraw"], "withdrawn"),
    ],
)
def test_a_ticket_finds_its_way(actions: list[Any], state: str) -> None:
    assert way(ordos(), *actions) == state


@pytest.mark.parametrize(
    ("facts", "trigger"),
    [
        ({"origin": "media"}, "media"),
        ({"origin": "superior"}, "assigned"),
        ({"assignment": "leader"}, "assigned"),
        ({}, None),
    ],
)
def test_what_leaders_and_media_bring_is_supervised_from_its_dispatch(
    facts: dict[str, str], trigger: str | None
) -> None:
    dispatch = step(ordos(), "registered", "dispatch", **facts)
    assert dispatch is not None
    assert (dispatch.opens.given["trigger"] if dispatch.opens else None) == trigger


def test_an_incident_tells_the_emergency_department_and_the_leaders() -> None:
    tell = step(ordos(), "registered", "notify_emergency")
    assert tell is not None
    assert tell.joins == ("emergency_office",)
    assert tell.opens is not None
    assert tell.opens.workflow == "special_report"


def test_a_suggestion_is_fed_back_with_what_becomes_of_it() -> None:
    adopted = step(ordos(), "handling", "feed_back", type="suggestion")
    other = step(ordos(), "handling", "feed_back", type="complaint")
    assert adopted is not None
    assert other is not None
    assert "adoption" in adopted.requires
    assert "adoption" not in other.requires


def test_the_book_has_lapsed_and_says_until_when_it_held() -> None:
    document = ordos().document
    assert document["status"] == "lapsed"
    assert document["documents"]["provisions"]["in_force"]["to"] == "2024-08-31"


def test_what_is_not_in_the_text_is_null() -> None:
    rules = ordos()
    silent = {path for path, leaf in rules.policies.items() if leaf.value is None}
    assert all(rules.policy(path).cite.kind in ("silent", "text") for path in silent)
    assert {"return.reviewer", "urge.grace", "lights", "archive.retention", "hang.remind"} <= silent
    assert [e["code"] for e in rules.policy("network.levels").value] == [
        "level1",
        "level2",
        "level3",
        "level4",
    ]
    assert len(rules.policy("supervise.triggers").value) == 8
    assert len(rules.policy("supervise.ladder").value) == 5


def test_no_address_on_the_net_is_shown_to_anybody() -> None:
    views = ordos().views["caller"]
    for relation in views:
        shown = visible(views, relation, CALLER)
        assert not set(shown.values()) & set(CALLER.values())
        assert "ip" not in shown
