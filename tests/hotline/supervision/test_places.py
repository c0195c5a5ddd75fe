"""Whatever procedures a place has, each of them is opened, kept at the desk, and signed by a person."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from cases.procedure import seats
from core.times import local_iso
from core.work import Actor
from hotline.supervising.acting import find_supervision, list_supervisions
from hotline.supervising.model import INVITED, Wanted
from hotline.supervising.opening import offered, open_supervision
from rules.rulebook import SHIPPED, Rulebook
from rules.values import FieldRule
from rules.workflow import Opening
from tests.conftest import World
from tests.hotline.kit import dispatched_ticket
from tests.hotline.supervision.conftest import hotline_world
from tests.hotline.supervision.people import diego
from tests.hotline.supervision.test_faces import token

pytestmark = pytest.mark.long

PLACES = sorted(path.stem for path in (SHIPPED / "hotline").glob("*.yaml"))


def said(world: World, rule: FieldRule) -> Any:
    """Something that a field takes."""
    if rule.type == "choice":
        return next(iter(rule.choices))
    if rule.type == "instant":
        return local_iso(world.now + timedelta(days=1))
    return {"department": "housing", "integer": rule.min or 1, "boolean": True, "list": ["education"]}.get(
        rule.type, "说明"
    )


def opener(world: World, roles: frozenset[str]) -> Actor:
    """Somebody of a department that may open it."""
    role = sorted(roles)[-1]
    if role in ("handler", "co_handler"):
        return Actor("opening-unit", "Opener", "housing", frozenset({"handler"}), "p")
    with world.read(diego) as work:
        return Actor(f"opening-{role}", "Opener", seats(work, role)[0], frozenset({role}), "p")


@pytest.mark.parametrize("place", PLACES)
def test_every_procedure_of_a_place_begins_as_a_draft_that_no_discipline_body_sees(
    place: str, tmp_path: Path, template_database: Path
) -> None:
    world = hotline_world(tmp_path, template_database, f"hotline/{place}")
    book: Rulebook = world.rulebooks.current("hotline")
    topic = book.policy("categories").value[0]["code"]
    assert offered(book)
    for name, flow in offered(book).items():
        opening = flow.opens_by
        assert opening is not None
        held = dispatched_ticket(world, category=topic) if "ticket" in opening.about else None
        draft = {field: said(world, book.fields[field]) for field in opening.requires}
        with world.work(opener(world, opening.roles)) as work:
            made = open_supervision(work, held.ticket.id if held else None, name, draft)
            assert find_supervision(work, made.supervision.id).case.state == flow.initial
        assert "discipline" not in made.case.parties, name
        outside = made.case.facts[INVITED]
        assert not set(outside) & set(made.case.parties), name
        with world.read(diego) as work:
            assert list_supervisions(work, Wanted(), 50, None).rows == []
    world.database.close()


def about_no_ticket(book: Rulebook) -> dict[str, Opening]:
    """The procedures about a unit or a period."""
    openings = {name: flow.opens_by for name, flow in offered(book).items()}
    return {n: o for n, o in openings.items() if o and "ticket" not in (*o.about, *o.about_optional)}


@pytest.mark.parametrize("place", ["ganzhou", "ordos", "tonghua", "yuanmou"])
def test_what_is_about_no_ticket_is_opened_over_http_and_on_a_page(
    place: str, tmp_path: Path, template_database: Path
) -> None:
    world = hotline_world(tmp_path, template_database, f"hotline/{place}")
    book: Rulebook = world.rulebooks.current("hotline")
    assert about_no_ticket(book)
    for name, opening in about_no_ticket(book).items():
        actor, flow = opener(world, opening.roles), book.workflow(name)
        draft = {field: said(world, book.fields[field]) for field in opening.requires}
        asked = {"workflow": name, "fields": draft}
        [item] = world.client(actor).post("/api/supervisions", json=asked).get_json()["items"]
        assert item["ticket"] is None
        assert item["supervision"]["state"] == flow.initial
        browser, address = world.browser(actor), f"/supervisions/new?workflow={name}"
        page = browser.get(address).get_data(as_text=True)
        done = browser.post(address, data={"csrf_token": token(page), **draft})
        assert done.status_code == 303, name
        shown = browser.get(done.headers["Location"]).get_data(as_text=True)
        drafted = opening.roles & {r for t in flow.transitions if flow.initial in t.sources for r in t.roles}
        assert [bool(drafted)] * 2 == ["只生成草稿" in page, "草稿只有拟稿方可见" in shown], name
    world.database.close()
