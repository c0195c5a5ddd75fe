"""Tickets of Tonghua, from the call to the archive and at the edge of each limit."""

from __future__ import annotations

import pytest

from cases.present import case_view
from core.errors import Conflict, Invalid
from hotline.model import Held
from tests.cast import dora, hans, lena, otto
from tests.conftest import World
from tests.hotline.kit import acted
from tests.hotline.places.steps import at, due, new, sent, supervised, swept, timed

GENERAL, URGENT, LEGAL = {"urgency": "general"}, {"urgency": "urgent"}, {"urgency": "legal"}
RESULT = {"reply": "已修复", "told_caller": "已电话答复", "reviewed_by": "副局长"}


def rated(world: World, held: Held, satisfaction: str) -> Held:
    """The unit feeds back and the caller is asked."""
    held = acted(world, hans, held, "feed_back", **RESULT)
    return acted(world, otto, held, "revisit", satisfaction=satisfaction)


def test_a_matter_is_dispatched_on_its_day_and_archived_on_the_day_it_closes(th_desk: World) -> None:
    at(th_desk, "2026-05-02T23:30")
    held = new(th_desk, GENERAL)
    assert due(th_desk, held, "dispatch") == "2026-05-02 23:59:59"
    at(th_desk, "2026-05-02T23:55")
    held = acted(th_desk, dora, held, "dispatch", unit="housing")
    assert due(th_desk, held, "return") == "2026-05-07 23:59:59"
    assert due(th_desk, held, "handle") == "2026-05-11 23:59:59"
    held = acted(th_desk, hans, held, "sign_in")
    at(th_desk, "2026-05-11T23:59:59")
    held = rated(th_desk, held, "fairly_satisfied")
    assert due(th_desk, held, "archive") == "2026-05-11 23:59:59"
    assert acted(th_desk, otto, held, "archive").case.closed_at == th_desk.now
    assert not any(clock.breached for clock in timed(th_desk, held).values())


def test_two_extensions_over_national_day_then_the_leader_s_meeting(th_desk: World) -> None:
    at(th_desk, "2025-09-23T14:40")
    held = sent(th_desk, {"urgency": "complex"})
    at(th_desk, "2025-09-28T23:59:59")
    held = acted(th_desk, hans, held, "request_extension", reason="需跨县协调")
    held = acted(th_desk, dora, held, "extend")
    assert due(th_desk, held, "handle") == "2025-10-13 23:59:59"
    assert due(th_desk, held, "extend_apply_by") == "2025-10-12 23:59:59"
    at(th_desk, "2025-10-12T20:00")
    with pytest.raises(Invalid) as refused:
        acted(th_desk, hans, held, "request_extension", reason="仍需协调")
    assert [e.pointer for e in refused.value.errors] == ["/deputy_signature"]
    held = acted(th_desk, hans, held, "request_extension", reason="仍需协调", deputy_signature="李副局长")
    held = acted(th_desk, dora, held, "extend")
    assert due(th_desk, held, "handle") == "2025-10-20 23:59:59"
    with pytest.raises(Conflict):
        acted(th_desk, hans, held, "request_extension", reason="三次", deputy_signature="李副局长")
    at(th_desk, "2025-10-21T00:00:00")
    acted(th_desk, hans, held, "report_to_leader", reason="两次延期仍未办结")
    assert "leader_meeting" in supervised(th_desk, lena)


def test_it_is_too_late_to_ask_on_the_last_day(th_desk: World) -> None:
    at(th_desk, "2025-09-23T14:40")
    held = sent(th_desk, GENERAL)
    at(th_desk, "2025-09-29T00:00:00")
    with pytest.raises(Conflict):
        acted(th_desk, hans, held, "request_extension", reason="需跨县协调")


def test_a_late_return_counts_as_late(th_desk: World) -> None:
    at(th_desk, "2026-02-13T10:05")
    held = sent(th_desk, GENERAL)
    at(th_desk, "2026-02-25T00:00:00")
    held = acted(th_desk, hans, held, "return", reason="不属本单位", basis="三定方案")
    assert "returned_late" in held.case.events[-1].names
    held = acted(th_desk, dora, held, "refuse_return", reason="属于本单位职责")
    assert due(th_desk, held, "handle") == "2026-02-27 23:59:59"


def test_an_urgent_matter_is_phoned_and_due_twelve_hours_after_the_call(th_desk: World) -> None:
    at(th_desk, "2026-02-16T20:00")
    held = new(th_desk, URGENT)
    with pytest.raises(Invalid) as refused:
        acted(th_desk, dora, held, "dispatch", unit="housing")
    assert [e.pointer for e in refused.value.errors] == ["/phoned_at"]
    held = acted(th_desk, dora, held, "dispatch", unit="housing", phoned_at="2026-02-16T19:40:00+08:00")
    assert due(th_desk, held, "handle") == "2026-02-17 07:40:00"
    at(th_desk, "2026-02-17T08:00")
    swept(th_desk)
    assert timed(th_desk, held)["handle"].breached
    assert supervised(th_desk, lena) == []  # in principle: it takes a reason and nothing follows by itself


def test_a_matter_that_the_law_times_is_entered_first_and_reported_on_later(th_desk: World) -> None:
    at(th_desk, "2026-02-13T10:05")
    held = sent(th_desk, LEGAL)
    assert due(th_desk, held, "enter") == "2026-02-27 23:59:59"
    assert timed(th_desk, held)["handle"].due is None
    at(th_desk, "2026-02-27T16:00")
    held = acted(
        th_desk,
        hans,
        held,
        "enter_procedure",
        procedure="已立案",
        statutory_due="2026-05-29T17:00:00+08:00",
        basis="行政处罚法",
    )
    assert not timed(th_desk, held)["enter"].running
    assert due(th_desk, held, "handle") == "2026-05-29 17:00:00"


def test_a_second_dissatisfied_rating_is_investigated(th_desk: World) -> None:
    held = rated(th_desk, sent(th_desk, GENERAL), "dissatisfied")
    assert supervised(th_desk) == []
    held = acted(th_desk, dora, held, "redo", explanation="诉求合理，应办未办")
    held = rated(th_desk, held, "dissatisfied")
    assert held.case.state == "dissatisfied"
    with th_desk.read(otto) as work:
        history = case_view(work, held.case)["history"]
    ratings = [step["title"]["en"] for step in history if step["action"] == "revisit"]
    assert ratings == ["Dissatisfied", "Dissatisfied a second time"]
    assert supervised(th_desk) == ["investigation"]
    held = acted(th_desk, otto, held, "close_conforming", basis="物业管理条例", explanation="答复符合规定")
    assert held.case.state == "closed"
