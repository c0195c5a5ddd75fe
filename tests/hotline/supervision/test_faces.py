"""Supervisions over HTTP and on pages, as far as each reader may go."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from tests.cast import carol
from tests.conftest import World
from tests.hotline.supervision.people import (
    CALLER,
    SUMMARY,
    acted,
    bruno,
    called,
    diego,
    dispatched,
    hans,
    opened,
    susan,
    swept,
)

pytestmark = pytest.mark.long

ISSUE = {"trigger": "overdue", "notice": "请抓紧办理"}


# --- the API --------------------------------------------------------------------------------------


def test_a_supervision_goes_from_draft_to_answer_over_http(city: World) -> None:
    held = dispatched(city)
    supervisor, unit = city.client(susan), city.client(hans)
    made = supervisor.post(
        f"/api/tickets/{held.ticket.id}/supervisions", json={"workflow": "supervision", **ISSUE}
    )
    assert made.status_code == 201
    place = made.headers["Location"]
    assert unit.get(place).status_code == 404
    shown = made.get_json()
    assert shown["ticket"]["summary"] == SUMMARY
    assert set(shown["actions"]) == {"issue", "drop"}
    assert shown["packet"]["ticket"]["number"] == held.ticket.number
    issued = supervisor.post(f"{place}/actions/issue", json=ISSUE, headers={"If-Match": made.headers["ETag"]})
    assert issued.status_code == 200
    assert unit.get(place).get_json()["actions"] == ["answer"]
    assert unit.post(f"{place}/actions/answer", json={"reply": "明日完成"}).status_code == 200
    stale = supervisor.post(f"{place}/actions/end", json={}, headers={"If-Match": made.headers["ETag"]})
    assert stale.status_code == 412


def test_the_list_says_what_may_be_opened_and_is_narrowed(city: World) -> None:
    first, second = dispatched(city), dispatched(city)
    opened(city, susan, first, "supervision")
    opened(city, susan, second, "leader_report", report_ground="unsolved", statement="请批示")
    client = city.client(susan)
    answer = client.get("/api/supervisions").get_json()
    assert [row["ticket"]["number"] for row in answer["items"]] == [
        second.ticket.number,
        first.ticket.number,
    ]
    assert {o["workflow"] for o in answer["offers"]} == {"supervision", "leader_report", "accountability"}
    for query, count in (
        ("workflow=supervision", 1),
        (f"ticket={second.ticket.number}", 1),
        ("open=false", 0),
        ("state=draft", 2),
        ("limit=1", 1),
    ):
        assert len(client.get(f"/api/supervisions?{query}").get_json()["items"]) == count, query
    assert client.get("/api/supervisions?workflow=ticket").status_code == 400
    assert client.get("/api/supervisions?open=maybe").status_code == 400


def test_many_are_opened_in_one_call(city: World) -> None:
    tickets = [dispatched(city).ticket.id for _ in range(2)]
    client = city.client(susan)
    body = {"workflow": "supervision", "tickets": [*tickets, "nobody"], "fields": ISSUE}
    items = client.post("/api/supervisions", json=body).get_json()["items"]
    assert [item["supervision"] is not None for item in items] == [True, True, False]
    assert items[2]["problem"]["code"] == "not_found"
    assert client.post("/api/supervisions", json={"workflow": "supervision"}).status_code == 400
    assert city.client(hans).post("/api/supervisions", json=body).status_code == 403


def test_what_was_found_is_for_those_who_oversee(city: World) -> None:
    held = dispatched(city)
    city.now += timedelta(days=20)
    answer = city.client(bruno).get("/api/accountability?flag=late").get_json()
    assert [row["number"] for row in answer["items"]] == [held.ticket.number]
    assert [f["flag"] for f in answer["items"][0]["findings"]] == ["late"]
    assert {g["flag"] for g in answer["grounds"]} >= {None, "late"}
    city.now += timedelta(days=90)
    assert city.client(bruno).get("/api/accountability").get_json()["items"] == []
    assert len(city.client(bruno).get("/api/accountability?from=2026-02-10").get_json()["items"]) == 1
    assert city.client(bruno).get("/api/accountability?until=2026-02-09").get_json()["items"] == []
    for query in ("flag=luck", "from=yesterday"):
        assert city.client(bruno).get(f"/api/accountability?{query}").status_code == 400
    for nobody in (hans, diego, carol):
        assert city.client(nobody).get("/api/accountability").status_code == 403


def test_nothing_personal_is_in_an_answer(city: World) -> None:
    held = dispatched(city)
    made = city.client(susan).post(
        f"/api/tickets/{held.ticket.id}/supervisions", json={"workflow": "supervision", **ISSUE}
    )
    for personal in CALLER.values():
        assert personal not in made.get_data(as_text=True)


# --- the pages ------------------------------------------------------------------------------------


def token(page: str) -> str:
    """The token of the form on a page."""
    found = re.search(r'name="csrf_token" value="([^"]+)"', page)
    assert found is not None
    return found[1]


def test_an_overdue_ticket_is_supervised_signed_and_answered_on_pages(city: World) -> None:
    held = dispatched(city)
    city.now += timedelta(days=20)
    desk, unit = city.browser(susan), city.browser(hans)
    page = desk.get("/supervisions/new?workflow=supervision").get_data(as_text=True)
    assert held.ticket.number in page
    form = {"csrf_token": token(page), "tickets": held.ticket.id, **ISSUE}
    done = desk.post("/supervisions/new?workflow=supervision", data=form)
    assert done.status_code == 303
    listed = desk.get("/supervisions").get_data(as_text=True)
    address = re.search(r'href="(/supervisions/[0-9a-f-]{36})"', listed)
    assert address is not None
    assert unit.get(address[1]).status_code == 404
    shown = desk.get(address[1]).get_data(as_text=True)
    signed = desk.post(f"{address[1]}/actions/issue", data={"csrf_token": token(shown), **ISSUE})
    assert signed.status_code == 303
    seen = unit.get(address[1]).get_data(as_text=True)
    assert "答复督办" in seen
    packet = unit.get(f"{address[1]}/packet").get_data(as_text=True)
    assert SUMMARY in packet
    for personal in CALLER.values():
        assert personal not in packet + seen + listed


def test_a_form_with_nothing_chosen_says_so(city: World) -> None:
    dispatched(city)
    city.now += timedelta(days=20)
    desk = city.browser(susan)
    page = desk.get("/supervisions/new?workflow=supervision").get_data(as_text=True)
    again = desk.post("/supervisions/new?workflow=supervision", data={"csrf_token": token(page)})
    assert again.status_code == 422
    assert "请至少写明一件工单" in again.get_data(as_text=True)


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_every_page_is_written_in_both_languages(city: World, lang: str) -> None:
    held = dispatched(city)
    acted(city, hans, held, "sign_in")
    city.now += timedelta(days=20)
    swept(city)
    desk = city.browser(susan)
    listed = desk.get(f"/supervisions?lang={lang}").get_data(as_text=True)
    [address] = set(re.findall(r'href="(/supervisions/[0-9a-f-]{36})"', listed))
    new = f"/supervisions/new?workflow=leader_report&ticket={held.ticket.id}"
    for path in (address, f"{address}/packet", "/accountability", new):
        shown = desk.get(path)
        assert shown.status_code == 200, path
        assert f'<html lang="{"en" if lang == "en" else "zh-CN"}">' in shown.get_data(as_text=True)


def test_who_may_not_open_a_procedure_finds_no_form(city: World) -> None:
    held = called(city)
    assert city.browser(hans).get("/supervisions/new?workflow=supervision").status_code == 404
    named = f"/supervisions/new?workflow=supervision&ticket={held.ticket.id}"
    assert city.browser(hans).get(named).status_code == 404
    assert city.browser(hans).get("/accountability").status_code == 403
