"""Whatever is written into a ticket is shown as words; and who has no part in it opens nothing of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from core.work import Actor
from hotline.knowledge.articles import act_on_article, write_article
from hotline.knowledge.lookup import look_up
from hotline.model import Held
from hotline.supervising.opening import open_supervision
from tests.cast import _actor, beth, dora, hans, mallory, otto, sven
from tests.conftest import World
from tests.hotline.conftest import make_city
from tests.hotline.kit import WANG, acted, classified, step_doing, step_emitting, taken

pytestmark = pytest.mark.long

POISON = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>{{1337*7}}${1337*7}"
SAID = f"诉求{POISON}"
"""The same as a caller says it: none of it may lie readable in the database, where the other may."""
RAW = ("<script>alert", "<img src=x", "9359", "onerror=alert(1)>{")
hugo = _actor("hugo", "police", "handler")
"""Of the unit that the ticket went away from."""
helen = _actor("helen", "education", "handler")
"""Of a unit that never had it."""
diego = _actor("diego", "discipline", "discipline")
PDF = b"%PDF-1.7 evidence"


@pytest.fixture
def city(tmp_path: Path, template_database: Path) -> Iterator[World]:
    made = make_city(tmp_path, template_database, "qianjiang")
    yield made
    made.database.close()


def poisoned(world: World) -> tuple[Held, str]:
    """A ticket in which everything is poison, taken back from the police, with a paper and a draft."""
    words: dict[str, Any] = dict.fromkeys(("description", "location", "accused_person", "recording"), SAID)
    held = taken(
        world,
        **words,
        summary=POISON[:200],
        occurred_at=POISON[:60],
        external_id=POISON,
        caller={**WANG, "name": SAID[:80], "address": SAID, "contact": SAID},
        facts=classified(world),
    ).held
    held = acted(world, dora, held, step_doing(world, held, "dispatch"), unit="police")
    held = acted(world, dora, held, "redispatch", unit="housing", reason=POISON)
    held = acted(world, hans, held, step_emitting(world, held, "signed_in"))
    made = world.client(hans).post(f"/api/tickets/{held.ticket.id}/attachments?name={POISON}.pdf", data=PDF)
    held = acted(world, hans, held, step_emitting(world, held, "fed_back"), reply=POISON)
    with world.work(sven) as work:
        drafted = open_supervision(
            work, held.ticket.id, "leader_report", {"report_ground": "unsolved", "statement": POISON}
        )
    return held, f"{made.get_json()['id']} {drafted.supervision.id}"


def addresses(held: Held, others: str) -> list[str]:
    paper, draft = others.split()
    own = f"/tickets/{held.ticket.id}"
    return [
        own,
        f"{own}/reply",
        f"{own}/attachments/{paper}",
        f"/supervisions/{draft}",
        f"/supervisions/{draft}/packet",
        f"/supervisions/new?workflow=supervision&ticket={held.ticket.id}",
    ]


LISTS = (
    "/tickets?tab=all",
    "/tickets?tab=turn",
    f"/tickets?tab=all&q={POISON}&place={POISON}&from={POISON}&cursor=",
    "/supervisions",
    f"/supervisions?ticket={POISON}",
    "/accountability",
    f"/accountability?from={POISON}",
    "/hotline/reports?period=year",
    f"/hotline/reports?at={POISON}&unit={POISON}",
    "/hotline/reports/overdue?period=year",
    "/hotline/reports/bulletin?month=2026-02",
    "/knowledge",
    f"/knowledge?q={POISON}",
    "/knowledge/unanswered",
    "/hotline/imports",
    "/notices",
    "/",
)


def knowledge(world: World) -> str:
    """An article full of poison, approved, and a question that nothing answers."""
    document = {
        "question": POISON,
        "answer": POISON,
        "basis": [POISON],
        "keywords": [POISON[:30]],
        "categories": ["street_lights"],
        "public": True,
    }
    with world.work(hans) as work:
        article = write_article(work, document)
        article = act_on_article(work, article.code, "submit", {})
    with world.work(otto) as work:
        look_up(work, f"{POISON}问题")
    return article.code


@pytest.mark.parametrize(("language", "readers"), [("zh", (dora, hans)), ("en", (sven,))])
def test_poison_is_shown_as_words_on_every_page(
    city: World, language: str, readers: tuple[Actor, ...]
) -> None:
    held, others = poisoned(city)
    code = knowledge(city)
    pages = [*addresses(held, others), *LISTS, f"/knowledge/{code}", f"/knowledge/{code}/edit"]
    found = 0
    for actor in readers:
        browser = city.browser(actor)
        for page in pages:
            join = "&" if "?" in page else "?"
            answer = browser.get(f"{page}{join}lang={language}")
            assert answer.status_code < 500, page
            if answer.mimetype == "text/html":
                found += "&lt;script&gt;alert" in answer.text
                assert [raw for raw in RAW if raw in answer.text] == [], (actor.login, page)
    assert found > 8, "the poison was shown"


def test_who_has_no_part_in_a_ticket_finds_nothing_of_it(city: World) -> None:
    held, others = poisoned(city)
    paper, draft = others.split()
    number, own = held.ticket.number, f"/api/tickets/{held.ticket.id}"
    reads = [own, f"{own}/attachments/{paper}", f"/api/supervisions/{draft}"]
    acts: list[tuple[str, dict[str, Any]]] = [
        (f"{own}/caller", {"reason": "上门核实"}),
        (f"{own}/supervisions", {"workflow": "supervision"}),
        (f"{own}/lookups/communities", {}),
        (f"/api/supervisions/{draft}/actions/report", {}),
        *((f"{own}/actions/{step}", {}) for step in ("revisit", "redispatch", "feed_back", "nothing")),
    ]
    for actor in (hugo, helen, mallory, beth, diego):
        client, browser = city.client(actor), city.browser(actor)
        for address in reads:
            assert client.get(address).status_code in (403, 404), (actor.login, address)
        for address, body in acts:
            assert client.post(address, json=body).status_code in (403, 404), (actor.login, address)
        for address in addresses(held, others):
            assert browser.get(address).status_code in (403, 404), (actor.login, address)
        for address in LISTS:
            assert number not in browser.get(address).text, (actor.login, address)
        answer = client.post("/api/tickets/batch/redispatch", json={"ids": [held.ticket.id], "fields": {}})
        assert answer.status_code == 403 or answer.get_json()["done"] == 0
        for listed in ("tickets", "supervisions"):
            assert number not in client.get(f"/api/{listed}").get_data(as_text=True)
