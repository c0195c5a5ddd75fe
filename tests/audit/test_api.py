"""The log over HTTP, for auditors."""

from __future__ import annotations

import base64
import hashlib
from contextlib import suppress
from datetime import timedelta
from typing import Any

import orjson
import pytest
from sqlalchemy import event

import schemas
from audit import store
from audit.log import record
from audit.note import NoteVerifier
from audit.proofs import check_inclusion
from audit.sealer import seal_once
from audit.sealing import Sealed
from audit.standing import status
from core.work import SYSTEM
from tests.audit.logs import access
from tests.cast import alice, carol, dave
from tests.conftest import World


def put(world: World, *records: Any) -> None:
    with world.database.begin() as tx:
        for made in records:
            store.insert_outbox(tx, made)


def seal(world: World) -> Sealed:
    return seal_once(world.settings, world.database, world.now)


def verifier(world: World) -> NoteVerifier:
    return NoteVerifier.parse(world.settings.key_file("log.vkey").read_text(encoding="utf-8"))


def test_an_act_and_its_record_are_committed_together_or_not_at_all(world: World) -> None:
    with world.work(alice) as work:
        kept = record(work, "decision.dataset", {"case": "c1", "action": "submit"})
    with suppress(RuntimeError), world.work(alice) as work:
        record(work, "decision.dataset", {"case": "c2"})
        raise RuntimeError("the act fails")
    seal(world)
    items = world.client(dave).get("/api/audit/records?kind=decision.dataset").json["items"]
    assert [i["id"] for i in items] == [kept]
    assert items[0]["body"] | {"nonce": ""} == {
        "v": 1,
        "k": "decision.dataset",
        "t": int(world.now.timestamp() * 1000),
        "id": kept,
        "nonce": "",
        "case": "c1",
        "action": "submit",
        "actor": alice.pseudonym,
        "department": alice.department,
        "roles": ["provider"],
    }


def test_nobody_can_record_in_the_name_of_another(world: World) -> None:
    with world.work(SYSTEM) as work, pytest.raises(ValueError, match="actor"):
        record(work, "decision.dataset", {"actor": "bob"})


def test_an_auditor_finds_a_record_reads_it_and_checks_its_proof(world: World) -> None:
    made = access(world.now, dataset="307001/000001", decision="refused", reason="grant_suspended")
    put(world, made, access(world.now))
    auditor = world.client(dave)
    found = auditor.get("/api/audit/records?decision=refused&dataset=307001-000001")
    schemas.validate("response/audit_records", found.json)
    assert [i["id"] for i in found.json["items"]] == [made.id]
    assert found.json["items"][0]["log_index"] is None
    waiting = auditor.get(f"/api/audit/records/{made.id}/proof")
    assert (waiting.status_code, waiting.json["code"]) == (409, "not_sealed_yet")

    seal(world)
    one = auditor.get(f"/api/audit/records/{made.id}").json
    schemas.validate("response/audit_record", one)
    proof = auditor.get(f"/api/audit/records/{made.id}/proof")
    assert proof.mimetype == "text/plain"
    index = check_inclusion(proof.text, one["envelope"].encode(), verifier(world))
    assert index == one["log_index"]
    # What is shown as the body has the digest that the log commits to.
    shown = orjson.dumps(one["body"], option=orjson.OPT_SORT_KEYS)
    digest = base64.b64encode(hashlib.sha256(shown).digest()).decode()
    assert orjson.loads(one["envelope"])["b"] == digest


def test_who_searches_is_on_record(world: World) -> None:
    auditor = world.client(dave)
    auditor.get("/api/audit/records?department=health&since=2026-01-01T00:00")
    entry = auditor.get("/api/audit/records?kind=audit.query").json["items"][0]["body"]
    assert (entry["department"], entry["roles"]) == (dave.department, ["auditor"])
    assert "dave" not in str(entry)
    assert entry["query"]["department"] == "health"
    assert entry["rows"] == 0
    known = auditor.get("/api/audit/records?kind=audit.query").json["items"][0]["id"]
    world.now += timedelta(seconds=1)
    auditor.get(f"/api/audit/records/{known}")
    world.now += timedelta(seconds=1)
    latest = auditor.get("/api/audit/records?kind=audit.query").json["items"][0]["body"]
    assert latest["query"] == {"id": known}


@pytest.fixture
def searched(world: World) -> Any:
    """A world with records, and how often each of them was read while somebody else wrote."""
    made = access(world.now)
    put(world, made)
    turns: list[str] = []

    @event.listens_for(world.database.engine, "before_cursor_execute")
    def _meanwhile(tx: Any, cursor: Any, statement: str, *rest: Any) -> None:
        if statement.startswith("SELECT") and "FROM audit_outbox" in statement:
            world.write_elsewhere()
            turns.append(statement)

    return made, turns


@pytest.mark.parametrize("path", ["/api/audit/records", "/api/audit/records/{}", "/records", "/records/{}"])
def test_others_write_while_an_auditor_searches(world: World, searched: Any, path: str) -> None:
    made, turns = searched
    api = path.startswith("/api")
    reader: Any = bearer(world) if api else world.browser(dave)
    turns.clear()
    assert reader.get(path.format(made.id)).status_code == 200
    assert turns


FULL = {
    "sqlite": "CREATE TRIGGER full BEFORE INSERT ON audit_outbox BEGIN SELECT RAISE(ABORT, 'disk full'); END",
    "postgresql": "ALTER TABLE audit_outbox ADD CONSTRAINT full_disk CHECK (false) NOT VALID",
}


@pytest.mark.parametrize("path", ["/api/audit/records", "/api/audit/records/{}", "/records", "/records/{}"])
def test_what_cannot_be_put_on_record_is_not_answered(world: World, path: str) -> None:
    made = access(world.now, dataset="307001/000001")
    put(world, made)
    reader: Any = bearer(world) if path.startswith("/api") else world.browser(dave)
    assert "307001/000001" in reader.get(path.format(made.id)).text
    with world.database.begin() as tx:
        tx.exec_driver_sql(FULL[tx.dialect.name])
    answer = reader.get(path.format(made.id))
    assert answer.status_code == 500
    assert "307001/000001" not in answer.text


def bearer(world: World) -> Any:
    """A plain client of the auditor, which lets answers be faults."""
    token = world.client(dave).environ_base["HTTP_AUTHORIZATION"]
    client = world.app.test_client()
    client.environ_base["HTTP_AUTHORIZATION"] = token
    return client


def test_pages_follow_each_other_without_gap_or_overlap(world: World) -> None:
    put(world, *(access(world.now) for _ in range(7)))
    auditor = world.client(dave)
    seen: list[str] = []
    url = "/api/audit/records?kind=access&limit=3"
    while url:
        page = auditor.get(url).json
        seen += [i["id"] for i in page["items"]]
        url = page["next"]
    assert len(seen) == 7
    assert seen == sorted(seen, reverse=True)


@pytest.mark.parametrize("path", ["/api/audit/records", "/api/audit/records/x"])
def test_only_auditors_read_records(world: World, path: str) -> None:
    assert world.client(carol).get(path).status_code == 403
    assert world.app.test_client().get(path).status_code == 401


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("since=yesterday", "/since"),
        ("until=2026-13-01", "/until"),
        ("cursor=x", "/cursor"),
        ("limit=0", "/limit"),
        ("who=me", "/who"),
    ],
)
def test_a_wrong_filter_is_named(world: World, query: str, pointer: str) -> None:
    answer = world.client(dave).get(f"/api/audit/records?{query}")
    assert answer.status_code == 400
    assert [e["pointer"] for e in answer.json["errors"]] == [pointer]


def test_a_search_may_reach_back_further_than_any_record(world: World) -> None:
    put(world, access(world.now))
    answer = world.client(dave).get("/api/audit/records?kind=access&since=0001-01-01&until=9999-12-31")
    assert len(answer.json["items"]) == 1


def test_an_unknown_record_is_not_found(world: World) -> None:
    auditor = world.client(dave)
    for name in ("nonsense", access().id):
        assert auditor.get(f"/api/audit/records/{name}").status_code == 404
        assert auditor.get(f"/api/audit/records/{name}/proof").status_code == 404


def test_the_status_tells_what_waits(world: World) -> None:
    put(world, access(world.now), access(world.now))
    before = status(world.settings)
    assert (before["size"], before["checkpoint_size"], before["waiting_in_outbox"]) == (0, None, 2)
    assert seal(world) == Sealed(2, 2)
    after = status(world.settings)
    assert (after["size"], after["checkpoint_size"], after["waiting_in_outbox"]) == (2, 2, 0)
    assert after["sealed_to"] == "2026-02-10T10:00:00+08:00"
