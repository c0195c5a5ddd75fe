"""Tickets over HTTP, as scripts and the console use them."""

from __future__ import annotations

from typing import Any

from core.work import Actor
from tests.cast import carol, dave, dora, hans, hugo, lena, otto, sven
from tests.conftest import World
from tests.hotline.kit import DRAFT, WANG, classified, dispatched_ticket, step_doing, step_emitting, taken

PERSONAL = ("王建国", "13987654321", "4321", "东方路 8 号")


def draft(world: World, **changes: Any) -> dict[str, Any]:
    return {**DRAFT, "facts": classified(world), **changes}


def took_in(world: World, actor: Actor = otto, **changes: Any) -> dict[str, Any]:
    answer = world.client(actor).post("/api/tickets", json=draft(world, **changes))
    assert answer.status_code == 201, answer.get_json()
    made: dict[str, Any] = answer.get_json()
    return made


def test_an_operator_takes_a_ticket_in_and_is_told_the_code_once(desk: World) -> None:
    made = took_in(desk)
    assert made["number"] == "T-2026-000001"
    again = desk.client(otto).get(f"/api/tickets/{made['id']}").get_json()
    assert "code" in made
    assert "code" not in again
    assert made["category"]["code"] == "street_lights"


def test_the_answer_to_a_repeated_intake_is_the_first_one(desk: World) -> None:
    client, keyed = desk.client(otto), {"Idempotency-Key": "call-17"}
    first = client.post("/api/tickets", json=draft(desk), headers=keyed).get_json()
    second = client.post("/api/tickets", json=draft(desk), headers=keyed).get_json()
    assert second["code"] == first["code"]
    assert len(client.get("/api/tickets").get_json()["items"]) == 1


def test_the_summary_names_nobody_and_the_caller_is_masked(desk: World) -> None:
    made = took_in(desk)
    shown = desk.client(otto).get(f"/api/tickets/{made['id']}").get_json()
    assert shown["summary"] == "东方路路灯不亮，*** *** 多次反映"
    assert shown["caller"]["name"] == "王**"
    assert "8765" not in shown["caller"]["phone"]
    assert "王建国" in shown["description"]


def test_a_list_shows_neither_callers_nor_their_words(desk: World) -> None:
    took_in(desk)
    raw = desk.client(otto).get("/api/tickets").get_data(as_text=True)
    assert not [p for p in PERSONAL if p in raw]


def test_a_dispatcher_gives_it_to_a_unit_and_loses_no_sight_of_it(desk: World) -> None:
    made = took_in(desk)
    held = taken(desk).held
    action = step_doing(desk, held, "dispatch")
    client = desk.client(dora)
    answer = client.post(f"/api/tickets/{made['id']}/actions/{action}", json={"unit": "housing"})
    assert answer.status_code == 200, answer.get_json()
    assert answer.get_json()["lead"]["id"] == "housing"
    mine = desk.client(hans).get("/api/tickets").get_json()["items"]
    assert [row["number"] for row in mine] == [made["number"]]
    assert desk.client(hugo).get("/api/tickets").get_json()["items"] == []


def test_what_is_offered_is_what_can_be_done(desk: World) -> None:
    held = dispatched_ticket(desk)
    client = desk.client(hans)
    shown = client.get(f"/api/tickets/{held.ticket.id}").get_json()
    action = step_emitting(desk, held, "signed_in")
    assert action in shown["actions"]
    signed = client.post(f"/api/tickets/{held.ticket.id}/actions/{action}", json={})
    assert signed.get_json()["state"] != shown["state"]


def test_a_batch_does_what_it_can_and_says_what_it_cannot(desk: World) -> None:
    first, second = taken(desk, facts=classified(desk)).held, dispatched_ticket(desk)
    action = step_doing(desk, first, "dispatch")
    body = {"ids": [first.ticket.id, second.ticket.id, "nothing"], "fields": {"unit": "police"}}
    done = desk.client(dora).post(f"/api/tickets/batch/{action}", json=body).get_json()
    assert [item["done"] for item in done["items"]] == [True, False, False]
    assert done["done"] == 1
    assert desk.client(hugo).get("/api/tickets").get_json()["items"][0]["number"] == first.ticket.number


def test_a_caller_is_seen_in_the_clear_for_a_reason_and_on_record(desk: World) -> None:
    held = dispatched_ticket(desk)
    address = f"/api/tickets/{held.ticket.id}/caller"
    shown = desk.client(hans).post(address, json={"reason": "上门核实，需电话联系"}).get_json()
    assert shown == WANG
    assert desk.client(hans).post(address, json={"reason": "  "}).status_code == 400
    assert desk.client(lena).post(address, json={"reason": "想看看"}).status_code == 403
    assert desk.client(hugo).post(address, json={"reason": "想看看"}).status_code == 404
    assert desk.client(dave).post(address, json={"reason": "审计"}).status_code == 403


def test_a_phone_number_is_looked_up_however_it_is_written(desk: World) -> None:
    made = took_in(desk)
    for written in ("13987654321", "+86 139-8765-4321", "139 8765 4321", "１３９８７６５４３２１"):
        found = desk.client(otto).post("/api/tickets/lookup", json={"phone": written}).get_json()
        assert [row["number"] for row in found["items"]] == [made["number"]]
    other = desk.client(otto).post("/api/tickets/lookup", json={"phone": "13987654322"}).get_json()
    assert other["items"] == []
    assert desk.client(hans).post("/api/tickets/lookup", json={"phone": "13987654321"}).status_code == 403


def test_lists_are_narrowed_searched_and_paged(desk: World) -> None:
    for i, words in enumerate(["路灯不亮", "下水道堵塞", "路灯闪烁"]):
        took_in(desk, summary=words, category="street_lights" if i != 1 else "water")
    client = desk.client(sven)
    found = client.get("/api/tickets?q=路灯").get_json()["items"]
    assert [row["summary"] for row in found] == ["路灯闪烁", "路灯不亮"]
    by_number = client.get("/api/tickets?q=T-2026-000002").get_json()["items"]
    assert [row["summary"] for row in by_number] == ["下水道堵塞"]
    assert len(client.get("/api/tickets?category=water&open=true").get_json()["items"]) == 1
    first = client.get("/api/tickets?limit=2").get_json()
    rest = client.get(first["next"]).get_json()
    assert [row["summary"] for row in first["items"] + rest["items"]] == [
        "路灯闪烁",
        "下水道堵塞",
        "路灯不亮",
    ]
    words = client.get("/api/tickets?q=路灯&limit=1").get_json()
    assert [r["summary"] for r in client.get(words["next"]).get_json()["items"]] == ["路灯不亮"]
    by_due = client.get("/api/tickets?order=due&open=true&limit=2").get_json()
    assert len(client.get(by_due["next"]).get_json()["items"]) == 1


def test_what_means_nothing_in_a_list_is_said(desk: World) -> None:
    client = desk.client(otto)
    for query in ("state=lost", "flag=red", "category=ufo", "open=perhaps", "from=yesterday", "order=fate"):
        answer = client.get(f"/api/tickets?{query}")
        assert answer.status_code == 400, query
        assert answer.get_json()["errors"][0]["pointer"] == f"/{query.partition('=')[0]}"


def test_who_has_nothing_to_do_with_the_hotline_is_kept_out(desk: World) -> None:
    assert desk.client(carol).get("/api/tickets").status_code == 403
    assert desk.client(hans).post("/api/tickets", json=draft(desk)).status_code == 403
    assert desk.app.test_client().get("/api/tickets").status_code == 401


def test_a_deployment_without_a_hotline_has_no_tickets(world: World) -> None:
    client = world.client(otto)
    assert client.get("/api/tickets").status_code == 404
    assert client.post("/api/tickets", json={"channel": "phone", "summary": "路灯"}).status_code == 404
    assert client.get("/api/hotline/progress?number=T-2026-000001&code=X").status_code == 404


def test_an_earlier_ticket_of_the_same_matter_is_hinted_at(desk: World) -> None:
    first = took_in(desk, summary="东方路路灯连续三天不亮")
    took_in(desk, summary="医保报销比例咨询", caller={**WANG, "phone": "13611112222"})
    asked = {"summary": "东方路路灯三天不亮了", "phone": "13900000000"}
    found = desk.client(otto).post("/api/tickets/hints", json=asked).get_json()["items"]
    assert [(hint["number"], hint["why"]) for hint in found] == [(first["number"], ["text"])]
    same = desk.client(otto).post("/api/tickets/hints", json={"phone": WANG["phone"]}).get_json()["items"]
    assert [(hint["number"], hint["why"]) for hint in same] == [(first["number"], ["phone"])]
