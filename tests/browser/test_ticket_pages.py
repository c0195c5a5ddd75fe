"""The pages of tickets in a real browser: accessible, fit for a phone, quick by keyboard."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import pytest

from tests.browser.looking import Pages, Site, faults, led_to, look_at, name, served, shown
from tests.cast import dave, dora, hans, lena, otto, sven
from tests.hotline.conftest import make_city
from tests.hotline.kit import acted, classified, dispatched_ticket, step_doing, step_emitting, taken

pytestmark = [pytest.mark.browser, pytest.mark.takes(30)]

PLACE = "429005001000"


class Desk(NamedTuple):
    """The ids by which the pages are addressed."""

    given: str
    waiting: str
    answered: str
    number: str
    code: str


PAGES: Pages = (
    (otto, "/tickets/new"),
    (otto, "/tickets"),
    (dora, "/tickets?tab=to_dispatch"),
    (hans, "/tickets"),
    (lena, "/tickets?tab=supervised"),
    (sven, "/tickets?tab=all&q=路灯&from=2026-01-01"),
    (dora, "/tickets/{given}"),
    (hans, "/tickets/{given}"),
    (dave, "/tickets/{given}"),
    (otto, "/tickets/{waiting}"),
    (otto, "/tickets/{answered}"),
    (otto, "/tickets/{answered}/reply"),
    (None, "/hotline/submit"),
    (None, "/hotline/progress"),
    (None, "/hotline/progress?number={number}&code={code}"),
)


def populate(world: Any) -> Desk:
    """Take calls, dispatch, answer."""
    given = dispatched_ticket(world, place=PLACE)
    waiting = taken(world, summary="园林街道东方路路灯闪烁", same_matter=given.ticket.number).held
    made = taken(world, facts=classified(world))
    held = acted(world, dora, made.held, step_doing(world, made.held, "dispatch"), unit="housing")
    held = acted(world, hans, held, step_emitting(world, held, "signed_in"))
    acted(world, hans, held, step_emitting(world, held, "fed_back"), reply="路灯已修复。")
    return Desk(given.ticket.id, waiting.ticket.id, held.ticket.id, held.ticket.number, made.code)


@pytest.fixture(scope="module")
def office(chromium: Any, template_database: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The hotline's office, served on a port of its own."""
    world = make_city(tmp_path_factory.mktemp("office"), template_database, "qianjiang")
    world.now = datetime.now(UTC) - timedelta(minutes=1)
    with served(world, populate, chromium) as site:
        yield site


OURS = ("/tickets", "/hotline/submit", "/hotline/progress")
DOWNLOADS = {"/tickets/<id>/attachments/<attachment>"}


def test_every_page_of_tickets_is_in_the_list(office):
    assert shown(office, lambda rule: rule.startswith(OURS)) - DOWNLOADS == led_to(office, PAGES)


@pytest.mark.parametrize(("actor", "address"), PAGES, ids=name)
def test_a_page_of_tickets_is_accessible_and_fits_a_phone(office, actor, address):
    look_at(office, actor, address)


def test_a_call_is_taken_by_keyboard_with_what_is_known_shown_meanwhile(office):
    with office.window(otto) as page:
        page.goto(f"{office.url}/tickets/new?lang=zh")
        assert page.evaluate("document.activeElement.id") == "f-caller-phone"
        page.keyboard.type("13987654321")
        page.wait_for_selector("#known >> text=同一来电号码")
        page.keyboard.press("Tab")
        page.keyboard.press("Tab")
        page.keyboard.type("王建国")
        page.focus("#f-summary")
        page.keyboard.type("东方路路灯不亮")
        page.keyboard.press("Tab")
        page.keyboard.type("三天不亮。")
        page.keyboard.press("Tab")
        page.keyboard.type("路灯")
        page.wait_for_selector("#known >> text=住房和城乡建设局")
        assert faults(page) == []
        page.locator("#known button", has_text="选用").first.click()
        assert page.input_value("[name='dispatch.unit']") == "housing"
        page.select_option("[name='facts.level']", "ordinary")
        page.focus("#f-summary")
        page.keyboard.press("Control+Enter")
        page.wait_for_selector("text=请向来电人读出编号和查询码")
        assert faults(page) == []
        assert page.inner_text("main .tag") == "待接收"
        assert page.complaints == []


def test_a_call_is_taken_without_scripts_and_without_a_mouse(office):
    with office.window(otto, scripts=False) as page:
        page.goto(f"{office.url}/tickets/new?lang=zh")
        page.fill("#f-caller-phone", "13612345678")
        page.fill("#f-caller-name", "赵小兰")
        page.fill("#f-summary", "下水道堵塞")
        page.focus("#f-summary")
        page.keyboard.press("Enter")
        page.wait_for_selector("text=处需要更正")
        assert page.input_value("#f-summary") == "下水道堵塞"
        page.fill("#f-description", "小区门口下水道堵塞两天。")
        page.click("button:has-text('查重与建议')")
        page.wait_for_selector("text=可能重复的工单")
        assert page.input_value("#f-description") == "小区门口下水道堵塞两天。"
        page.focus("#f-summary")
        page.keyboard.press("Enter")
        page.wait_for_selector("text=请向来电人读出编号和查询码")


def test_a_citizen_hands_in_and_follows_without_scripts(office):
    with office.window(None, scripts=False) as page:
        page.goto(f"{office.url}/hotline/submit?lang=zh")
        page.fill("#f-summary", "广场噪音")
        page.fill("#f-description", "每天晚上十点以后仍有音响。")
        page.fill("#f-caller-name", "孙一")
        page.fill("#f-caller-phone", "13500001111")
        page.click("button:has-text('提交')")
        page.wait_for_selector("text=已提交")
        number, code = page.locator(".read-out dd").all_inner_texts()
        page.click("nav >> text=查询进度")
        page.fill("#f-number", number)
        page.fill("#f-code", code)
        page.keyboard.press("Enter")
        page.wait_for_selector("text=办理进度")
        assert code.replace(" ", "") not in page.url
        assert "孙一" not in page.content()
