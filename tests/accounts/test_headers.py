"""What every answer tells the browser about trust."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize("path", ["/", "/sign-in", "/nowhere", "/static/app.css", "/api/datasets", "/livez"])
def test_every_answer_forbids_scripts_framing_and_guessing_types(browser, path):
    with browser.get(path) as answer:
        headers = answer.headers
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "script" not in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"


def test_pages_are_not_kept_by_the_browser_but_its_style_sheet_is(browser, zhao):
    assert zhao.get("/account").headers["Cache-Control"] == "no-store"
    with browser.get("/static/app.css") as sheet:
        assert "max-age" in sheet.headers["Cache-Control"]


def test_a_page_that_does_not_exist_keeps_the_reader_signed_in(zhao):
    answer = zhao.get("/nowhere")
    assert answer.status_code == 404
    assert "赵敏" in answer.text


def test_the_language_chosen_stays(browser):
    assert 'lang="zh-CN"' in browser.get("/sign-in").text
    assert '<html lang="en">' in browser.get("/sign-in?lang=en").text
    assert '<html lang="en">' in browser.get("/sign-in").text
    assert '<html lang="en">' in browser.get("/sign-in?lang=klingon").text
    assert '<html lang="zh-CN">' in browser.get("/sign-in?lang=zh").text


def test_the_navigation_offers_only_what_opens(world, people):
    for actor in (people.alice, people.bob, people.carol, people.dave):
        client = world.browser(actor)
        page = client.get("/").text
        for section in ("/datasets", "/applications", "/grants", "/systems", "/records"):
            offered = f'<a href="{section}"' in page
            assert offered == (client.get(section).status_code == 200), section
