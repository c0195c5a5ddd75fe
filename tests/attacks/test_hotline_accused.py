"""What a unit that is complained about can find out of the complaint: nothing, by whatever way it asks."""

from __future__ import annotations

import io
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from openpyxl import load_workbook

from core.work import Actor
from hotline.duplicates import hints, tickets_of_phone
from hotline.model import Held, Wanted
from hotline.present import hint_view, ticket_view
from hotline.supervising.acting import act_on_supervision
from hotline.supervising.opening import open_supervision
from hotline.tickets import find_ticket, list_tickets
from tests.cast import _actor, dora, hans, otto, sven
from tests.conftest import World
from tests.hotline.conftest import make_city
from tests.hotline.kit import WANG, acted, classified, step_doing, taken

SECRET = "碧桂园物业收费不透明"
"""What the complaint is about; the unit complained about is told something else."""


@pytest.fixture
def city(tmp_path: Path, template_database: Path) -> Iterator[World]:
    made = make_city(tmp_path, template_database, "qianjiang")
    yield made
    made.database.close()


def given_masked(world: World) -> Held:
    """A complaint about the housing bureau that goes to it masked, as no other unit could handle it."""
    told: dict[str, Any] = {
        "summary": SECRET,
        "accused": "housing",
        "facts": classified(world),
        "external_id": "fms:4711",
    }
    held = taken(world, **told).held
    return acted(
        world,
        dora,
        held,
        step_doing(world, held, "dispatch"),
        unit="housing",
        masked=True,
        content_for_unit="请自查片区物业监管情况",
        decided_reason="无上级科室",
    )


def found(world: World, actor: Actor, q: str) -> list[str]:
    with world.read(actor) as work:
        return [h.ticket.id for h in list_tickets(work, Wanted(q=q), 50, None).rows]


def test_its_search_finds_no_word_of_the_summary(city: World) -> None:
    held = given_masked(city)
    assert found(city, hans, "碧桂园") == []
    assert found(city, hans, "收费") == []
    assert found(city, hans, held.ticket.number) == [held.ticket.id]
    assert found(city, dora, "碧桂园") == [held.ticket.id]
    with city.read(hans) as work:
        assert "碧桂园" not in str(ticket_view(work, find_ticket(work, held.ticket.id)))
        assert "4711" not in str(ticket_view(work, find_ticket(work, held.ticket.id)))


def test_another_unit_that_has_it_masked_searches_in_vain_too(city: World) -> None:
    police = _actor("hugo", "police", "handler")
    held = taken(city, summary=SECRET, facts=classified(city)).held
    action = step_doing(city, held, "dispatch")
    more = {"content_for_unit": "请核查", "decided_reason": "来电人顾虑"}
    acted(city, dora, held, action, unit="police", masked=True, **more)
    assert found(city, police, "碧桂园") == []


def test_an_unmasked_ticket_is_found_by_its_unit(city: World) -> None:
    held = taken(city, summary=SECRET, facts=classified(city)).held
    acted(city, dora, held, step_doing(city, held, "dispatch"), unit="housing")
    assert found(city, hans, "碧桂园") == [held.ticket.id]


def test_the_office_itself_complained_about_learns_nothing_from_hints_or_numbers(city: World) -> None:
    held = taken(city, summary=SECRET, accused="hotline_office", place="429005001000").held
    known = {"summary": SECRET, "phone": WANG["phone"], "place": "429005001000", "category": "street_lights"}
    with city.work(otto) as work:
        assert hints(work, known) == []
        assert tickets_of_phone(work, WANG["phone"]) == []
        assert found(city, otto, "碧桂园") == []
    police = taken(city, summary=SECRET, accused="police").held
    with city.work(otto) as work:
        told = [hint_view(work, hint) for hint in hints(work, known)]
    assert [one["number"] for one in told] == [police.ticket.number]
    assert held.ticket.number not in str(told)


def test_a_supervision_and_its_packet_say_no_more_than_the_ticket(city: World) -> None:
    held = given_masked(city)
    city.now += timedelta(days=30)
    with city.work(sven) as work:
        made = open_supervision(work, held.ticket.id, "supervision", {})
    said = form_of(city, sven, made.supervision.id)
    with city.work(sven) as work:
        act_on_supervision(work, made.supervision.id, "issue", said)
    about = f"/api/supervisions/{made.supervision.id}"
    told = city.client(hans).get(about)
    assert told.status_code == 200
    pages = [f"/supervisions/{made.supervision.id}", f"/supervisions/{made.supervision.id}/packet"]
    seen = [told.get_data(as_text=True), city.client(hans).get("/api/supervisions").get_data(as_text=True)]
    seen += [city.browser(hans).get(page).get_data(as_text=True) for page in (*pages, "/supervisions")]
    assert [text for text in seen if "碧桂园" in text] == []
    assert told.get_json()["packet"]["ticket"]["accused"] is None
    assert SECRET in city.client(sven).get(about).get_data(as_text=True)


def form_of(world: World, actor: Actor, supervision_id: str) -> dict[str, Any]:
    """Say something in each field that the step demands."""
    form = world.client(actor).get(f"/api/supervisions/{supervision_id}").get_json()["forms"]["issue"]
    said = {"text": "请尽快办理", "integer": 3, "instant": "2026-12-30T17:00:00+08:00"}
    return {f["name"]: next(iter(f["choices"]), said.get(f["type"])) for f in form["fields"] if f["required"]}


def test_reports_and_their_files_do_not_quote_it(city: World) -> None:
    given_masked(city)
    city.now += timedelta(days=60)
    month = {"period": "year"}
    client = city.client(hans)
    rows = client.get("/api/hotline/reports/overdue", query_string=month)
    assert rows.get_json()["items"], "it is overdue"
    table = client.get("/api/hotline/reports/overdue/export/csv", query_string=month)
    sheet = client.get("/api/hotline/reports/overdue/export/xlsx", query_string=month).get_data()
    cells = [str(row) for row in load_workbook(io.BytesIO(sheet)).active.values]  # type: ignore[union-attr]
    for text in (rows.get_data(as_text=True), table.get_data(as_text=True), *cells):
        assert "碧桂园" not in text
    assert "碧桂园" in city.client(sven).get("/api/hotline/reports/overdue", query_string=month).get_data(
        True
    )
