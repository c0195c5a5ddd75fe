"""The pages of tickets under each place's rulebook: a call is taken, given to a unit, answered, followed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.cast import dora, hans, lena, otto, sven
from tests.hotline.conftest import make_city
from tests.hotline.kit import step_doing, taken, topic
from tests.hotline.test_console import call, numbers, sent

PLACES = ("ganzhou", "ordos", "qianjiang", "tonghua", "yuanmou")


@pytest.mark.parametrize("place", PLACES)
def test_a_call_goes_from_the_desk_to_the_unit_by_pages(
    tmp_path: Path, template_database: Path, place: str
) -> None:
    city = make_city(tmp_path, template_database, place)
    dispatch = step_doing(city, taken(city).held, "dispatch")
    typed = call(city, category=topic(city), then=dispatch, **{f"{dispatch}.unit": "housing"})
    made = sent(city.browser(otto), "/tickets/new", typed, "/tickets/new")
    assert made.status_code == 200, made.text
    number = "T-2026-000002"
    assert number in made.text
    for actor in (dora, hans, sven, lena):
        browser = city.browser(actor)
        for tab in re.findall(r"tab=(\w+)", browser.get("/tickets").text):
            assert browser.get(f"/tickets?tab={tab}").status_code == 200, tab
        assert number in numbers(browser.get("/tickets?tab=all").text)
    ticket = re.search(r'href="(/tickets/[0-9a-f-]{36})"', made.text)
    assert ticket is not None
    page = city.browser(hans).get(ticket[1]).text
    for action in re.findall(rf'action="{ticket[1]}/actions/(\w+)"', page):
        again = sent(city.browser(hans), f"{ticket[1]}/actions/{action}", {"version": "0"}, ticket[1])
        assert again.status_code in (412, 422), action
    city.database.close()
