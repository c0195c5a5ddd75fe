"""Tickets of Ganzhou, from the call to the archive and at the edge of each limit."""

from __future__ import annotations

from typing import Any

import pytest

from core.errors import Conflict, Invalid, NotPermitted
from hotline.model import Held
from tests.cast import beth, dora, hans, otto, sven
from tests.conftest import World
from tests.hotline.kit import acted, taken
from tests.hotline.places.steps import FIVE_PARTS, at, due, new, sent, supervised, swept, timed

COMPLAINT = {"type": "complaint"}


def rated(world: World, held: Held, satisfaction: str) -> Held:
    """The unit feeds back, the platform answers, the caller is asked."""
    held = acted(world, hans, held, "feed_back", **FIVE_PARTS)
    held = acted(world, otto, held, "reply", channel_used="phone")
    return acted(world, otto, held, "revisit", satisfaction=satisfaction)


def test_a_complaint_of_the_eve_of_spring_festival_keeps_its_limits(gz_desk: World) -> None:
    at(gz_desk, "2026-02-13T16:40")
    held = acted(gz_desk, dora, new(gz_desk, COMPLAINT), "dispatch", unit="housing")
    assert due(gz_desk, held, "sign_in") == "2026-02-14 09:40:00"
    assert due(gz_desk, held, "return") == "2026-02-14 11:40:00"
    assert due(gz_desk, held, "handle") == "2026-02-27 23:59:59"
    at(gz_desk, "2026-02-14T09:30")
    held = acted(gz_desk, hans, held, "sign_in")
    at(gz_desk, "2026-02-27T10:00")
    held = acted(gz_desk, hans, held, "feed_back", **FIVE_PARTS)
    assert due(gz_desk, held, "reply") == "2026-02-27 22:00:00"
    held = acted(gz_desk, otto, held, "reply", channel_used="sms")
    held = acted(gz_desk, otto, held, "revisit", satisfaction="fairly_satisfied")
    held = acted(gz_desk, otto, held, "archive")
    assert (held.case.state, held.ticket.satisfied) == ("archived", True)
    assert not any(clock.breached for clock in timed(gz_desk, held).values())


def test_urgent_help_at_night_is_due_in_three_hours(gz_desk: World) -> None:
    at(gz_desk, "2026-02-16T22:10")
    held = acted(gz_desk, dora, new(gz_desk, {"type": "urgent_help"}), "dispatch", unit="housing")
    assert {due(gz_desk, held, c) for c in ("sign_in", "return", "handle")} == {"2026-02-17 01:10:00"}


def test_a_dispatch_classifies_a_ticket_that_nobody_classified(gz_desk: World) -> None:
    held = taken(gz_desk, category="utilities").held
    with pytest.raises(Invalid) as refused:
        acted(gz_desk, dora, held, "dispatch", unit="housing")
    assert [e.pointer for e in refused.value.errors] == ["/type"]
    held = acted(gz_desk, dora, held, "dispatch", unit="housing", type="suggestion")
    assert due(gz_desk, held, "handle") == "2026-02-13 23:59:59"


def test_a_draft_of_an_order_follows_ten_minutes_before_the_sign_in_is_due_and_once(gz_desk: World) -> None:
    at(gz_desk, "2026-02-10T10:00")
    acted(gz_desk, dora, new(gz_desk, COMPLAINT), "dispatch", unit="housing")
    at(gz_desk, "2026-02-10T10:50:00")
    swept(gz_desk)
    assert supervised(gz_desk, sven) == []
    at(gz_desk, "2026-02-10T10:50:01")
    swept(gz_desk)
    swept(gz_desk)
    assert supervised(gz_desk, sven) == ["written_supervision"]


def test_who_signed_in_time_is_not_supervised_for_it(gz_desk: World) -> None:
    at(gz_desk, "2026-02-10T10:00")
    sent(gz_desk, COMPLAINT)
    at(gz_desk, "2026-02-10T12:00")
    swept(gz_desk)
    assert supervised(gz_desk, sven) == []


def extended(world: World, held: Held, **fields: Any) -> Held:
    held = acted(world, hans, held, "request_extension", reason="需要跨部门协调", **fields)
    return acted(world, dora, held, "extend", **fields)


def test_a_complaint_is_extended_twice_over_national_day_and_not_a_third_time(gz_desk: World) -> None:
    at(gz_desk, "2026-09-22T09:50")
    held = sent(gz_desk, COMPLAINT)
    at(gz_desk, "2026-09-30T23:59:59")
    held = extended(gz_desk, held)
    assert due(gz_desk, held, "handle") == "2026-10-13 23:59:59"
    at(gz_desk, "2026-10-13T09:00")
    held = extended(gz_desk, held)
    assert due(gz_desk, held, "handle") == "2026-10-20 23:59:59"
    with pytest.raises(Conflict):
        extended(gz_desk, held)


def test_an_extension_is_asked_for_before_the_limit_ends(gz_desk: World) -> None:
    at(gz_desk, "2026-02-10T09:00")
    held = sent(gz_desk, COMPLAINT)
    at(gz_desk, "2026-02-25T00:00:00")
    with pytest.raises(Conflict):
        extended(gz_desk, held)


def test_more_than_five_days_take_a_reason(gz_desk: World) -> None:
    at(gz_desk, "2026-02-10T09:00")
    held = sent(gz_desk, COMPLAINT)
    with pytest.raises(Invalid):
        extended(gz_desk, held, by=8)
    held = extended(gz_desk, held, by=8, override_reason="需等待检测机构出具报告")
    assert due(gz_desk, held, "handle") == "2026-03-05 23:59:59"


def test_a_late_feedback_says_why(gz_desk: World) -> None:
    at(gz_desk, "2026-02-10T09:00")
    held = sent(gz_desk, COMPLAINT)
    at(gz_desk, "2026-02-25T09:00")
    with pytest.raises(Invalid) as refused:
        acted(gz_desk, hans, held, "feed_back", **FIVE_PARTS)
    assert [e.pointer for e in refused.value.errors] == ["/overdue_reason"]
    assert acted(gz_desk, hans, held, "feed_back", **FIVE_PARTS, overdue_reason="备件缺货").case.state == (
        "fed_back"
    )


def test_what_is_poor_goes_back_and_after_two_handlings_the_head_signs_a_form(gz_desk: World) -> None:
    held = rated(gz_desk, sent(gz_desk, COMPLAINT), "dissatisfied")
    assert held.case.state == "recheck"
    assert due(gz_desk, held, "redo") == "2026-02-10 23:59:59"
    held = acted(gz_desk, dora, held, "redo", explanation="漏修一处")
    assert held.ticket.handlings == 2
    held = rated(gz_desk, held, "very_dissatisfied")
    assert held.case.state == "review_form"
    form = {k: v for k, v in FIVE_PARTS.items() if k != "caller_says"}
    held = acted(gz_desk, hans, held, "file_form", **form, signed_by="局长")
    with pytest.raises(NotPermitted):
        acted(gz_desk, otto, held, "confirm_result", explanation="符合规定")
    held = acted(gz_desk, beth, held, "order_redo", explanation="答复不准确", limit_days=2)
    assert due(gz_desk, held, "handle") == "2026-02-12 23:59:59"
    assert held.ticket.handlings == 3


def test_a_hung_matter_is_not_late_and_is_cleared_before_it_is_closed(gz_desk: World) -> None:
    held = sent(gz_desk, COMPLAINT)
    held = acted(gz_desk, hans, held, "request_hang", reason="需列入年度改造", hang_scope="老旧管网")
    held = acted(gz_desk, beth, held, "hang")
    assert held.ticket.hung
    at(gz_desk, "2026-03-11T00:00:01")
    assert not timed(gz_desk, held)["handle"].breached
    assert timed(gz_desk, held)["hang_review"].passed
    held = acted(gz_desk, hans, held, "update_hung", progress="已立项")
    assert due(gz_desk, held, "hang_review") == "2026-04-11 23:59:59"
    with pytest.raises(Conflict):
        acted(gz_desk, hans, held, "feed_back", **FIVE_PARTS)
    held = acted(gz_desk, beth, held, "unhang", note="改造完成")
    assert not held.ticket.hung
    assert due(gz_desk, held, "handle") == "2026-03-18 23:59:59"


def test_a_limit_set_by_law_holds_until_the_redo(gz_desk: World) -> None:
    held = sent(gz_desk, COMPLAINT)
    held = acted(
        gz_desk, dora, held, "set_statutory", statutory_due="2026-04-30T17:00:00+08:00", basis="行政复议法"
    )
    assert due(gz_desk, held, "handle") == "2026-04-30 17:00:00"
    held = rated(gz_desk, held, "dissatisfied")
    held = acted(gz_desk, dora, held, "redo", explanation="仍有遗漏")
    assert due(gz_desk, held, "handle") == "2026-02-24 23:59:59"


def test_who_is_not_reached_is_called_for_a_day_before_the_ticket_closes(gz_desk: World) -> None:
    held = acted(gz_desk, hans, sent(gz_desk, COMPLAINT), "feed_back", **FIVE_PARTS)
    vain = {"channel_used": "phone", "attempt_result": "no_answer"}
    for hour in ("11", "15", "20"):
        at(gz_desk, f"2026-02-10T{hour}:00")
        held = acted(gz_desk, otto, held, "attempt", **vain)
    at(gz_desk, "2026-02-11T11:00:00")
    with pytest.raises(Conflict):
        acted(gz_desk, otto, held, "close_unreached", explanation="三次未接")
    at(gz_desk, "2026-02-11T11:00:01")
    assert acted(gz_desk, otto, held, "close_unreached", explanation="三次未接").case.state == "closed"


def test_two_calls_do_not_do_however_long_ago(gz_desk: World) -> None:
    held = acted(gz_desk, hans, sent(gz_desk, COMPLAINT), "feed_back", **FIVE_PARTS)
    for _ in range(2):
        held = acted(gz_desk, otto, held, "attempt", channel_used="phone", attempt_result="busy")
    at(gz_desk, "2026-02-20T11:00")
    with pytest.raises(Conflict):
        acted(gz_desk, otto, held, "close_unreached", explanation="两次未接")


def test_a_returned_ticket_goes_to_another_unit_with_limits_of_its_own(gz_desk: World) -> None:
    at(gz_desk, "2026-02-10T10:00")
    held = acted(gz_desk, dora, new(gz_desk, COMPLAINT), "dispatch", unit="housing")
    at(gz_desk, "2026-02-10T13:00:00")
    why = {"reason": "不属本单位", "basis": "三定方案", "contacted_at": "2026-02-10T11:00:00+08:00"}
    held = acted(gz_desk, hans, held, "return", **why)
    held = acted(gz_desk, dora, held, "accept_return")
    assert held.case.state == "registered"
    at(gz_desk, "2026-02-11T10:00")
    held = acted(gz_desk, dora, held, "dispatch", unit="police")
    assert due(gz_desk, held, "handle") == "2026-02-25 23:59:59"


def test_a_return_after_three_hours_says_why_it_is_late(gz_desk: World) -> None:
    at(gz_desk, "2026-02-10T10:00")
    held = acted(gz_desk, dora, new(gz_desk, COMPLAINT), "dispatch", unit="housing")
    at(gz_desk, "2026-02-10T13:00:01")
    why = {"reason": "不属本单位", "basis": "三定方案", "contacted_at": "2026-02-10T11:00:00+08:00"}
    with pytest.raises(Invalid) as refused:
        acted(gz_desk, hans, held, "return", **why)
    assert [e.pointer for e in refused.value.errors] == ["/overdue_reason"]


def test_a_provincial_ticket_is_fed_back_half_a_day_early(gz_desk: World) -> None:
    at(gz_desk, "2026-02-13T16:40")
    held = new(gz_desk, COMPLAINT, origin="province")
    held = acted(gz_desk, dora, held, "dispatch", unit="housing")
    held = acted(gz_desk, hans, held, "sign_in")
    assert due(gz_desk, held, "provincial_feedback") == "2026-02-27 13:00:00"
    at(gz_desk, "2026-02-27T13:00:00")
    swept(gz_desk)
    assert supervised(gz_desk, sven) == []
    at(gz_desk, "2026-02-27T13:00:01")
    swept(gz_desk)
    assert supervised(gz_desk, sven) == ["written_supervision"]


def test_feedback_three_hours_before_its_limit_draws_no_order(gz_desk: World) -> None:
    at(gz_desk, "2026-02-13T16:40")
    held = sent(gz_desk, COMPLAINT)
    assert due(gz_desk, held, "feedback_supervision") == "2026-02-27 14:00:00"
    assert "provincial_feedback" not in timed(gz_desk, held)
    at(gz_desk, "2026-02-27T14:00:00")
    held = acted(gz_desk, hans, held, "feed_back", **FIVE_PARTS)
    at(gz_desk, "2026-02-27T14:00:01")
    swept(gz_desk)
    assert supervised(gz_desk, sven) == []


def test_without_feedback_three_hours_before_the_limit_an_order_is_drafted(gz_desk: World) -> None:
    at(gz_desk, "2026-02-13T16:40")
    sent(gz_desk, COMPLAINT)
    at(gz_desk, "2026-02-27T14:00:01")
    swept(gz_desk)
    assert supervised(gz_desk, sven) == ["written_supervision"]
