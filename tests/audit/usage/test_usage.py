"""What a department used and gave: its own calls, each with its proof, and nobody else's."""

from __future__ import annotations

from typing import Any

import pytest

from audit.columns.engine import engine_of
from audit.note import NoteVerifier
from audit.proofs import check_inclusion, entry_at
from audit.query import Filters, record_by_id, search_all
from audit.store import insert_outbox
from tests.audit.console.calls import DIVISIONS, MORNING, WORKDAYS, Calls, call, text_of
from tests.cast import alice, ann, bob, carol, chen, dave, mallory

pytestmark = pytest.mark.long

FEBRUARY = "period=month&at=2026-02"


def test_a_consumer_sees_what_it_used_and_a_provider_who_used_it(calls: Calls) -> None:
    for actor, side, datasets in (
        (alice, "provider", {DIVISIONS}),
        (ann, "provider", {WORKDAYS}),
        (chen, "consumer", {WORKDAYS}),
        (mallory, "consumer", set()),
    ):
        found = calls.world.client(actor).get(f"/api/audit/usage/records?{FEBRUARY}").json
        assert (found["side"], found["department"]) == (side, actor.department)
        assert {item["dataset"] for item in found["items"]} == datasets
    used = calls.world.client(alice).get(f"/api/audit/usage?{FEBRUARY}&by=consumer").json
    assert [(line["name"], line["calls"]) for line in used["items"]] == [("health", 5)]


def test_the_sums_count_each_call_once(calls: Calls) -> None:
    client = calls.world.client(carol)
    found = client.get(f"/api/audit/usage?{FEBRUARY}&by=client").json
    assert {line["name"]: line["calls"] for line in found["items"]}["sys-health"] == 3
    whole = found["whole"]
    assert (whole["calls"], whole["refused"], whole["rows"]) == (5, 1, 25 + 25 + 25 + 1_000)
    assert sum(day["calls"] for day in found["days"]) == whole["calls"]
    first = client.get(f"/api/audit/usage?{FEBRUARY}&by=client&limit=2").json
    rest = client.get(first["next"]).json
    assert first["items"] + rest["items"] == found["items"]
    assert rest["next"] is None


def test_single_calls_are_ones_own_and_come_page_by_page(calls: Calls) -> None:
    client, seen = calls.world.client(carol), []
    url = f"/api/audit/usage/records?{FEBRUARY}&limit=2"
    while url:
        page = client.get(url).json
        seen += [item["id"] for item in page["items"]]
        url = page["next"]
    assert set(seen) == {calls.given, calls.refused, calls.night, calls.poison, calls.end}
    assert len(seen) == 5
    narrowed = client.get(f"/api/audit/usage/records?{FEBRUARY}&decision=refused&dataset=307001-000001").json
    assert [item["reason"] for item in narrowed["items"]] == ["field_not_granted"]
    assert "address" not in narrowed["items"][0]
    theirs = calls.world.client(chen).get(f"/api/audit/usage/records?{FEBRUARY}&grant=QJ-2").json
    assert theirs["items"] == []


@pytest.mark.parametrize("actor", [carol, alice, dave])
def test_the_parties_and_auditors_get_a_proof_that_holds(calls: Calls, actor: Any) -> None:
    world = calls.world
    proof = world.client(actor).get(f"/api/audit/records/{calls.given}/proof")
    assert proof.status_code == 200
    with world.database.read() as tx:
        index = record_by_id(tx, world.settings.data / "audit", calls.given).log_index
    assert index is not None
    key = NoteVerifier.parse(world.settings.key_file("log.vkey").read_text())
    assert check_inclusion(proof.text, entry_at(world.settings.data / "audit", index), key) == index
    queries = find_by_kind(calls)
    assert {"id": calls.given} in queries


def find_by_kind(calls: Calls) -> list[Any]:
    with calls.world.database.read() as tx:
        filters = Filters(equal={"kind": "audit.query"})
        page = search_all(tx, engine_of(calls.world.settings), filters, limit=5)
    return [found.body["query"] for found in page.items]


@pytest.mark.parametrize("actor", [ann, chen, mallory])
def test_whose_record_it_is_not_learns_nothing_of_it(calls: Calls, actor: Any) -> None:
    api = calls.world.client(actor).get(f"/api/audit/records/{calls.given}/proof")
    unknown = calls.world.client(actor).get("/api/audit/records/019c0000-0000-7000-8000-000000000000/proof")
    assert (api.status_code, api.json["detail"]) == (404, unknown.json["detail"])
    assert calls.world.browser(actor).get(f"/usage/records/{calls.given}/proof").status_code == 404


def test_what_one_did_oneself_is_no_call_of_ones_department(calls: Calls) -> None:
    client = calls.world.client(carol)
    with calls.world.database.read() as tx:
        own = Filters(department="health", equal={"kind": "account.created"})
        created = search_all(tx, engine_of(calls.world.settings), own, limit=1).items[0]
    assert created.body["department"] == carol.department
    assert client.get(f"/api/audit/records/{created.id}/proof").status_code == 404


def test_a_provider_does_not_look_at_what_its_department_used(calls: Calls) -> None:
    refused = calls.world.client(alice).get(f"/api/audit/usage?{FEBRUARY}&side=consumer")
    assert (refused.status_code, refused.json["code"]) == (403, "not_permitted")
    assert calls.world.client(bob).get("/api/audit/usage").status_code == 403


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("by=reason", "/by"),
        ("side=auditor", "/side"),
        ("period=era", "/period"),
        ("at=x", "/at"),
        ("cursor=-1", "/cursor"),
    ],
)
def test_a_wrong_word_is_named(calls: Calls, query: str, pointer: str) -> None:
    answer = calls.world.client(carol).get(f"/api/audit/usage?{query}")
    assert answer.status_code == 400
    assert [e["pointer"] for e in answer.json["errors"]] == [pointer]


def test_the_pages_show_the_same_and_run_nothing(calls: Calls) -> None:
    browser = calls.world.browser(carol)
    shown = browser.get(f"/usage?{FEBRUARY}&by=grant").text
    assert "调用 5" in text_of(shown)
    listed = browser.get(f"/usage/records?{FEBRUARY}").text
    assert "<script" not in shown + listed
    assert "&lt;script&gt;alert(1)" in listed
    assert calls.others not in listed
    proof = browser.get(f"/usage/records/{calls.given}/proof")
    assert proof.text.startswith("c2sp.org/tlog-proof@v1")
    assert browser.get("/usage?at=x").status_code == 422
    assert browser.get(f"/usage/records?{FEBRUARY}&cursor=x").status_code == 422
    assert find_by_kind(calls)[0] == {"id": calls.given}


def test_the_proof_of_what_waits_comes_once_it_is_sealed(calls: Calls) -> None:
    made = call(MORNING, consumer="education", client="sys-late")
    with calls.world.database.begin() as tx:
        insert_outbox(tx, made)
    browser = calls.world.browser(mallory)
    assert "待封存" in browser.get(f"/usage/records?{FEBRUARY}").text
    assert browser.get(f"/usage/records/{made.id}/proof").status_code == 409
