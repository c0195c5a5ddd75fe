"""The hotline of Tonghua: its worked examples, its limits around days off, and the ways of a ticket."""

from __future__ import annotations

from typing import Any

import pytest

from core.errors import Conflict
from core.times import parse_instant
from rules.clocks import extended_due
from rules.rulebook import Rulebook
from tests.rules.books import calendar, dues
from tests.rules.hotline.asking import ask, happened, hotline, instants, states, step, way

GENERAL, COMPLEX, LEGAL = {"urgency": "一般事项"}, {"urgency": "复杂"}, {"urgency": "法定立案"}
URGENT = {"urgency": "紧急突发"}
TIMED = {"course": "general", "handle_running": True, "extend_apply_by": False}


def tonghua() -> Rulebook:
    return hotline("tonghua")


# --- worked examples --------------------------------------------------------------------------------


def test_a_general_matter_before_spring_festival() -> None:
    events = {"accepted": "2026-02-13T09:20", "dispatched": "2026-02-13T10:05"}
    assert instants(tonghua(), events, GENERAL) == {
        "dispatch": "2026-02-13 23:59:59",
        "return": "2026-02-24 23:59:59",
        "handle": "2026-02-27 23:59:59",
        "extend_apply_by": "2026-02-26 23:59:59",
    }


def test_a_complex_matter_is_extended_twice_over_national_day() -> None:
    events = {"accepted": "2025-09-23T14:10", "dispatched": "2025-09-23T14:40"}
    assert instants(tonghua(), events, COMPLEX) == {
        "dispatch": "2025-09-23 23:59:59",
        "return": "2025-09-25 23:59:59",
        "handle": "2025-09-29 23:59:59",
        "extend_apply_by": "2025-09-28 23:59:59",
    }
    once = ask(tonghua(), events | {"extended": "2025-09-28T16:00"}, COMPLEX)
    assert once["handle"]["due"].startswith("2025-10-13T23:59:59")
    assert once["handle"]["extendable_to"].startswith("2025-10-20T23:59:59")
    assert once["extend_apply_by"]["due"].startswith("2025-10-12T23:59:59")


def test_a_message_late_on_a_holiday_is_dispatched_before_midnight() -> None:
    events = {"accepted": "2026-05-02T23:30", "dispatched": "2026-05-02T23:55"}
    assert instants(tonghua(), events, GENERAL) == {
        "dispatch": "2026-05-02 23:59:59",
        "return": "2026-05-07 23:59:59",
        "handle": "2026-05-11 23:59:59",
        "extend_apply_by": "2026-05-10 23:59:59",
    }


# --- limits -----------------------------------------------------------------------------------------


def test_twelve_hours_of_an_urgent_matter_count_from_the_telephone_call() -> None:
    assert dues(tonghua(), {"dispatched": "2026-02-16T20:00"}, URGENT)["handle"] == "2026-02-17 08:00:00"
    called = happened("dispatched", "2026-02-16T20:00", phoned_at="2026-02-16T19:40:00+08:00")
    found = states(tonghua(), URGENT, called, now="2026-02-16T21:00")["handle"]
    assert str(found.due)[:19] == "2026-02-17 07:40:00"
    assert found.on_breach is not None
    assert found.on_breach.opens is None  # in principle: it takes a reason, and nothing follows by itself


def test_force_majeure_ends_the_twelve_hours() -> None:
    sent, flood = happened("dispatched", "2026-07-01T20:00"), happened("excepted", "2026-07-01T22:00")
    found = states(tonghua(), URGENT, sent, flood, now="2026-07-03T10:00")["handle"]
    assert not found.running
    assert not found.breached


@pytest.mark.parametrize("facts", [LEGAL, GENERAL | {"statutory": "true"}])
def test_what_the_law_times_is_entered_in_five_days_and_reported_on_later(facts: dict[str, str]) -> None:
    found = dues(tonghua(), {"dispatched": "2026-02-13T20:00"}, facts)
    assert (found["enter"], found["handle"]) == ("2026-02-27 23:59:59", None)
    assert "extend_apply_by" not in found
    known = facts | {"statutory_due": "2026-04-30T17:00"}
    assert dues(tonghua(), {"dispatched": "2026-02-13T20:00"}, known)["handle"] == "2026-04-30 17:00:00"
    assert step(tonghua(), "handling", "enter_procedure", course="two_stage") is not None


def test_a_limit_that_runs_into_a_year_without_a_calendar_is_provisional() -> None:
    found = ask(tonghua(), {"accepted": "2026-12-30T10:00", "dispatched": "2026-12-30T10:00"}, GENERAL)
    assert {name: entry["provisional"] for name, entry in found.items() if entry["due"]} == {
        "dispatch": False,
        "return": True,
        "handle": True,
        "extend_apply_by": True,
    }


def test_what_is_closed_is_archived_the_same_day_on_a_holiday_too() -> None:
    assert dues(tonghua(), {"closed": "2026-02-17T09:00"}, {}) == {"archive": "2026-02-17 23:59:59"}


# --- extension and return ---------------------------------------------------------------------------


def test_an_extension_is_asked_for_by_the_day_before() -> None:
    sent = happened("dispatched", "2025-09-23T14:40")
    for now, passed in (("2025-09-28T23:59:59", False), ("2025-09-29T00:00:00", True)):
        assert states(tonghua(), COMPLEX, sent, now=now)["extend_apply_by"].passed is passed
    late = TIMED | {"extend_apply_by": True}
    assert step(tonghua(), "handling", "request_extension", **late, extended_count=0) is None


def test_the_second_extension_bears_a_signature_and_there_is_no_third() -> None:
    first = step(tonghua(), "handling", "request_extension", **TIMED, extended_count=0)
    second = step(tonghua(), "handling", "request_extension", **TIMED, extended_count=1)
    assert first is not None
    assert second is not None
    assert first.requires == ("reason",)
    assert second.requires == ("reason", "deputy_signature")
    assert step(tonghua(), "handling", "request_extension", **TIMED, extended_count=2) is None
    sent = happened("dispatched", "2025-09-23T14:40")
    more = [happened("extended", "2025-09-28T10:00"), happened("extended", "2025-10-10T10:00")]
    now, facts = parse_instant("2025-10-11T10:00"), tonghua().facts(COMPLEX)
    with pytest.raises(Conflict, match="no further extension"):
        extended_due(tonghua(), "ticket", facts, [sent, *more], calendar(), now, "handle", {})


def test_what_two_extensions_did_not_finish_goes_to_the_leader_s_meeting() -> None:
    report = step(tonghua(), "handling", "report_to_leader", extended_count=2, handle=True)
    assert report is not None
    assert report.opens is not None
    assert report.opens.workflow == "leader_meeting" == tonghua().policy("extension.after_last").value
    assert step(tonghua(), "handling", "report_to_leader", extended_count=1, handle=True) is None


def test_a_late_return_is_on_record_as_such() -> None:
    timely = step(tonghua(), "dispatched", "return", **{"return": False})
    late = step(tonghua(), "dispatched", "return", **{"return": True})
    assert timely is not None
    assert late is not None
    assert timely.emits == ("returned",)
    assert late.emits == ("returned", "returned_late")
    assert tonghua().policy("return.late_flag").value == "overdue"


# --- ways -------------------------------------------------------------------------------------------

ANSWERED = ["dispatch", "sign_in", ("feed_back", {"handle": False})]
BAD = ("revisit", {"is_satisfied": False, "dissatisfied_count": 0})


@pytest.mark.parametrize(
    ("actions", "state"),
    [
        (["answer", "archive"], "archived"),
        (["refuse"], "refused"),
        (["hand_off"], "handed_off"),
        (["dispatch", "sign_in", "refuse"], "refused"),
        (["merge"], "merged"),
        ([*ANSWERED, "revisit", "archive"], "archived"),
        ([*ANSWERED, BAD, "redo"], "handling"),
        ([*ANSWERED, BAD, "close_conforming"], "closed"),
        ([*ANSWERED, ("close_unreached", {"revisit_attempted_count": 3})], "closed"),
        (["dispatch", ("return", {"return": True}), "refuse_return"], "handling"),
        (["dispatch", ("return", {"return": False}), "accept_return", "dispatch"], "dispatched"),
        (["dispatch", "sign_in", "redispatch", "withdraw"], "withdrawn"),
    ],
)
def test_a_ticket_finds_its_way(actions: list[Any], state: str) -> None:
    assert way(tonghua(), *actions) == state


def test_a_second_dissatisfied_rating_is_investigated() -> None:
    again = step(tonghua(), "fed_back", "revisit", is_satisfied=False, dissatisfied_count=1)
    first = step(tonghua(), "fed_back", "revisit", is_satisfied=False, dissatisfied_count=0)
    assert again is not None
    assert first is not None
    assert again.opens is not None
    assert again.opens.workflow == "investigation"
    assert first.opens is None


def test_an_urgent_matter_is_assigned_by_telephone() -> None:
    urgent = step(tonghua(), "registered", "dispatch", course="urgent")
    assert urgent is not None
    assert urgent.requires == ("unit", "phoned_at")


def test_a_refusal_states_its_basis_and_guides() -> None:
    refuse = step(tonghua(), "registered", "refuse")
    assert refuse is not None
    assert set(refuse.requires) == set(tonghua().policy("refuse.requires").value)
    assert len(tonghua().policy("scope.refuse").value) == 7


def test_what_the_text_does_not_say_is_not_put_in_its_mouth() -> None:
    kinds = {path: (leaf.value, leaf.cite.kind) for path, leaf in tonghua().policies.items()}
    assert kinds["lights"] == (None, "silent")
    assert kinds["urge.grace"] == (None, "silent")
    assert kinds["hang.approver"] == (None, "silent")
    assert kinds["satisfaction.max_handlings"] == (None, "silent")
    assert kinds["withdraw"] == (True, "product_default")
    assert kinds["repeat.flag_span"] == ("3mo", "text")
    assert kinds["hours"] == ("always", "text")
    assert tonghua().document["status"] == "trial"


def test_callers_look_up_the_progress_and_may_know_the_result() -> None:
    query, know = tonghua().policy("progress_query"), tonghua().policy("right_to_know")
    assert (query.value, query.cite.kind, query.cite.article) == ("self_service", "text", "13")
    assert (know.value, know.cite.kind, know.cite.article) == (["progress", "result"], "text", "24")


def test_satisfied_and_fairly_satisfied_close_a_ticket() -> None:
    scale = {e["code"]: e["satisfied"] for e in tonghua().policy("satisfaction.scale").value}
    assert {code for code, good in scale.items() if good} == {"satisfied", "fairly_satisfied"}
