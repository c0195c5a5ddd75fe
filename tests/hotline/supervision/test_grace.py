"""Ganzhou: drafts before the limit, an urge with its grace, and papers that only a signature sends on."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from core.errors import NotFound
from hotline.model import Held
from hotline.supervising.acting import find_supervision, packet_of
from hotline.supervising.model import Supervised
from hotline.supervising.opening import open_supervision
from tests.conftest import World
from tests.hotline.supervision.conftest import hotline_world
from tests.hotline.supervision.people import (
    acted,
    bruno,
    called,
    desmond,
    diego,
    hans,
    helen,
    listed,
    moved,
    olive,
    opened,
    susan,
    swept,
)


@pytest.fixture
def ganzhou_city(tmp_path: Path, template_database: Path) -> Iterator[World]:
    """Ganzhou: lights, urge notices with their grace, the ladder."""
    made = hotline_world(tmp_path, template_database, "hotline/ganzhou")
    yield made
    made.database.close()


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"{text}+08:00")


def late_ticket(world: World) -> Held:
    """GZ-7: a complaint dispatched on 9 October 2025 and still not answered on the 17th."""
    world.now = at("2025-10-09T10:00:00")
    held = called(world, facts={"type": "complaint"}, category="utilities")
    acted(world, desmond, held, "dispatch", unit="housing")
    acted(world, hans, held, "sign_in")
    world.now = at("2025-10-17T09:00:00")
    swept(world)
    return held


def workflows(found: list[Supervised]) -> list[str]:
    return sorted(s.supervision.workflow for s in found)


def test_a_written_order_is_drafted_before_the_limit_and_stays_a_draft(ganzhou_city: World) -> None:
    world = ganzhou_city
    world.now = at("2026-02-13T16:40:00")  # GZ-1
    held = called(world, facts={"type": "complaint"}, category="utilities")
    acted(world, desmond, held, "dispatch", unit="housing")
    world.now = at("2026-02-14T09:29:59")
    swept(world)
    assert listed(world, susan) == []
    world.now = at("2026-02-14T09:30:01")
    swept(world)
    [draft] = listed(world, susan)
    assert draft.supervision.workflow == "written_supervision"
    with world.read(susan) as work:
        packet = packet_of(work, find_supervision(work, draft.supervision.id))
    assert packet is not None
    assert packet.document["occasion"]["clock"]["zh"]
    assert packet.document["breaches"] == []
    assert listed(world, hans) == []


def test_two_working_days_after_the_urge_papers_are_drafted_and_not_sent(ganzhou_city: World) -> None:
    world = ganzhou_city
    held = late_ticket(world)
    acted(world, susan, held, "urge", notice="请立即反馈", channel_used="phone")
    world.now = at("2025-10-21T23:59:59")
    swept(world)
    assert "accountability" not in workflows(listed(world, susan))
    world.now = at("2025-10-22T00:00:01")
    swept(world)
    assert "accountability" in workflows(listed(world, susan))
    [draft] = listed(world, bruno, workflow="accountability")
    assert draft.case.state == "draft"
    world.now += timedelta(days=90)
    swept(world, 6)
    assert listed(world, diego) == []
    with world.read(diego) as work, pytest.raises(NotFound):
        find_supervision(work, draft.supervision.id)


def test_the_papers_reach_the_discipline_body_by_two_steps_of_people(ganzhou_city: World) -> None:
    world = ganzhou_city
    held = late_ticket(world)
    acted(world, susan, held, "urge", notice="请立即反馈", channel_used="phone")
    world.now = at("2025-10-22T09:00:00")
    swept(world)
    [draft] = listed(world, bruno, workflow="accountability")
    facts: dict[str, Any] = {"ground": "late", "facts_found": "催办两个工作日后仍未反馈"}
    signed = moved(world, bruno, draft, "sign", **facts, signed_by="王局长")
    assert listed(world, diego) == []
    handed = moved(world, bruno, signed, "hand_over")
    assert [s.supervision.id for s in listed(world, diego)] == [handed.supervision.id]
    with world.read(diego) as work:
        packet = packet_of(work, find_supervision(work, draft.supervision.id))
    assert packet is not None
    flags = {f["flag"] for f in packet.document["findings"]}
    assert flags == {"late", "urged_in_vain"}
    assert packet.document["counts"]["urged"] == 1
    assert moved(world, diego, handed, "record_outcome", decision="已立案").case.closed_at is not None


def test_an_answer_within_the_grace_drafts_no_papers(ganzhou_city: World) -> None:
    world = ganzhou_city
    held = late_ticket(world)
    acted(world, susan, held, "urge", notice="请立即反馈", channel_used="phone")
    world.now = at("2025-10-20T16:00:00")
    said = {"situation": "路灯故障", "process": "已检修", "opinion": "属实", "caller_says": "satisfied"}
    acted(world, hans, held, "feed_back", reply="已修复", overdue_reason="备件到货晚", **said)
    world.now = at("2025-10-30T09:00:00")
    swept(world)
    assert "accountability" not in workflows(listed(world, susan))


def test_a_circular_is_about_a_month_and_no_ticket(ganzhou_city: World) -> None:
    world = ganzhou_city
    with world.work(bruno) as work:
        draft = open_supervision(work, None, "circular", {"period": "2026-01", "notice": "一月三率通报"})
    assert draft.ticket is None
    assert draft.supervision.number.startswith("HC-")
    with world.read(bruno) as work:
        assert packet_of(work, find_supervision(work, draft.supervision.id)) is None
    done = moved(world, bruno, draft, "issue", notice="一月三率通报")
    assert done.case.closed_at is not None


def test_who_asks_for_coordination_gets_the_decision(ganzhou_city: World) -> None:
    world = ganzhou_city
    held = called(world, facts={"type": "complaint"}, category="utilities")
    asked = opened(world, desmond, held, "coordination", reason="多部门职责不清")
    assert [s.supervision.id for s in listed(world, bruno)] == [asked.supervision.id]
    moved(world, bruno, asked, "settle", unit="housing", decision="由住建局办理")
    assert [s.supervision.id for s in listed(world, olive)] == [asked.supervision.id]
    assert listed(world, helen) == []
