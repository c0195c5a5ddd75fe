"""Tickets of Yuanmou, from the prefecture to the county's archive and at the edge of each limit."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from core.errors import Conflict, Invalid, NotPermitted
from hotline.model import Held
from tests.cast import dora, hans, hugo, otto, sue, sven
from tests.conftest import World
from tests.hotline.conftest import make_city
from tests.hotline.kit import acted, taken
from tests.hotline.places.steps import at, due, supervised, swept, timed


@pytest.fixture
def ym_desk(tmp_path: Path, template_database: Path) -> Iterator[World]:
    """The hotline of Yuanmou."""
    made = make_city(tmp_path, template_database, "yuanmou")
    yield made
    made.database.close()


def new(world: World, type_: str, **draft: Any) -> Held:
    """Take a ticket in that the prefecture passes on."""
    return taken(world, channel="state", facts={"type": type_}, **draft).held


def sent(world: World, type_: str = "complaint", **draft: Any) -> Held:
    held = acted(world, dora, new(world, type_, **draft), "dispatch", unit="housing")
    return acted(world, hans, held, "sign_in")


def closed(world: World, held: Held) -> Held:
    held = acted(world, hans, held, "feed_back", reply="已处理。")
    held = acted(world, hans, held, "submit_paper", signed_by="李局长")
    return acted(world, otto, held, "close")


def revisited(world: World, held: Held, satisfaction: str) -> Held:
    return acted(world, otto, held, "revisit", satisfaction=satisfaction, channel_used="phone")


def test_a_complaint_passes_from_the_prefecture_to_the_archive(ym_desk: World) -> None:
    at(ym_desk, "2026-09-18T17:45")
    held = new(ym_desk, "complaint")
    assert due(ym_desk, held, "transfer") == "2026-09-20 23:59:59"
    at(ym_desk, "2026-09-20T09:00")
    held = acted(ym_desk, dora, held, "dispatch", unit="housing")
    assert [
        due(ym_desk, held, c) for c in ("sign_in", "contact", "return", "return_site_check", "handle")
    ] == [
        "2026-09-21 23:59:59",
        "2026-09-22 23:59:59",
        "2026-09-21 23:59:59",
        "2026-09-23 23:59:59",
        "2026-10-16 23:59:59",
    ]
    held = acted(ym_desk, hans, held, "sign_in")
    held = acted(ym_desk, hans, held, "contact", channel_used="phone")
    held = closed(ym_desk, held)
    held = revisited(ym_desk, held, "satisfied")
    held = acted(ym_desk, otto, held, "archive")
    assert (held.case.state, held.ticket.satisfied) == ("archived", True)
    assert not any(clock.breached for clock in timed(ym_desk, held).values())


def test_more_time_passes_the_county_and_the_prefecture(ym_desk: World) -> None:
    at(ym_desk, "2026-02-14T10:00")
    held = sent(ym_desk, "consult")
    held = acted(ym_desk, hans, held, "request_extension", reason="疑难", by=3)
    with pytest.raises(Conflict):
        acted(ym_desk, sue, held, "extend", by=3)
    held = acted(ym_desk, dora, held, "forward_extension", note="情况属实")
    with pytest.raises(NotPermitted):
        acted(ym_desk, dora, held, "extend", by=3)
    with pytest.raises(Invalid):
        acted(ym_desk, sue, held, "extend", by=4)
    held = acted(ym_desk, sue, held, "extend", by=3)
    assert due(ym_desk, held, "handle") == "2026-03-04 23:59:59"


def test_a_prefecture_without_an_account_is_recorded_by_the_county(ym_desk: World) -> None:
    held = sent(ym_desk, "help")
    held = acted(ym_desk, hans, held, "request_extension", reason="疑难", by=5)
    held = acted(ym_desk, dora, held, "forward_extension", note="情况属实")
    before = due(ym_desk, held, "handle")
    held = acted(ym_desk, dora, held, "record_extension", by=5, state_approval="州热线复〔2026〕3号")
    assert due(ym_desk, held, "handle") > before


def test_what_is_not_the_county_s_goes_back_to_the_prefecture(ym_desk: World) -> None:
    at(ym_desk, "2026-03-02T09:00")
    held = sent(ym_desk)
    at(ym_desk, "2026-03-04T09:00")  # a site check took longer than one working day
    with pytest.raises(Invalid):
        acted(ym_desk, hans, held, "return", reason="属邻县", suggested_unit="police")
    held = acted(
        ym_desk, hans, held, "return", reason="属邻县", suggested_unit="police", site_check="现场位于邻县"
    )
    held = acted(ym_desk, dora, held, "accept_return")
    held = acted(ym_desk, dora, held, "request_state_return", reason="现场位于邻县")
    held = acted(ym_desk, sue, held, "accept_state_return", note="同意")
    assert held.case.state == "returned_to_state"


@pytest.mark.parametrize("origin", ["county_leader", "enterprise"])
def test_some_origins_are_supervised_from_the_dispatch(ym_desk: World, origin: str) -> None:
    held = new(ym_desk, "help", origin=origin)
    acted(ym_desk, dora, held, "dispatch", unit="housing")
    assert supervised(ym_desk, sven) == ["supervision"]
    assert supervised(ym_desk, hans) == []


def test_the_second_dissatisfaction_is_supervised(ym_desk: World) -> None:
    held = revisited(ym_desk, closed(ym_desk, sent(ym_desk)), "dissatisfied")
    held = acted(ym_desk, dora, held, "redo", reason="未解决")
    held = revisited(ym_desk, closed(ym_desk, held), "very_dissatisfied")
    with pytest.raises(Conflict):
        acted(ym_desk, dora, held, "redo", reason="仍未解决")
    acted(ym_desk, dora, held, "redo_supervised", reason="办理不力")
    assert supervised(ym_desk, sven) == ["supervision"]


def test_joint_handling_has_one_lead_who_answers(ym_desk: World) -> None:
    held = new(ym_desk, "help")
    held = acted(ym_desk, otto, held, "classify", type="help", mode="joint")
    with pytest.raises(Invalid):
        acted(ym_desk, dora, held, "dispatch", unit="housing")
    held = acted(ym_desk, dora, held, "dispatch", unit="housing", co_units=["police"])
    held = acted(ym_desk, hans, held, "sign_in")
    held = acted(ym_desk, hugo, held, "co_answer", reply="已设置警示")
    with pytest.raises(NotPermitted):
        acted(ym_desk, hugo, held, "feed_back", reply="已处理")
    assert acted(ym_desk, hans, held, "feed_back", reply="已处理").case.state == "fed_back"


def test_lateness_needs_an_explanation(ym_desk: World) -> None:
    at(ym_desk, "2026-03-02T09:00")
    held = sent(ym_desk, "consult")
    at(ym_desk, "2026-03-10T00:00")
    swept(ym_desk)
    assert timed(ym_desk, held)["handle"].breached
    with pytest.raises(Invalid) as refused:
        acted(ym_desk, hans, held, "feed_back", reply="已处理")
    assert [e.pointer for e in refused.value.errors] == ["/overdue_reason"]
    acted(ym_desk, hans, held, "feed_back", reply="已处理", overdue_reason="资料不全")
