"""The hotline of Ganzhou: its worked examples, its limits around days off, and the ways of a ticket."""

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

COMPLAINT, URGENT, PROVINCIAL = {"type": "投诉举报"}, {"type": "紧急求助"}, {"origin": "省级派件"}
TIMED = {"limit": "d5", "handle_running": True, "handle": False, "extension_requested": False}
OPEN = {"return": False, "handle": False, "limit": "d5"}


def ganzhou() -> Rulebook:
    return hotline("ganzhou")


# --- worked examples --------------------------------------------------------------------------------


def test_a_working_hour_splits_over_friday_evening_and_a_make_up_saturday() -> None:
    events = {"dispatched": "2026-02-13T16:40", "fed_back": "2026-02-27T10:00"}
    assert instants(ganzhou(), events, COMPLAINT | PROVINCIAL) == {
        "sign_in": "2026-02-14 09:40:00",
        "sign_in_supervision": "2026-02-14 09:30:00",
        "return": "2026-02-14 11:40:00",
        "handle": "2026-02-27 23:59:59",
        "feedback_supervision": "2026-02-27 14:00:00",
        "provincial_feedback": "2026-02-27 13:00:00",
        "reply": "2026-02-27 22:00:00",
    }


def test_urgent_help_on_new_year_s_eve_is_due_in_three_hours_and_so_is_everything_else() -> None:
    due = "2026-02-17 01:10:00"
    found = instants(ganzhou(), {"dispatched": "2026-02-16T22:10"}, URGENT)
    assert found == {"sign_in": due, "return": due, "handle": due}


def test_sign_in_of_a_complaint_at_the_same_hour_waits_for_the_next_working_day() -> None:
    found = instants(ganzhou(), {"dispatched": "2026-02-16T22:10"}, COMPLAINT)
    assert (found["sign_in"], found["return"]) == ("2026-02-24 10:00:00", "2026-02-24 12:00:00")


def test_two_extensions_are_of_five_working_days_each() -> None:
    events = {"dispatched": "2026-09-22T09:50"}
    assert instants(ganzhou(), events, COMPLAINT | PROVINCIAL) == {
        "sign_in": "2026-09-22 10:50:00",
        "sign_in_supervision": "2026-09-22 10:40:00",
        "return": "2026-09-22 12:50:00",
        "handle": "2026-09-30 23:59:59",
        "feedback_supervision": "2026-09-30 14:00:00",
        "provincial_feedback": "2026-09-30 13:00:00",
    }
    once = ask(ganzhou(), events | {"extended": "2026-09-29T10:00"}, COMPLAINT)["handle"]
    assert once["due"].startswith("2026-10-13T23:59:59")
    assert once["extendable_to"].startswith("2026-10-20T23:59:59")


def test_an_urge_notice_leaves_two_working_days_before_a_packet_is_drafted() -> None:
    events = {"dispatched": "2025-10-09T10:00", "urged": "2025-10-17T09:00"}
    assert instants(ganzhou(), events, COMPLAINT) == {
        "sign_in": "2025-10-09 11:00:00",
        "sign_in_supervision": "2025-10-09 10:50:00",
        "return": "2025-10-09 13:00:00",
        "handle": "2025-10-15 23:59:59",
        "feedback_supervision": "2025-10-15 14:00:00",
        "urge_grace": "2025-10-21 23:59:59",
    }
    grace = next(rule for rule in ganzhou().clocks if rule.name == "urge_grace")
    assert grace.on_breach is not None
    assert grace.on_breach.opens == "accountability"


# --- limits around days off -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("facts", "dispatched", "due"),
    [
        ({"type": "政策咨询"}, "2026-02-14T10:00", "2026-02-24 23:59:59"),
        ({"type": "意见建议"}, "2026-02-14T10:00", "2026-02-26 23:59:59"),
        ({"type": "投诉"}, "2026-09-19T10:00", "2026-09-24 23:59:59"),
        ({"type": "求助"}, "2026-09-28T10:00", "2026-10-10 23:59:59"),
        ({"type": "咨询求助", "mode": "24小时"}, "2026-09-30T10:00", "2026-10-08 23:59:59"),
        ({"type": "咨询求助", "mode": "3小时"}, "2026-10-01T23:30", "2026-10-02 02:30:00"),
        ({"type": "其他", "mode": "三天"}, "2026-10-07T10:00", "2026-10-10 23:59:59"),
        ({"type": "其他"}, "2026-10-07T10:00", "2026-10-13 23:59:59"),
        ({"type": "咨询求助", "mode": "即办"}, "2026-10-07T10:00", None),
        ({"type": "知识库"}, "2026-10-07T10:00", None),
        ({"type": "投诉举报", "mode": "3小时"}, "2026-10-12T10:00", "2026-10-19 23:59:59"),
    ],
)
def test_the_class_limits_the_handling_and_the_mode_where_the_class_does_not(
    facts: dict[str, str], dispatched: str, due: str | None
) -> None:
    assert dues(ganzhou(), {"dispatched": dispatched}, facts)["handle"] == due


def test_a_limit_that_runs_into_a_year_without_a_calendar_is_provisional() -> None:
    found = ask(ganzhou(), {"dispatched": "2026-12-30T10:00"}, COMPLAINT)
    assert found["handle"]["provisional"]
    assert not found["sign_in"]["provisional"]
    assert not ask(ganzhou(), {"dispatched": "2026-12-23T10:00"}, COMPLAINT)["handle"]["provisional"]


def test_a_major_event_is_answered_in_hours_and_reported_on_in_days() -> None:
    facts = {"type": "投诉举报", "重大突发": "是"}
    events = {"dispatched": "2026-02-14T16:30", "fed_back": "2026-02-25T10:00"}
    found = instants(ganzhou(), events, facts)
    assert found["opinion"] == "2026-02-14 19:30:00"
    assert found["progress"] == "2026-02-26 23:59:59"
    assert "reply" not in found  # the unit itself answers the caller (I-H-30)


def test_without_the_class_nothing_is_said_of_the_handling() -> None:
    with pytest.raises(Invalid) as refused:
        dues(ganzhou(), {"dispatched": "2026-02-13T16:40"})
    assert [e.pointer for e in refused.value.errors] == ["/facts/type"]


def test_a_limit_set_by_law_takes_the_place_of_the_class() -> None:
    facts = COMPLAINT | {"statutory": "是", "statutory_due": "2026-03-31T17:00"}
    found = instants(ganzhou(), {"dispatched": "2026-02-13T16:40"}, facts)
    assert found["handle"] == "2026-03-31 17:00:00"


# --- extension, return, redo ------------------------------------------------------------------------


def extended(*events: Any, **fields: Any) -> str:
    now = parse_instant("2026-09-29T10:00")
    facts = ganzhou().facts(COMPLAINT)
    return str(extended_due(ganzhou(), "ticket", facts, events, calendar(), now, "handle", fields))[:10]


def test_an_extension_goes_to_its_edge_and_beyond_it_for_a_reason_alone() -> None:
    sent = happened("dispatched", "2026-09-22T09:50")
    assert extended(sent) == extended(sent, by=5) == "2026-10-13"
    assert extended(sent, by=2) == "2026-10-09"
    with pytest.raises(Invalid):
        extended(sent, by=6)
    assert extended(sent, by=6, override_reason="需等省级鉴定") == "2026-10-14"


def test_there_is_no_third_extension() -> None:
    sent = happened("dispatched", "2026-09-22T09:50")
    more = [happened("extended", f"2026-09-2{n}T10:00") for n in (3, 4)]
    assert extended(sent, more[0]) == "2026-10-20"
    with pytest.raises(Conflict, match="no further extension"):
        extended(sent, *more)
    assert step(ganzhou(), "handling", "request_extension", **TIMED, extended_count=1) is not None
    assert step(ganzhou(), "handling", "request_extension", **TIMED, extended_count=2) is None


def test_what_is_late_or_urgent_is_not_extended() -> None:
    late, urgent = TIMED | {"handle": True}, TIMED | {"limit": "h3"}
    for facts in (late, urgent):
        assert step(ganzhou(), "handling", "request_extension", **facts, extended_count=0) is None


def test_a_return_states_the_law_and_the_call_and_a_late_one_why_it_is_late() -> None:
    timely, late = step(ganzhou(), "handling", "return", **OPEN), step(ganzhou(), "handling", "return")
    assert timely is not None
    assert late is not None
    assert timely.requires == ("reason", "basis", "contacted_at")
    assert set(late.requires) - set(timely.requires) == {"overdue_reason"}


def test_a_refused_return_has_not_stopped_the_clock_and_an_accepted_one_has() -> None:
    sent, back = happened("dispatched", "2026-02-13T16:40"), happened("returned", "2026-02-14T10:00")
    refused = happened("return_refused", "2026-02-14T11:00")
    running = states(ganzhou(), COMPLAINT, sent, back, refused, now="2026-02-14T12:00")["handle"]
    assert running.running
    assert str(running.due)[:10] == "2026-02-27"
    accepted = happened("return_accepted", "2026-02-14T11:00")
    assert not states(ganzhou(), COMPLAINT, sent, back, accepted, now="2026-02-14T12:00")["handle"].running
    again = happened("dispatched", "2026-02-24T09:00")
    anew = states(ganzhou(), COMPLAINT, sent, back, accepted, again, now="2026-02-24T10:00")["handle"]
    assert str(anew.due)[:10] == "2026-03-02"


def test_what_was_poor_goes_back_the_same_day_and_is_timed_anew() -> None:
    events = [
        happened("dispatched", "2026-02-10T09:00"),
        happened("fed_back", "2026-02-12T09:00"),
        happened("recheck_begun", "2026-02-13T15:00"),
    ]
    assert str(states(ganzhou(), COMPLAINT, *events, now="2026-02-13T16:00")["redo"].due)[:19] == (
        "2026-02-13 23:59:59"
    )
    redone = happened("redone", "2026-02-13T18:00")
    found = states(ganzhou(), COMPLAINT, *events, redone, now="2026-02-13T19:00")
    assert str(found["handle"].due)[:10] == "2026-02-27"
    ordered = happened("redone", "2026-02-13T18:00", limit_days=2)
    found = states(ganzhou(), COMPLAINT, *events, ordered, now="2026-02-13T19:00")
    assert str(found["handle"].due)[:10] == "2026-02-24"


# --- ways -------------------------------------------------------------------------------------------

BAD = ("revisit", {"is_satisfied": False, "fed_back_count": 1})
BAD_TWICE = ("revisit", {"is_satisfied": False, "fed_back_count": 2})
ANSWERED = ["dispatch", "sign_in", ("feed_back", OPEN), "reply"]


@pytest.mark.parametrize(
    ("actions", "state"),
    [
        (["answer", "archive"], "archived"),
        (["put_through", "archive"], "archived"),
        (["refuse"], "refused"),
        (["guide"], "guided"),
        (["hand_off"], "handed_off"),
        (["merge"], "merged"),
        (["withdraw"], "withdrawn"),
        ([*ANSWERED, "revisit", "withhold", "archive"], "archived"),
        ([*ANSWERED, BAD, "uphold"], "closed"),
        ([*ANSWERED, BAD, "redo", ("feed_back", OPEN), BAD_TWICE, "file_form", "confirm_result"], "closed"),
        ([*ANSWERED, BAD_TWICE, "file_form", "order_redo"], "handling"),
        (["dispatch", ("return", OPEN), "accept_return", "dispatch", "sign_in"], "handling"),
        (["dispatch", ("return", OPEN), "refuse_return"], "handling"),
        (["dispatch", "sign_in", ("request_hang", {}), ("hang", {"hang_requested": True})], "hung"),
        (["dispatch", "sign_in", ("hang", {"hang_requested": True}), "unhang"], "handling"),
        (["dispatch", "sign_in", "redispatch"], "dispatched"),
    ],
)
def test_a_ticket_finds_its_way(actions: list[Any], state: str) -> None:
    assert way(ganzhou(), *actions) == state


def test_who_was_not_reached_is_called_three_times_and_for_a_day() -> None:
    done = {"revisit_attempted_count": 3, "contact_window": True}
    assert step(ganzhou(), "fed_back", "close_unreached", **done) is not None
    for short in ({"revisit_attempted_count": 2}, {"contact_window": False}):
        assert step(ganzhou(), "fed_back", "close_unreached", **{**done, **short}) is None
    window = instants(ganzhou(), {"revisit_attempted": "2026-02-16T20:00"}, {})
    assert window == {"contact_window": "2026-02-17 20:00:00"}


def test_an_urge_notice_follows_a_limit_that_has_passed() -> None:
    assert step(ganzhou(), "handling", "urge", handle=False) is None
    assert step(ganzhou(), "handling", "urge", handle=True) is not None
    assert step(ganzhou(), "handling", "report_delay", urge_grace_running=True) is not None


def test_a_result_speaks_of_five_things_in_their_order() -> None:
    feed_back = step(ganzhou(), "handling", "feed_back", handle=False)
    assert feed_back is not None
    names = tuple(entry["code"] for entry in ganzhou().policy("reply.format").value)
    assert feed_back.requires == names == tuple(ganzhou().policy("reply.requires").value)


def test_a_packet_is_signed_by_somebody_else_and_handed_over_by_a_person() -> None:
    packet = ganzhou().workflow("accountability")
    sign, hand_over = packet.find("draft", "sign", {}), packet.find("signed", "hand_over", {})
    assert sign is not None
    assert hand_over is not None
    assert sign.by_another
    assert sign.roles == hand_over.roles == {"business_environment"}
    assert "discipline" not in {r for t in packet.transitions if t.target == "signed" for r in t.tells}
    assert packet.opens_by is not None
    assert "discipline" not in packet.opens_by.parties


def test_what_the_text_does_not_say_is_not_put_in_its_mouth() -> None:
    kinds = {path: (leaf.value, leaf.cite.kind) for path, leaf in ganzhou().policies.items()}
    assert kinds["hours"] == (None, "silent")
    assert kinds["return.late_flag"] == (None, "silent")
    assert kinds["archive.retention"] == (None, "silent")
    assert kinds["urge.near_due"] == ("4wh", "product_default")
    assert kinds["urge.grace"] == ("2wd", "text")
    assert kinds["repeat.flag_at"] == (3, "text")
    assert ganzhou().document["status"] == "in_force"


def test_neither_the_accused_nor_a_stranger_learns_of_the_caller() -> None:
    caller = {"name": "王小明", "phone": "13800138000", "address": "园林路1号", "ip": "192.0.2.7"}
    for relation in ("accused", "auditor", "leader", "other"):
        assert visible(ganzhou().views["caller"], relation, caller) == {}
    for relation in ("operator", "handler", "co_handler", "supervisor"):
        shown = visible(ganzhou().views["caller"], relation, caller)
        assert "ip" not in shown
        assert not {"王小明", "13800138000", "园林路1号"} & set(shown.values())
