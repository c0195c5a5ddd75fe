"""Tickets of Ordos, as a demonstration tells them, at the edge of each limit."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from core.errors import Conflict, Invalid
from hotline.model import Held
from tests.cast import dora, hans, otto, sven
from tests.conftest import World
from tests.hotline.conftest import make_city
from tests.hotline.kit import acted, taken
from tests.hotline.places.steps import at, due, supervised, swept, timed


@pytest.fixture
def od_desk(tmp_path: Path, template_database: Path) -> Iterator[World]:
    """The hotline of Ordos."""
    made = make_city(tmp_path, template_database, "ordos")
    yield made
    made.database.close()


def new(world: World, **facts: Any) -> Held:
    return taken(world, facts={"type": "complaint", "assignment": "system", **facts}).held


def sent(world: World, **fields: Any) -> Held:
    held = acted(world, dora, new(world), "dispatch", unit="housing", **fields)
    return acted(world, hans, held, "sign_in")


def test_a_complaint_before_spring_festival_is_revisited_the_day_after_the_result(od_desk: World) -> None:
    at(od_desk, "2026-02-13T11:00")
    held = sent(od_desk)
    assert (due(od_desk, held, "return"), due(od_desk, held, "handle")) == (
        "2026-02-14 23:59:59",
        "2026-02-25 23:59:59",
    )
    at(od_desk, "2026-02-25T17:30")
    held = acted(od_desk, hans, held, "feed_back", reply="已处理。")
    assert due(od_desk, held, "revisit") == "2026-02-26 23:59:59"
    held = acted(od_desk, otto, held, "revisit", satisfaction="satisfied", channel_used="sms")
    held = acted(od_desk, otto, held, "archive")
    assert held.case.state == "archived"
    assert not any(clock.breached for clock in timed(od_desk, held).values())


def test_a_marked_limit_is_extended_fifteen_days_in_all(od_desk: World) -> None:
    at(od_desk, "2026-01-26T09:00")
    with pytest.raises(Invalid):
        sent(od_desk, limit_days=8)
    held = sent(od_desk, limit_days=7)
    assert due(od_desk, held, "handle") == "2026-02-04 23:59:59"
    for by in (10, 5):
        held = acted(od_desk, hans, held, "request_extension", reason="材料未到", by=by)
        held = acted(od_desk, dora, held, "extend", by=by)
    assert due(od_desk, held, "handle") == "2026-03-03 23:59:59"
    held = acted(od_desk, hans, held, "request_extension", reason="材料未到", by=1)
    with pytest.raises(Conflict):
        acted(od_desk, dora, held, "extend", by=1)


def test_more_time_is_not_asked_for_once_it_is_late(od_desk: World) -> None:
    at(od_desk, "2026-01-26T09:00")
    held = sent(od_desk)
    at(od_desk, "2026-01-30T00:00")
    with pytest.raises(Conflict):
        acted(od_desk, hans, held, "request_extension", reason="材料未到", by=1)
    swept(od_desk)
    assert supervised(od_desk, sven) == ["supervision"]


def test_what_was_returned_late_is_explained_and_dispatched_anew(od_desk: World) -> None:
    at(od_desk, "2026-02-13T11:00")
    held = sent(od_desk, limit_days=5)
    at(od_desk, "2026-02-15T09:00")
    with pytest.raises(Invalid):
        acted(od_desk, hans, held, "return", reason="非本单位职责")
    held = acted(od_desk, hans, held, "return", reason="非本单位职责", overdue_reason="周末值班")
    held = acted(od_desk, dora, held, "dispatch", unit="police")
    assert due(od_desk, held, "handle") == "2026-02-26 23:59:59"


def test_what_is_incomplete_is_dispatched_again_and_supervised(od_desk: World) -> None:
    held = acted(od_desk, hans, sent(od_desk), "feed_back", reply="已处理。")
    held = acted(od_desk, otto, held, "revisit", satisfaction="dissatisfied", channel_used="phone")
    held = acted(od_desk, dora, held, "redo_supervised", reason="只处理了一半")
    assert (held.case.state, held.ticket.handlings) == ("dispatched", 2)
    assert supervised(od_desk, sven) == ["supervision"]


def test_what_leaders_assign_is_supervised_and_has_no_limit(od_desk: World) -> None:
    held = new(od_desk, assignment="leader")
    held = acted(od_desk, dora, held, "dispatch", unit="housing")
    assert supervised(od_desk, sven) == ["supervision"]
    assert timed(od_desk, held)["handle"].due is None


def test_what_the_media_report_is_supervised(od_desk: World) -> None:
    held = taken(od_desk, facts={"type": "complaint"}, origin="media").held
    acted(od_desk, dora, held, "dispatch", unit="housing")
    assert supervised(od_desk, sven) == ["supervision"]


def test_a_suggestion_that_is_not_adopted_is_answered_with_the_reason(od_desk: World) -> None:
    held = acted(od_desk, dora, new(od_desk, type="suggestion"), "dispatch", unit="housing")
    held = acted(od_desk, hans, held, "sign_in")
    with pytest.raises(Invalid):
        acted(od_desk, hans, held, "feed_back", reply="已研究")
    held = acted(
        od_desk, hans, held, "feed_back_not_adopted", reply="已研究", not_adopted_reason="不在规划范围"
    )
    assert held.case.state == "fed_back"


def test_what_a_unit_outside_the_network_handles_is_recorded_by_the_office(od_desk: World) -> None:
    held = new(od_desk)
    held = acted(od_desk, dora, held, "send_outside", outside_unit="某保险公司", channel_used="fax")
    held = acted(od_desk, otto, held, "record_result", reply="已赔付")
    assert held.case.state == "fed_back"
