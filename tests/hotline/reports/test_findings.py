"""What a period has to be answered for: each finding of the platform, counted in the month it belongs to."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from accounts.people import ensure_account
from core.work import Actor
from hotline.accountability import FLAGS, LIAISON
from hotline.callers import unmask
from hotline.reports.findings.counting import COUNTERS, Flags, count_flags
from hotline.reports.report import wanted
from hotline.supervising.opening import open_supervision
from hotline.tickets import find_ticket
from tests.conftest import World, make_world
from tests.hotline.reports.city import act, bea, dispatched, dora, hans, lea, new_ticket, sue
from tests.hotline.reports.conftest import with_hotline

RETURN = {"reason": "不属本单位", "basis": "三定方案", "contacted_at": "2026-02-10T09:00:00+08:00"}
"""Why a unit gives a ticket back."""


def answered_for(world: World, month: str = "2026-02", **narrowed: str) -> Flags:
    """What a month has to be answered for."""
    with world.read(lea) as work:
        return count_flags(work, wanted(work, {"period": "month", "at": month, **narrowed}))


def counts(world: World, month: str = "2026-02", **narrowed: str) -> dict[str, int | None]:
    """How often each finding of the book was made, by its code."""
    return {f.code: f.count for f in answered_for(world, month, **narrowed).flags}


def seen_in_the_clear(world: World, actor: Actor, held: Any) -> None:
    with world.work(actor) as work:
        ensure_account(work, actor.login, actor.name, actor.department, actor.roles)
        unmask(work, find_ticket(work, held.ticket.id), "回访核实地址")


def test_whatever_the_platform_finds_is_counted() -> None:
    assert COUNTERS.keys() == {*FLAGS, LIAISON}


def test_an_urge_in_vain_counts_in_the_month_in_which_its_grace_ended(city: Any) -> None:
    city.now = datetime.fromisoformat("2025-10-09T10:00:00+08:00")
    held = dispatched(city)
    act(city, held, hans, "sign_in")
    city.now = datetime.fromisoformat("2025-10-17T09:00:00+08:00")
    act(city, held, sue, "urge", notice="请立即反馈", channel_used="phone")
    city.now = datetime.fromisoformat("2025-10-21T23:59:59+08:00")
    assert counts(city, "2025-10")["urged_in_vain"] == 0
    city.now = datetime.fromisoformat("2025-10-22T00:00:01+08:00")
    assert counts(city, "2025-10")["urged_in_vain"] == 1
    assert counts(city, "2025-10", unit="education")["urged_in_vain"] == 0
    assert counts(city, "2025-11")["urged_in_vain"] == 0


def test_a_return_refused_twice_counts_and_one_refused_once_does_not(city: Any) -> None:
    held = dispatched(city)
    for _ in range(2):
        assert counts(city)["shirk"] == 0
        act(city, held, hans, "return", **RETURN)
        act(city, held, dora, "refuse_return", reason="属本单位职责")
    assert counts(city)["shirk"] == 1


def test_a_caller_shown_to_those_who_take_part_is_no_finding(city: Any) -> None:
    held = dispatched(city)
    seen_in_the_clear(city, sue, held)
    seen_in_the_clear(city, hans, held)
    assert counts(city)["retaliation_leak"] == 0
    new_ticket(city, same_matter=held.ticket.number, accused="housing")
    assert counts(city)["retaliation_leak"] == 1


def test_the_unit_that_had_a_ticket_before_took_part_in_it(city: Any) -> None:
    held = dispatched(city)
    seen_in_the_clear(city, hans, held)
    act(city, held, dora, "redispatch", unit="education", reason="职责在教育局")
    assert counts(city)["retaliation_leak"] == 0


def test_a_matter_counts_once_in_the_month_in_which_its_span_is_over(
    tmp_path: Path, template_database: Path
) -> None:
    world = with_hotline(make_world(tmp_path, template_database, "sharing/qianjiang"), "hotline/tonghua")
    book = world.rulebooks.current("hotline")
    told: dict[str, Any] = {"category": book.policy("categories").value[0]["code"]}
    first = new_ticket(world, **told)
    for month in ("2026-03", "2026-06", "2026-07"):
        world.now = datetime.fromisoformat(f"{month}-20T09:00:00+08:00")
        new_ticket(world, same_matter=first.ticket.number, **told)
    months = ("2026-02", "2026-03", "2026-06", "2026-07")
    assert [counts(world, month)["repeat_matter"] for month in months] == [0, 0, 1, 0]
    world.database.close()


def test_units_without_a_liaison_are_counted_where_the_book_asks_for_one(
    tmp_path: Path, template_database: Path
) -> None:
    world = with_hotline(make_world(tmp_path, template_database, "sharing/qianjiang"), "hotline/yuanmou")
    before = counts(world)["liaison"]
    with world.work(lea) as work:
        ensure_account(work, hans.login, hans.name, hans.department, hans.roles)
    assert before is not None
    assert counts(world)["liaison"] == before - 1
    assert counts(world, unit="housing")["liaison"] == 0
    assert counts(world, unit="education")["liaison"] == 1
    world.database.close()


def test_what_is_opened_about_no_ticket_counts_among_the_supervisions_of_all(city: Any) -> None:
    held = dispatched(city)
    with city.work(bea) as work:
        open_supervision(work, None, "circular", {"period": "2026-01", "notice": "一月三率通报"})
    with city.work(sue) as work:
        open_supervision(work, held.ticket.id, "written_supervision", {})
    found = {s.workflow: s.count for s in answered_for(city).supervised}
    assert found == {"circular": 1, "written_supervision": 1}
    assert {s.workflow for s in answered_for(city, unit="housing").supervised} == {"written_supervision"}
    city.now += timedelta(days=31)
    assert answered_for(city, "2026-03").supervised == ()
