"""The pages of the knowledge base in a real browser: accessible, fit for a phone, usable by keyboard."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import pytest

from hotline.knowledge.articles import edit_article
from hotline.knowledge.gaps import assign_gap, note_unanswered
from tests.browser.looking import Pages, Site, led_to, look_at, name, served, shown
from tests.hotline.knowledge.conftest import make_hotline
from tests.hotline.knowledge.kit import acted, della, hana, henry, opal, published, sue, vera, written

pytestmark = [pytest.mark.browser, pytest.mark.takes(25)]


class Desk(NamedTuple):
    """The ids by which the pages are addressed."""

    revised: str
    open: str
    waiting: str
    gap: str


PAGES: Pages = (
    (opal, "/knowledge"),
    (hana, "/knowledge?q=社保卡"),
    (sue, "/knowledge?sort=used"),
    (vera, "/knowledge"),
    (hana, "/knowledge/new"),
    (hana, "/knowledge/new?answers={gap}"),
    (hana, "/knowledge/{revised}"),
    (hana, "/knowledge/{revised}/edit"),
    (sue, "/knowledge/{waiting}"),
    (opal, "/knowledge/{open}"),
    (della, "/knowledge/unanswered"),
    (hana, "/knowledge/unanswered"),
    (della, "/knowledge/unanswered?open=false"),
    (None, "/hotline/knowledge?q=供热"),
    (None, "/hotline/knowledge/{open}"),
)


def populate(world: Any) -> Desk:
    """Write, publish, revise and ask."""
    revised = published(world, valid_until="2027-12-31T23:59").code
    shown = published(
        world, henry, question="供热几点开始", answer="十一月十五日零时开始供热。", public=True
    ).code
    waiting = written(world, question="失业保险金怎么申领").code
    acted(world, hana, waiting, "submit")
    with world.work(hana) as work:
        edit_article(work, revised, {"answer": "也可以在手机上申请补办。"})
    with world.work(opal) as work:
        note_unanswered(work, "婚前体检去哪里")
        gap = note_unanswered(work, "新能源车充电桩补贴怎么申请")
    assert gap is not None
    with world.work(della) as work:
        assign_gap(work, gap.id, "hr_social")
    return Desk(revised, shown, waiting, gap.id)


@pytest.fixture(scope="module")
def office(chromium: Any, template_database: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The hotline's office, served on a port of its own."""
    world = make_hotline(tmp_path_factory.mktemp("office"), template_database, "qianjiang")
    world.now = datetime.now(UTC) - timedelta(minutes=1)
    with served(world, populate, chromium) as site:
        yield site


def test_every_page_of_the_knowledge_base_is_in_the_list(office):
    assert shown(office, lambda rule: "/knowledge" in rule) == led_to(office, PAGES)


@pytest.mark.parametrize(("actor", "address"), PAGES, ids=name)
def test_a_page_of_the_knowledge_base_is_accessible_and_fits_a_phone(office, actor, address):
    look_at(office, actor, address)


def test_an_operator_looks_up_without_a_mouse_and_marks_that_nothing_answers(office):
    with office.window(opal, scripts=False) as page:
        page.goto(f"{office.url}/knowledge?lang=zh")
        page.focus("#f-q")
        page.keyboard.type("供热")
        page.keyboard.press("Enter")
        page.wait_for_selector("text=十一月十五日零时开始供热")
        assert "供热" not in page.url
        assert "%" not in page.url
        page.click("text=都不能答复")
        page.wait_for_selector("text=已记为未答问题")
        page.click("text=English")
        page.wait_for_selector("text=Knowledge base")
