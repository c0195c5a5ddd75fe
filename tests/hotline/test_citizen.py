"""What citizens do on the public pages: hand in, follow, rate; and what those pages keep to themselves."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from io import BytesIO
from typing import Any

from hotline.model import Held, Wanted
from hotline.papers import papers_of
from hotline.tickets import list_tickets
from tests.cast import dora, hans, otto
from tests.conftest import World
from tests.hotline.kit import WANG, acted, classified, seen, step_doing, step_emitting, taken
from tests.hotline.test_console import token

JSON = {"Accept": "application/json"}
REQUEST = {
    "summary": "东方路路灯不亮，我是王建国",
    "description": "东方路路灯三天不亮。",
    "category": "street_lights",
    "caller.name": "王建国",
    "caller.phone": "13987654321",
}


def handed_in(world: World, **changes: Any) -> Any:
    browser = world.app.test_client()
    fields = {**REQUEST, **changes, "csrf_token": token(browser.get("/hotline/submit").text)}
    return browser.post("/hotline/submit", data=fields)


def told(page: str) -> tuple[str, str]:
    number, code = re.findall(r"<dd>([^<]+)</dd>", page)[:2]
    return number, code


def asked(world: World, number: str, code: str) -> Any:
    browser = world.app.test_client()
    fields = {"number": number, "code": code, "csrf_token": token(browser.get("/hotline/progress").text)}
    return browser.post("/hotline/progress", data=fields)


def test_a_citizen_hands_in_a_request_and_follows_it(desk: World) -> None:
    made = handed_in(desk, files=(BytesIO(b"\x89PNG\r\n\x1a\n" + b"\0" * 40), "a.png"))
    assert made.status_code == 200, made.text
    number, code = told(made.text)
    shown = asked(desk, number, code)
    assert shown.status_code == 200
    assert number in shown.text
    with desk.read(otto) as work:
        (held,) = list_tickets(work, Wanted(), 5, None).rows
        assert held.ticket.source == "citizen"
        assert held.ticket.channel == "web"
        assert "王建国" not in held.ticket.summary
        assert len(papers_of(work, held)) == 1


def test_the_progress_shows_nothing_of_anybody(desk: World) -> None:
    number, code = told(handed_in(desk).text)
    page = asked(desk, number, code).text
    for personal in ("王建国", "13987654321", "三天不亮"):
        assert personal not in page


def test_what_was_typed_is_there_again_with_what_is_missing(desk: World) -> None:
    again = handed_in(desk, **{"caller.phone": ""})
    assert again.status_code == 422
    assert "东方路路灯三天不亮" in again.text
    assert 'href="#f-caller-phone"' in again.text


def test_a_program_that_fills_every_field_in_is_not_taken_in(desk: World) -> None:
    assert handed_in(desk, website="http://example.org").status_code == 422
    with desk.read(otto) as work:
        assert list_tickets(work, Wanted(), 5, None).rows == []


def test_nobody_smuggles_in_what_is_for_the_office_alone(desk: World) -> None:
    assert handed_in(desk, channel="phone").status_code == 422
    assert handed_in(desk, source="operator", same_matter="T-1", recording="x").status_code == 200
    with desk.read(otto) as work:
        (held,) = list_tickets(work, Wanted(), 5, None).rows
    assert (held.ticket.source, held.ticket.channel) == ("citizen", "web")


def test_one_address_hands_in_so_many_requests_within_an_hour(desk: World) -> None:
    desk.settings = replace(desk.settings, hotline=replace(desk.settings.hotline, citizen_tickets=2))
    assert [handed_in(desk).status_code for _ in range(3)] == [200, 200, 429]
    desk.now += timedelta(hours=1, seconds=1)
    assert handed_in(desk).status_code == 200


def test_a_wrong_code_and_an_unknown_number_look_the_same_and_are_counted(desk: World) -> None:
    number, code = told(handed_in(desk).text)
    wrong, unknown = asked(desk, number, "AAAAAAAAAA"), asked(desk, "T-2026-999999", code)
    assert wrong.status_code == unknown.status_code == 404
    assert "编号或查询码不正确" in wrong.text
    for _ in range(9):
        assert asked(desk, number, "AAAAAAAAAA").status_code == 404
    assert asked(desk, number, code).status_code == 429


def test_a_program_is_answered_as_the_interface_answers(desk: World) -> None:
    made = taken(desk)
    number, code = made.held.ticket.number, made.code
    client = desk.app.test_client()
    address = f"/hotline/progress?number={number}&code={code}"
    answer = client.get(address, headers=JSON)
    assert answer.mimetype == "application/json"
    assert answer.get_json() == client.get(f"/api{address}").get_json()
    wrong = client.get(f"/hotline/progress?number={number}&code=AAAAAAAAAA", headers=JSON)
    assert (wrong.status_code, wrong.mimetype) == (404, "application/problem+json")
    assert wrong.get_json()["code"] == "wrong_code"
    assert client.get(address).mimetype == "text/html"
    for _ in range(9):
        client.get(f"/hotline/progress?number={number}&code=AAAAAAAAAA", headers=JSON)
    bound = client.get(address, headers=JSON)
    assert bound.status_code == 429
    assert int(bound.headers["Retry-After"]) > 0


def answered(world: World) -> tuple[str, str, Held]:
    """Take a ticket in, let a unit answer it; return its number and query code."""
    made = taken(world, facts=classified(world))
    held = acted(world, dora, made.held, step_doing(world, made.held, "dispatch"), unit="housing")
    held = acted(world, hans, held, step_emitting(world, held, "signed_in"))
    held = acted(world, hans, held, step_emitting(world, held, "fed_back"), reply="路灯已修复。")
    return held.ticket.number, made.code, held


def test_an_answered_request_shows_its_reply_and_is_rated_once(desk: World) -> None:
    number, code, held = answered(desk)
    assert "路灯已修复。" in asked(desk, number, code).text
    browser = desk.app.test_client()
    fields = {"number": number, "code": code, "csrf_token": token(browser.get("/hotline/progress").text)}
    assert browser.post("/hotline/progress/actions/rating", data=fields).status_code == 422
    fields["satisfaction"] = "satisfied"
    rated = browser.post("/hotline/progress/actions/rating", data=fields)
    assert "评价已收到" in rated.text
    assert WANG["name"] not in rated.text
    assert seen(desk, otto, held).ticket.satisfied is True
    assert browser.post("/hotline/progress/actions/rating", data=fields).status_code == 409


def test_nothing_is_rated_before_it_is_answered(desk: World) -> None:
    number, code = told(handed_in(desk).text)
    assert "请评价" not in asked(desk, number, code).text
