"""The same cycle over HTTP, as a script would go through it."""

from __future__ import annotations

from typing import Any

import schemas
from tests.cast import alice, bob, carol, dave, mallory
from tests.stories import STATEMENT, active_client, active_grant, offered

PDF = b"%PDF-1.7\n% a scan\n"


def test_a_script_goes_through_the_whole_cycle(world: Any) -> None:
    code, system = offered(world, "divisions"), active_client(world)
    consumer, manager = world.client(carol), world.client(bob)
    wish = {"dataset": code.replace("/", "-"), "client": system.client.id, "fields": ["code"], **STATEMENT}
    wish["calls_per_day"] = 20
    made = consumer.post("/api/applications", json=wish)
    assert made.status_code == 201, made.text
    schemas.validate("response/application", made.json)
    assert made.json["number"] == "A-2026-000001"
    address = made.headers["Location"]
    assert made.json["actions"] == ["withdraw"]
    assert manager.get(address).json["actions"] == ["accept", "refuse"]
    accepted = manager.post(f"{address}/actions/accept", json={}, headers={"If-Match": made.headers["ETag"]})
    assert accepted.json["state"] == "with_manager"
    granted = manager.post(f"{address}/actions/grant", json={"row_limit": 10})
    assert granted.status_code == 200, granted.text
    schemas.validate("response/application", granted.json)
    assert granted.json["grant"]["number"] == "G-2026-000001"
    informed = manager.post(f"{address}/actions/inform", json={})
    assert informed.json["state"] == "closed"
    grant = consumer.get(f"/api/grants/{granted.json['grant']['id']}")
    schemas.validate("response/grant", grant.json)
    assert (grant.json["row_limit"], grant.json["valid_until"]) == (10, None)
    assert (made.json["calls_per_day"], grant.json["calls_per_day"], grant.json["calls_today"]) == (20, 20, 0)
    schemas.validate("response/grants", consumer.get("/api/grants?state=active").json)
    schemas.validate("response/applications", manager.get("/api/applications?state=closed").json)


def test_measures_on_a_grant_take_the_roles_and_reasons_of_the_book(ganzhou: Any) -> None:
    """GZ art. 5(一): suspended, resumed, ended by the provider, with evidence, on record."""
    held = active_grant(ganzhou, term_days=30)
    address = f"/api/grants/{held.grant.id}"
    provider, manager, consumer = ganzhou.client(alice), ganzhou.client(bob), ganzhou.client(carol)
    before = ganzhou.counter.read()
    proof = {"reason": "用于其他用途", "evidence": "存取记录 17 条"}
    assert consumer.post(f"{address}/actions/suspend", json=proof).status_code == 403
    assert manager.post(f"{address}/actions/suspend", json=proof).status_code == 403
    assert provider.post(f"{address}/actions/suspend", json={"reason": "x"}).status_code == 400
    suspended = provider.post(f"{address}/actions/suspend", json=proof)
    assert suspended.json["state"] == "suspended"
    assert ganzhou.counter.read() > before
    assert suspended.json["history"][-1]["record"]
    assert provider.post(f"{address}/actions/resume", json={}).json["state"] == "active"
    assert provider.post(f"{address}/actions/terminate", json=proof).json["state"] == "terminated"
    assert provider.post(f"{address}/actions/resume", json={}).status_code == 409
    assert provider.post(f"{address}/actions/explode", json={}).status_code == 404


def test_papers_are_uploaded_shown_and_downloaded(ganzhou: Any) -> None:
    code, system = offered(ganzhou, "workdays"), active_client(ganzhou)
    consumer, manager = ganzhou.client(carol), ganzhou.client(bob)
    wish = {"dataset": code, "client": system.client.id, "fields": ["date"], "term_days": 30, **STATEMENT}
    refused = consumer.post("/api/applications", json=wish)
    assert refused.status_code == 400
    assert refused.json["cite"]
    made = consumer.post("/api/applications", json={**wish, "submit": False})
    address = made.headers["Location"]
    assert made.json["attachments_demanded"][0]["type"] == "api_application_form"
    place = f"{address}/attachments?type=api_application_form&sealed=true&name=..%2F%E7%94%B3%E8%AF%B7%0A.pdf"
    paper = consumer.post(place, data=PDF, content_type="application/pdf")
    assert paper.status_code == 201, paper.text
    schemas.validate("response/application_attachment", paper.json)
    assert paper.json["name"] == "申请.pdf"
    assert manager.get(paper.headers["Location"]).status_code == 404  # still a draft
    assert consumer.post(f"{address}/actions/submit", json={}).json["state"] == "with_provider"
    got = manager.get(paper.headers["Location"])
    assert got.data == PDF
    assert got.headers["Content-Disposition"].startswith("attachment;")
    assert got.headers["X-Content-Type-Options"] == "nosniff"


def test_a_paper_that_is_too_large_or_no_paper_is_refused(ganzhou: Any) -> None:
    code, system = offered(ganzhou, "divisions"), active_client(ganzhou)
    consumer = ganzhou.client(carol)
    wish = {"dataset": code, "client": system.client.id, "fields": ["code"], "term_days": 30, **STATEMENT}
    address = consumer.post("/api/applications", json={**wish, "submit": False}).headers["Location"]
    place = f"{address}/attachments?type=material"
    assert consumer.post(place, data=b"%PDF-" + bytes(10 * 1024 * 1024)).status_code == 413
    assert consumer.post(place, data=b"#!/bin/sh").status_code == 400
    assert consumer.post(f"{address}/attachments?type=other", data=PDF).status_code == 400
    assert consumer.post(f"{address}/attachments", data=PDF).status_code == 400
    assert consumer.get(address).json["attachments"] == []
    assert list((ganzhou.settings.data / "attachments").rglob("*.*")) == []


def test_an_unknown_id_and_a_foreign_one_look_alike(world: Any) -> None:
    held = active_grant(world)
    stranger, auditor = world.client(mallory), world.client(dave)
    unknown = "00000000-0000-7000-8000-000000000000"
    for path, known in (
        ("applications", held.grant.application_id),
        ("grants", held.grant.id),
        ("clients", held.grant.client_id),
    ):
        answers = [stranger.get(f"/api/{path}/{id}") for id in (known, unknown)]
        assert [a.status_code for a in answers] == [404, 404]
        assert answers[0].json == answers[1].json
        assert auditor.get(f"/api/{path}/{known}").status_code == 200
