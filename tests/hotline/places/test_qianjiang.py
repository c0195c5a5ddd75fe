"""Tickets of Qianjiang, from the call to the archive and at the edge of each limit."""

from __future__ import annotations

from typing import Any

import pytest

from core.errors import Conflict, Invalid
from hotline.model import Held
from hotline.supervising.acting import act_on_supervision
from hotline.supervising.opening import open_supervision
from tests.cast import dora, hans, hugo, lena, otto, sven
from tests.conftest import World
from tests.hotline.kit import acted, taken
from tests.hotline.places.steps import at, due, supervised, swept, timed


def new(world: World, level: str = "ordinary", **draft: Any) -> Held:
    return taken(world, facts={"level": level, "type": "complaint"}, **draft).held


def sent(world: World, level: str = "ordinary", **fields: Any) -> Held:
    held = acted(world, dora, new(world, level), "dispatch", unit="housing", **fields)
    return acted(world, hans, held, "sign_in")


def answered(world: World, held: Held, satisfaction: str) -> Held:
    held = acted(world, hans, held, "feed_back", reply="已处理。")
    return acted(world, otto, held, "revisit", satisfaction=satisfaction)


def test_an_ordinary_complaint_is_closed_after_its_revisit(desk: World) -> None:
    at(desk, "2026-02-10T10:30")
    held = sent(desk)
    assert (due(desk, held, "contact"), due(desk, held, "handle"), due(desk, held, "target")) == (
        "2026-02-11 23:59:59",
        "2026-02-13 23:59:59",
        "2026-02-12 23:59:59",
    )
    held = acted(desk, hans, held, "contact", channel_used="phone")
    at(desk, "2026-02-13T16:00")
    held = acted(desk, otto, answered(desk, held, "satisfied"), "archive")
    assert (held.case.state, held.ticket.satisfied) == ("archived", True)
    assert not any(clock.breached for clock in timed(desk, held).values())


def test_an_urgent_ticket_of_new_year_s_eve_alarms_within_two_hours_and_breaches_after_the_festival(
    desk: World,
) -> None:
    at(desk, "2026-02-16T20:00")
    held = acted(desk, dora, new(desk, "urgent"), "dispatch", unit="housing")
    assert due(desk, held, "urgent_in_holiday") == "2026-02-16 22:00:00"
    at(desk, "2026-02-24T23:59:59")
    swept(desk)
    assert supervised(desk, sven) == []
    at(desk, "2026-02-25T00:00")
    swept(desk)
    assert supervised(desk, sven) == ["supervision"]  # one draft, though contact and handling are both late


def test_only_an_especially_complex_matter_is_extended_and_by_what_the_office_says(desk: World) -> None:
    at(desk, "2025-09-30T11:00")
    with pytest.raises(Conflict):
        acted(desk, hans, sent(desk, "complex"), "request_extension", reason="复杂", by=5)
    held = acted(desk, hans, sent(desk, "special"), "request_extension", reason="复杂", by=10)
    held = acted(desk, dora, held, "extend", by=10)
    assert due(desk, held, "handle") == "2025-10-28 23:59:59"


def test_a_refused_return_leaves_the_unit_its_old_time(desk: World) -> None:
    at(desk, "2026-02-10T10:30")
    held = sent(desk)
    with pytest.raises(Invalid):
        acted(desk, hans, held, "return", reason="非本单位职责")
    held = acted(desk, hans, held, "return", reason="非本单位职责", basis="三定方案")
    at(desk, "2026-02-12T10:30")
    held = acted(desk, dora, held, "refuse_return", reason="属本单位职责")
    assert (held.case.state, due(desk, held, "handle")) == ("handling", "2026-02-13 23:59:59")


def test_an_agreed_return_gives_the_next_unit_its_own_time(desk: World) -> None:
    at(desk, "2026-02-10T10:30")
    held = acted(desk, hans, sent(desk), "return", reason="非本单位职责", basis="三定方案")
    held = acted(desk, dora, held, "accept_return")
    at(desk, "2026-02-13T10:30")
    held = acted(desk, dora, held, "dispatch", unit="police")
    assert due(desk, held, "handle") == "2026-02-25 23:59:59"
    assert acted(desk, hugo, held, "sign_in").case.state == "handling"


def test_a_dissatisfied_caller_has_it_done_again_or_explained(desk: World) -> None:
    at(desk, "2026-02-10T10:30")
    held = answered(desk, sent(desk), "dissatisfied")
    at(desk, "2026-02-11T10:30")
    held = acted(desk, dora, held, "redo", reason="未解决")
    assert (due(desk, held, "handle"), held.ticket.handlings) == ("2026-02-14 23:59:59", 2)
    held = answered(desk, held, "dissatisfied")
    held = acted(desk, dora, held, "close_explained", explanation="客观条件限制")
    assert held.case.state == "closed"


def test_the_law_s_time_holds_until_the_handling_is_over(desk: World) -> None:
    at(desk, "2026-02-10T10:30")
    held = acted(
        desk, dora, sent(desk), "set_statutory", statutory_due="2026-04-10T23:59:59+08:00", basis="某条例"
    )
    assert due(desk, held, "handle") == "2026-04-10 23:59:59"
    held = acted(desk, dora, answered(desk, held, "dissatisfied"), "redo", reason="未解决")
    assert due(desk, held, "handle") == "2026-02-13 23:59:59"


def test_nobody_else_than_the_level_is_needed_to_dispatch(desk: World) -> None:
    held = taken(desk, facts={}).held
    with pytest.raises(Invalid) as refused:
        acted(desk, dora, held, "dispatch", unit="housing")
    assert [e.pointer for e in refused.value.errors] == ["/level"]
    assert acted(desk, dora, held, "dispatch", unit="housing", level="urgent").case.state == "dispatched"


def test_who_cannot_be_reached_is_tried_three_times(desk: World) -> None:
    held = acted(desk, hans, sent(desk), "feed_back", reply="已处理。")
    for _ in range(3):
        with pytest.raises(Conflict):
            acted(desk, otto, held, "close_unreached", explanation="联系不上")
        held = acted(desk, otto, held, "attempt", attempt_result="no_answer")
    assert acted(desk, otto, held, "close_unreached", explanation="联系不上").case.state == "closed"


def test_what_stays_unsolved_is_reported_to_the_leaders(desk: World) -> None:
    held = sent(desk)
    with desk.work(sven) as work:
        said = {"report_ground": "unsolved", "statement": "协调督办后仍未解决"}
        report = open_supervision(work, held.ticket.id, "leader_report", said)
    steps = [
        (sven, "report", {"statement": "协调督办后仍未解决"}),
        (lena, "instruct", {"instruction": "限期解决"}),
    ]
    for who, action, fields in [*steps, (sven, "end", {"decision": "已协调"})]:
        with desk.work(who) as work:
            report = act_on_supervision(work, report.supervision.id, action, fields)
    assert report.case.state == "ended"
