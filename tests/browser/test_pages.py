"""Every page, in both languages, in a real browser: accessible, self-contained, no wider than a phone."""

from __future__ import annotations

from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe

from core.work import Actor
from tests.cast import adam, alice, bob, carol, dave

pytestmark = pytest.mark.browser

PAGES: tuple[tuple[str, Actor | None, str], ...] = (
    ("/sign-in", None, "/sign-in"),
    ("/", alice, "/"),
    ("/", bob, "/"),
    ("/", carol, "/"),
    ("/", dave, "/?list=late"),
    ("/inbox", alice, "/inbox"),
    ("/inbox", carol, "/inbox?unread=true"),
    ("/deliveries", bob, "/deliveries?state=waiting"),
    ("/account", carol, "/account"),
    ("/accounts", adam, "/accounts"),
    ("/accounts/new", adam, "/accounts/new"),
    ("/accounts/<login>", adam, "/accounts/carol"),
    ("/password", carol, "/password"),
    ("/datasets", carol, "/datasets"),
    ("/datasets/new", alice, "/datasets/new"),
    ("/datasets/<code>", carol, "/datasets/{dataset}"),
    ("/datasets/<code>", alice, "/datasets/{draft}"),
    ("/datasets/<code>/revise", alice, "/datasets/{dataset}/revise"),
    ("/datasets/<code>/attach", alice, "/datasets/{draft}/attach"),
    ("/datasets/<code>/quality", alice, "/datasets/{dataset}/quality"),
    ("/catalog/bases", bob, "/catalog/bases"),
    ("/applications", bob, "/applications"),
    ("/applications/new", carol, "/applications/new?dataset={dataset}"),
    ("/applications/<id>", bob, "/applications/{application}"),
    ("/applications/<id>", carol, "/applications/{waiting}"),
    ("/grants", carol, "/grants"),
    ("/grants/<id>", bob, "/grants/{grant}"),
    ("/grants/<id>", carol, "/grants/{grant}"),
    ("/matters", bob, "/matters"),
    ("/matters", carol, "/matters?kind=correction&dataset={dataset}"),
    ("/matters/new", carol, "/matters/new"),
    ("/matters/new", dave, "/matters/new"),
    ("/matters/new", carol, "/matters/new?kind=correction&dataset={dataset}"),
    ("/matters/new", bob, "/matters/new?kind=verification"),
    ("/matters/new", carol, "/matters/new?kind=offline_exchange&dataset={dataset}"),
    ("/matters/<id>", alice, "/matters/{matter}"),
    ("/matters/<id>", dave, "/matters/{matter}"),
    ("/matters/<id>", bob, "/matters/{report}"),
    ("/systems", carol, "/systems"),
    ("/systems/new", carol, "/systems/new"),
    ("/systems/<id>", carol, "/systems/{system}"),
    ("/records", dave, "/records"),
    ("/records/<id>", dave, "/records/{record}"),
    ("/statistics", None, "/statistics"),
    ("/statistics", bob, "/statistics?period=year"),
)
DOWNLOADS = {
    "/applications/<id>/attachments/<attachment>",
    "/matters/<id>/attachments/<attachment>",
    "/statistics.csv",
    "/statistics.json",
}
ELSEWHERE = ("/knowledge", "/hotline/", "/tickets", "/supervisions", "/accountability")
"""Where the addresses begin of pages that need a hotline: other files of this folder look at them."""
PHONE = 390
LANGUAGES = {"zh": "zh-CN", "en": "en"}


def test_every_page_is_in_the_list(site):
    routes = site.world.app.extensions["shuxiang_pages"].values()
    shown = {r.rule for r in routes if r.method == "GET" and not r.rule.startswith(ELSEWHERE)} - DOWNLOADS
    assert shown == {rule for rule, _, _ in PAGES}


def _name(part: Any) -> str:
    return getattr(part, "login", None) or str(part)


@pytest.mark.parametrize(("rule", "actor", "address"), PAGES, ids=_name)
def test_a_page_is_accessible_self_contained_and_fits_a_phone(site, rule, actor, address):
    path = address.format(**site.city._asdict())
    with site.window(actor) as page:
        for language, tag in LANGUAGES.items():
            page.set_viewport_size({"width": 1280, "height": 900})
            answer = page.goto(f"{site.url}{path}{'&' if '?' in path else '?'}lang={language}")
            assert answer.status == 200, page.inner_text("main")
            assert page.get_attribute("html", "lang") == tag
            assert page.locator("h1").count() == 1
            assert faults(page) == []
            page.set_viewport_size({"width": PHONE, "height": 844})
            assert page.evaluate("document.documentElement.scrollWidth") <= PHONE
        assert page.complaints == []


def faults(page: Any) -> list[str]:
    """Return what axe finds wrong, one line per node."""
    found = Axe().run(page).response["violations"]
    return [f"{v['id']}: {n['html'][:200]} {n['failureSummary'][:200]}" for v in found for n in v["nodes"]]
