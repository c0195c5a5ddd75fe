"""What may be called to account is found in the facts, by the book's own numbers, and left to people."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from accounts.people import ensure_account
from core.work import Actor
from hotline.accountability import Known, findings, findings_of, flagged, units_without_liaison
from hotline.callers import unmask
from hotline.model import Held
from hotline.supervising.store import Flags
from hotline.tickets import find_ticket
from rules.rulebook import Rulebook
from tests.conftest import World
from tests.hotline.supervision.conftest import hotline_world
from tests.hotline.supervision.people import (
    acted,
    bruno,
    called,
    desmond,
    dispatched,
    hans,
    helen,
    moved,
    opened,
    susan,
    swept,
)

DAY = timedelta(days=1)
NOW = datetime.fromisoformat("2026-02-10T10:00:00+08:00")
NOTHING = Known(0, 0, 0, 0, 0, 0, 1, NOW, NOW, False, False)


@pytest.fixture
def ganzhou_city(tmp_path: Path, template_database: Path) -> Iterator[World]:
    """Ganzhou, whose book names a number of reports."""
    made = hotline_world(tmp_path, template_database, "hotline/ganzhou")
    yield made
    made.database.close()


def flags(world: World, known: Known, **policies: Any) -> set[str]:
    """The kinds of findings about a ticket, under the book of the world with some policies changed."""
    document = dict(world.rulebooks.current("hotline").document)
    leaves = {**document["policies"], "repeat": {**document["policies"]["repeat"]}}
    for name, value in policies.items():
        leaves["repeat"][name] = {**leaves["repeat"][name], "value": value}
    book = Rulebook("hotline/changed", {**document, "policies": leaves})
    return {f.flag for f in findings(book, known, world.rulebooks.calendar)}


def test_nothing_is_found_where_nothing_happened(ganzhou_city: World) -> None:
    assert flags(ganzhou_city, NOTHING) == set()


@pytest.mark.parametrize(
    ("facts", "flag"),
    [
        ({"late": 1}, "late"),
        ({"urged_in_vain": 1}, "urged_in_vain"),
        ({"refused_returns": 2}, "return_refused"),
        ({"unanswered": 1}, "supervision_unanswered"),
        ({"strange_unmaskings": 1}, "unmasked"),
        ({"reports": 3}, "repeat_matter"),
    ],
)
def test_each_ground_has_its_facts(ganzhou_city: World, facts: dict[str, Any], flag: str) -> None:
    assert flags(ganzhou_city, replace(NOTHING, **facts)) == {flag}
    fewer: dict[str, Any] = {name: n - 1 for name, n in facts.items()}
    assert flags(ganzhou_city, replace(NOTHING, **fewer)) == set()


def test_a_matter_reported_three_times_and_settled_is_no_finding(ganzhou_city: World) -> None:
    assert flags(ganzhou_city, replace(NOTHING, reports=3, satisfied=True)) == set()


def test_a_matter_reported_over_three_months_is_a_finding_from_the_day_on(ganzhou_city: World) -> None:
    span: dict[str, Any] = {"flag_at": None, "flag_span": "3mo"}
    first = datetime.fromisoformat("2025-11-30T23:00:00+08:00")
    for last, found in (("2026-02-27T12:00:00", False), ("2026-02-28T00:00:01", True)):
        at = datetime.fromisoformat(f"{last}+08:00")
        known = replace(NOTHING, reports=2, first_report=first, last_report=at)
        assert (flags(ganzhou_city, known, **span) == {"repeat_matter"}) is found
        assert flags(ganzhou_city, replace(known, reports=1), **span) == set()


def test_a_place_whose_text_is_silent_flags_no_repeated_matter(city: World) -> None:
    assert flags(city, replace(NOTHING, reports=50)) == set()


# --- of tickets -----------------------------------------------------------------------------------


def found(world: World, held: Held) -> dict[str, bool]:
    """The findings about a ticket, each with whether it is explained."""
    with world.read(susan) as work:
        return {f.flag: f.explained for f in findings_of(work, find_ticket(work, held.ticket.id))}


def late(world: World, **said: str) -> Held:
    held = dispatched(world)
    acted(world, hans, held, "sign_in")
    world.now += 12 * DAY
    return acted(world, hans, held, "feed_back", reply="已修复", **said)


def test_a_late_answer_is_found_and_its_explanation_noted(city: World) -> None:
    assert found(city, late(city)) == {"late": False}
    assert found(city, late(city, overdue_reason="备件缺货")) == {"late": True}


def test_an_answer_in_time_is_no_finding(city: World) -> None:
    held = dispatched(city)
    acted(city, hans, held, "sign_in")
    acted(city, hans, held, "contact", channel_used="phone")
    acted(city, hans, held, "feed_back", reply="已修复")
    city.now += 30 * DAY
    assert found(city, held) == {}


def test_the_office_being_slow_is_not_the_units_lateness(city: World) -> None:
    held = called(city)
    city.now += 30 * DAY
    assert found(city, held) == {}


def seen_by(world: World, actor: Actor, held: Held) -> None:
    with world.work(actor) as work:
        ensure_account(work, actor.login, actor.name, actor.department, actor.roles)
        unmask(work, find_ticket(work, held.ticket.id), "回访核实地址")


def test_the_caller_shown_to_those_who_took_part_is_no_finding(city: World) -> None:
    held = dispatched(city)
    seen_by(city, susan, held)
    seen_by(city, hans, held)
    acted(city, desmond, held, "redispatch", unit="education", reason="职责在教育局")
    seen_by(city, helen, held)
    assert found(city, held) == {}


def test_the_caller_shown_to_a_unit_that_they_complain_about_is_a_finding(city: World) -> None:
    held = dispatched(city)
    seen_by(city, hans, held)
    assert found(city, held) == {}
    called(city, same_matter=held.ticket.number, accused="housing")
    assert found(city, held) == {"unmasked": False}


def test_a_supervision_that_nobody_answers_in_time_is_a_finding(ganzhou_city: World) -> None:
    world = ganzhou_city
    held = called(world, facts={"type": "complaint"}, category="utilities")
    acted(world, desmond, held, "dispatch", unit="housing")
    acted(world, hans, held, "sign_in")
    order = {"trigger": "shirking", "notice": "请答复", "answer_by": "2026-02-11T12:00:00+08:00"}
    draft = opened(world, susan, held, "written_supervision")
    moved(world, susan, draft, "issue", **order)
    assert found(world, held) == {}
    world.now = datetime.fromisoformat("2026-02-11T12:00:01+08:00")
    assert found(world, held) == {"supervision_unanswered": False}
    swept(world)
    assert found(world, held) == {"supervision_unanswered": False}


def test_a_unit_that_names_no_handler_is_found_where_the_book_asks_for_liaison(
    tmp_path: Path, template_database: Path
) -> None:
    world = hotline_world(tmp_path, template_database, "hotline/yuanmou")
    with world.work(susan) as work:
        before = units_without_liaison(work)
        ensure_account(work, hans.login, hans.name, hans.department, hans.roles)
        after = units_without_liaison(work)
    world.database.close()
    assert set(before) - set(after) == {"housing"}
    assert "education" in after
    assert "audit" not in after


def test_a_place_whose_book_does_not_ask_for_liaison_names_no_units(city: World) -> None:
    with city.read(susan) as work:
        assert units_without_liaison(work) == []


# --- the list -------------------------------------------------------------------------------------


def listed(world: World, actor: Actor, **wanted: Any) -> list[str]:
    with world.read(actor) as work:
        return [held.ticket.number for held, _ in flagged(work, Flags(**wanted), 20, None).rows]


def test_the_list_holds_what_was_found_and_nothing_else(city: World) -> None:
    first, second = late(city), late(city)
    dispatched(city)
    assert listed(city, susan) == [second.ticket.number, first.ticket.number]
    assert listed(city, bruno, flag="late", unit="housing") == [second.ticket.number, first.ticket.number]
    assert listed(city, susan, unit="education") == []
    assert listed(city, susan, flag="unmasked") == []
    assert listed(city, susan, created_from=city.now) == []


def test_the_list_is_paged(city: World) -> None:
    numbers = [late(city).ticket.number for _ in range(3)]
    with city.read(susan) as work:
        page = flagged(work, Flags(), 2, None)
        rest = flagged(work, Flags(), 2, page.next_cursor)
    rows = [held.ticket.number for held, _ in (*page.rows, *rest.rows)]
    assert rows == numbers[::-1]


def test_the_same_matter_is_listed_from_its_third_report_on(ganzhou_city: World) -> None:
    world = ganzhou_city
    kind = {"facts": {"type": "complaint"}, "category": "utilities"}
    first = called(world, **kind)
    again = [called(world, **kind, same_matter=first.ticket.number) for _ in range(2)]
    numbers = {h.ticket.number for h in (first, *again)}
    assert set(listed(world, susan, flag="repeat_matter")) == numbers
