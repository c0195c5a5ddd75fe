"""The hotline of Qianjiang: its worked examples, its limits around days off, and the ways of a ticket."""

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

URGENT, ORDINARY = {"level": "urgent"}, {"level": "ordinary"}
COMPLEX, SPECIAL = {"level": "complex"}, {"level": "special"}
ACCEPTED = "2026-02-10T10:30"
CALLER = {
    "name": "王小明",
    "phone": "13800138000",
    "address": "园林路1号",
    "contact": "wx1234",
    "ip": "192.0.2.7",
}
RUNNING = {"handle_running": True, "extension_requested": False}


def qianjiang() -> Rulebook:
    return hotline("qianjiang")


# --- worked examples --------------------------------------------------------------------------------


def test_an_ordinary_complaint_takes_three_days_and_two_are_its_target() -> None:
    events = {"accepted": ACCEPTED, "dispatched": ACCEPTED, "fed_back": "2026-02-13T16:00"}
    assert dues(qianjiang(), events, {"level": "一般事项", "type": "投诉"}) == {
        "dispatch": None,
        "sign_in": None,
        "contact": "2026-02-11 23:59:59",
        "return": None,
        "handle": "2026-02-13 23:59:59",
        "target": "2026-02-12 23:59:59",
        "revisit": None,
    }


def test_an_urgent_ticket_of_new_year_s_eve_is_lawful_until_after_the_holiday_but_alarms_at_once() -> None:
    events = {"accepted": "2026-02-16T20:00", "dispatched": "2026-02-16T20:00"}
    assert instants(qianjiang(), events, {"level": "较紧急"}) == {
        "contact": "2026-02-24 23:59:59",
        "handle": "2026-02-24 23:59:59",
        "urgent_in_holiday": "2026-02-16 22:00:00",
    }


def test_an_especially_complex_ticket_is_extended_as_far_as_the_office_says() -> None:
    events = {"accepted": "2025-09-30T11:00", "dispatched": "2025-09-30T11:00"}
    assert instants(qianjiang(), events, SPECIAL) == {
        "contact": "2025-10-09 23:59:59",
        "handle": "2025-10-14 23:59:59",
    }
    extended = {**events, "extended": "2025-10-13T10:00"}
    assert instants(qianjiang(), extended, {**SPECIAL, "by": 10})["handle"] == "2025-10-28 23:59:59"


def test_a_question_that_the_knowledge_base_answers_starts_no_limit() -> None:
    events = {"accepted": "2026-01-01T09:00", "answered": "2026-01-01T09:04"}
    assert instants(qianjiang(), events, {"type": "咨询"}) == {}
    assert step(qianjiang(), "registered", "answer", type="consult") is not None
    assert step(qianjiang(), "registered", "answer", type="complain") is None


# --- around days off --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("level", "dispatched", "due"),
    [
        ("urgent", "2026-02-13T23:59", "2026-02-14 23:59:59"),  # a working Saturday before the festival
        ("ordinary", "2026-02-13T09:00", "2026-02-25 23:59:59"),
        ("complex", "2026-02-14T09:00", "2026-02-28 23:59:59"),  # ends on a working Saturday, too
        ("ordinary", "2026-09-30T17:30", "2026-10-10 23:59:59"),  # National Day, a working Saturday behind it
        ("complex", "2026-09-19T10:00", "2026-09-24 23:59:59"),
        ("urgent", "2026-10-01T00:00", "2026-10-08 23:59:59"),
        ("ordinary", "2026-12-28T10:00", "2026-12-31 23:59:59"),
    ],
)
def test_limits_count_working_days_from_the_dispatch(level: str, dispatched: str, due: str) -> None:
    found = dues(qianjiang(), {"dispatched": dispatched}, {"level": level})
    assert found["handle"] == due


@pytest.mark.parametrize(
    ("dispatched", "level", "due", "provisional"),
    [
        ("2026-12-28T10:00", "ordinary", "2026-12-31T23:59:59+08:00", False),
        ("2026-12-30T10:00", "ordinary", "2027-01-04T23:59:59+08:00", True),
        ("2026-12-31T23:59", "urgent", "2027-01-01T23:59:59+08:00", True),
    ],
)
def test_a_limit_that_ends_in_a_year_without_a_calendar_is_provisional(
    dispatched: str, level: str, due: str, provisional: bool
) -> None:
    found = ask(qianjiang(), {"dispatched": dispatched}, {"level": level})["handle"]
    assert (found["due"], found["provisional"]) == (due, provisional)


@pytest.mark.parametrize(
    ("dispatched", "alarms"),
    [
        ("2026-02-10T10:00", False),
        ("2026-02-14T17:00", True),
        ("2026-02-28T10:00", True),
        ("2026-03-02T10:00", False),
    ],
)
def test_urgent_tickets_alarm_on_days_off_and_their_eve(dispatched: str, alarms: bool) -> None:
    assert ("urgent_in_holiday" in dues(qianjiang(), {"dispatched": dispatched}, URGENT)) is alarms
    assert "urgent_in_holiday" not in dues(qianjiang(), {"dispatched": dispatched}, ORDINARY)


def test_the_level_must_be_known_before_a_limit_can_be_told() -> None:
    with pytest.raises(Invalid) as caught:
        dues(qianjiang(), {"dispatched": ACCEPTED}, {})
    assert [e.pointer for e in caught.value.errors] == ["/facts/level"]


def test_a_target_breaches_nothing_and_a_limit_does() -> None:
    found = states(qianjiang(), ORDINARY, happened("dispatched", ACCEPTED), now="2026-02-14T00:00")
    assert (found["target"].passed, found["target"].breached) == (True, False)
    assert found["handle"].breached
    assert found["handle"].on_breach is not None
    assert found["handle"].on_breach.opens == "supervision"


# --- the law, returns, redoing ----------------------------------------------------------------------


def test_the_law_s_own_time_takes_the_place_of_the_level_s() -> None:
    facts = {**URGENT, "statutory": True, "statutory_due": "2026-04-10T23:59:59+08:00"}
    found = ask(qianjiang(), {"dispatched": ACCEPTED}, facts)["handle"]
    assert found["due"] == "2026-04-10T23:59:59+08:00"
    assert found["cite"]["label"]["zh"].endswith("第8条（二）")


def test_a_refused_return_has_stopped_no_limit() -> None:
    events = [
        happened("dispatched", ACCEPTED),
        happened("returned", "2026-02-10T15:00"),
        happened("return_refused", "2026-02-12T15:00"),
    ]
    found = states(qianjiang(), ORDINARY, *events, now="2026-02-12T16:00")
    assert found["handle"].due == parse_instant("2026-02-13T23:59:59")
    assert found["contact"].breached


def test_an_agreed_return_gives_the_next_unit_its_own_time() -> None:
    events = [
        happened("dispatched", ACCEPTED),
        happened("returned", "2026-02-10T15:00"),
        happened("return_accepted", "2026-02-11T15:00"),
        happened("dispatched", "2026-02-14T15:00"),
    ]
    found = states(qianjiang(), ORDINARY, *events, now="2026-02-14T16:00")
    assert found["handle"].due == parse_instant("2026-02-26T23:59:59")
    assert found["contact"].due == parse_instant("2026-02-24T23:59:59")


def test_redoing_counts_anew_from_when_it_was_sent_back() -> None:
    events = [
        happened("dispatched", ACCEPTED),
        happened("fed_back", "2026-02-12T10:00"),
        happened("redone", "2026-02-13T10:00"),
    ]
    found = states(qianjiang(), ORDINARY, *events, now="2026-02-13T11:00")
    assert found["handle"].due == parse_instant("2026-02-25T23:59:59")
    assert found["handle"].running


def test_an_extension_needs_its_length_and_knows_no_cap() -> None:
    rules, facts = qianjiang(), qianjiang().facts(SPECIAL)
    now, events = parse_instant("2026-02-12T10:00"), [happened("dispatched", ACCEPTED)]

    def extended(level: dict[str, Any], **said: Any) -> str:
        due = extended_due(rules, "ticket", {**facts, **level}, events, calendar(), now, "handle", said)
        return due.isoformat()

    assert extended(SPECIAL, by=200) == "2026-12-10T23:59:59+08:00"
    with pytest.raises(Conflict):
        extended(SPECIAL)
    with pytest.raises(Conflict):
        extended(COMPLEX, by=5)


@pytest.mark.parametrize(("level", "may"), [("special", True), ("complex", False), ("ordinary", False)])
def test_only_especially_complex_matters_are_extended(level: str, may: bool) -> None:
    assert (step(qianjiang(), "handling", "request_extension", level=level, **RUNNING) is not None) is may


def test_a_unit_does_not_return_what_it_has_asked_more_time_for() -> None:
    assert step(qianjiang(), "handling", "return", extension_requested=True) is None
    back = step(qianjiang(), "handling", "return", extension_requested=False)
    assert back is not None
    assert back.requires == ("reason", "basis")


# --- the ways of a ticket ---------------------------------------------------------------------------

SENT = ("dispatch", {"level": "ordinary"})
BACK = ("return", {"extension_requested": False})
GOOD, BAD = ("revisit", {"is_satisfied": True}), ("revisit", {"is_satisfied": False})


@pytest.mark.parametrize(
    ("actions", "state"),
    [
        (["refuse"], "refused"),
        (["hand_off"], "handed_off"),
        (["merge"], "merged"),
        ([("answer", {"type": "consult"}), "archive"], "archived"),
        (["dispatch", "sign_in", "contact", "feed_back", GOOD, "archive"], "archived"),
        ([SENT, BACK, "refuse_return", "feed_back", GOOD], "closed"),
        ([SENT, BACK, "accept_return", SENT, "sign_in"], "handling"),
        ([SENT, BACK, "accept_return", "refuse"], "refused"),
        ([SENT, "sign_in", "feed_back", BAD, "redo", "feed_back", BAD, "close_explained"], "closed"),
        ([SENT, "sign_in", "feed_back", GOOD, "reopen", SENT], "dispatched"),
        ([SENT, "sign_in", "withdraw"], "withdrawn"),
        ([SENT, "sign_in", "feed_back", ("close_unreached", {"revisit_attempted_count": 3})], "closed"),
    ],
)
def test_a_ticket_finds_its_way(actions: list[Any], state: str) -> None:
    assert way(qianjiang(), *actions) == state


def test_who_was_not_reached_is_tried_three_times() -> None:
    assert step(qianjiang(), "fed_back", "close_unreached", revisit_attempted_count=2) is None


def test_a_refusal_explains_and_guides() -> None:
    refuse = step(qianjiang(), "registered", "refuse")
    assert refuse is not None
    assert set(refuse.requires) == set(qianjiang().policy("refuse.requires").value)


def test_what_is_not_in_the_text_is_not_put_in_its_mouth() -> None:
    rules = qianjiang()
    kinds = {path: (leaf.value, leaf.cite.kind) for path, leaf in rules.policies.items()}
    assert kinds["extension.max_count"] == (None, "silent")
    assert kinds["return.late_flag"] == (None, "silent")
    assert kinds["lights"] == (None, "silent")
    assert kinds["withdraw"] == (True, "product_default")
    assert kinds["archive.retention"] == (None, "silent")
    assert rules.document["status"] == "in_force"


def test_units_solve_matters_at_the_root() -> None:
    leaf = qianjiang().policy("root_causes")
    assert (leaf.value, leaf.cite.kind, leaf.cite.article, leaf.cite.item) == (True, "text", "5", "(二)")


def test_eight_grounds_are_answered_for_and_ten_are_refused() -> None:
    rules = qianjiang()
    assert len(rules.policy("accountability").value) == 8
    assert len(rules.policy("scope.refuse").value) == 10


@pytest.mark.parametrize("relation", ["accused", "auditor", "discipline", "leader", "other"])
def test_who_has_no_work_with_the_caller_sees_nothing_of_them(relation: str) -> None:
    assert visible(qianjiang().views["caller"], relation, CALLER) == {}


@pytest.mark.parametrize("relation", ["operator", "dispatcher", "supervisor", "handler", "co_handler"])
def test_nobody_sees_the_caller_in_the_clear_or_their_address_on_the_net(relation: str) -> None:
    shown = visible(qianjiang().views["caller"], relation, CALLER)
    assert "ip" not in shown
    assert not set(shown.values()) & set(CALLER.values())
