"""Erasures over HTTP: who asks, who decides, what is answered for a body that is gone."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from audit.keeping.covered import Keeping
from audit.keeping.erasing import carry_out
from audit.keeping.finding import place_of
from audit.keeping.keeper import Keeper
from audit.keeping.rotation import rotate
from audit.note import Checkpoint, NoteVerifier, open_note
from audit.proofs import check_inclusion, entry_at
from audit.sealer import seal_once
from audit.store import insert_outbox
from audit.tiles import decode_bundle
from core.ids import new_id
from tests.audit.keeping.blocks import make_blocks
from tests.audit.keeping.town import RULE
from tests.audit.logs import access
from tests.cast import bob, carol, dave
from tests.conftest import World

pytestmark = pytest.mark.long

ASK = {"basis": "《个人信息保护法》第四十七条", "document": "审字〔2026〕7号"}
dana = replace(dave, login="dana", pseudonym="pseudonym-of-dana")


@pytest.fixture
def record_id(world: World) -> str:
    made = access(world.now, purpose="secret")
    with world.database.begin() as tx:
        insert_outbox(tx, made)
    seal_once(world.settings, world.database, world.now)
    return made.id


def carry(world: World) -> None:
    for _ in range(3):
        seal_once(world.settings, world.database, world.now)
        carry_out(Keeping(world.settings, world.database), world.now)
        make_blocks(world.settings.data / "audit", world.database, world.now)


def test_an_auditor_asks_another_decides_and_the_body_is_gone(world: World, record_id: str) -> None:
    asking, deciding = world.client(dave), world.client(dana)
    made = asking.post("/api/audit/erasures", json={**ASK, "records": [record_id.upper()]})
    assert (made.status_code, made.json["state"], made.json["may_decide"]) == (201, "asked", False)
    url = made.headers["Location"]
    own = asking.post(f"{url}/decision", json={"grant": True})
    assert (own.status_code, own.json["code"]) == (403, "not_permitted")
    assert deciding.get(url).json["may_decide"]
    granted = deciding.post(f"{url}/decision", json={"grant": True, "remark": "同意"})
    assert (granted.json["state"], granted.json["decided_by"]) == ("granted", "dana")
    assert deciding.post(f"{url}/decision", json={"grant": False}).json["code"] == "decided_already"
    carry(world)
    done = asking.get(url).json
    assert (done["state"], done["bodies"], done["units"]) == ("done", 1, [])
    gone = asking.get(f"/api/audit/records/{record_id}")
    assert (gone.status_code, gone.json["code"]) == (410, "gone")
    assert ASK["basis"] in gone.json["detail"]
    assert asking.get(f"/api/audit/records/{record_id}/proof").status_code == 200
    listed = asking.get("/api/audit/records?kind=access").json["items"]
    assert [set(item["body"]) for item in listed] in ([], [{"erased", "id"}])


def test_the_list_is_paged_and_shown_to_auditors_and_managers(world: World, record_id: str) -> None:
    auditor = world.client(dave)
    for paper in ("a", "b"):
        more = access(world.now)
        with world.database.begin() as tx:
            insert_outbox(tx, more)
        auditor.post("/api/audit/erasures", json={**ASK, "document": paper, "records": [more.id]})
    first = world.client(bob).get("/api/audit/erasures?limit=1&state=asked").json
    assert [e["document"] for e in first["items"]] == ["b"]
    assert [e["document"] for e in auditor.get(first["next"]).json["items"]] == ["a"]
    assert auditor.get("/api/audit/erasures?state=lost").status_code == 400
    assert world.client(carol).get("/api/audit/erasures").status_code == 403
    assert world.client(bob).post("/api/audit/erasures", json={**ASK, "records": ["x"]}).status_code == 403


def test_a_record_asked_for_twice_is_refused_by_its_place(world: World, record_id: str) -> None:
    auditor = world.client(dave)
    auditor.post("/api/audit/erasures", json={**ASK, "records": [record_id]})
    again = auditor.post("/api/audit/erasures", json={**ASK, "records": ["nothing", record_id.upper()]})
    assert [(e["pointer"], e["code"]) for e in again.json["errors"]] == [
        ("/records/0", "not_found"),
        ("/records/1", "erasure_asked"),
    ]


def test_a_pruned_record_of_a_closed_log_is_gone_and_still_proven(world: World, record_id: str) -> None:
    keys = [NoteVerifier.parse(world.settings.key_file("log.vkey").read_text())]
    later = replace(world.settings.platform, log_origin="shuxiang.qianjiang.example/2027")
    audit = replace(world.settings.audit, retention=RULE)
    world.settings = replace(world.settings, platform=later, audit=audit)
    with world.database.read() as tx:
        _, index = place_of(tx, world.settings.data / "audit", record_id)
    assert index is not None
    folder = rotate(world.settings, world.database, world.now).folder
    for _ in range(4):
        world.now += timedelta(days=400)
        seal_once(world.settings, world.database, world.now)
        Keeper(Keeping(world.settings, world.database)).turn(world.now)
    assert not list((folder / "bodies").iterdir())
    auditor = world.client(dave)
    gone = auditor.get(f"/api/audit/past/{folder.name}/records/{record_id}")
    assert (gone.status_code, gone.json["code"]) == (410, "gone")
    assert RULE.basis.zh in gone.json["detail"]
    for url in (
        f"/api/audit/past/{folder.name}/records/{record_id}/proof",
        f"/api/audit/records/{record_id}/proof",
        f"/audit/proof/{record_id}",
    ):
        assert check_inclusion(auditor.get(url).text, entry_at(folder, index), *keys) == index
    told = world.client(carol).get(f"/api/audit/records/{record_id}/proof")
    assert told.status_code == 410  # whose it was nobody can tell; anybody may have its proof
    assert f"/audit/proof/{record_id}" in told.json["detail"]
    assert auditor.get(f"/api/audit/past/{folder.name}/records/{new_id()}").status_code == 404


def test_a_closed_log_is_still_served_searched_and_proven(world: World, record_id: str) -> None:
    known = [world.settings.key_file(name).read_text().strip() for name in ("log.vkey", "log-mldsa.vkey")]
    later = replace(world.settings.platform, log_origin="shuxiang.qianjiang.example/2027")
    world.settings = replace(world.settings, platform=later)
    rotate(world.settings, world.database, world.now)
    auditor = world.client(dave)
    (log,) = auditor.get("/audit/past").json["items"]
    assert log["keys"][:2] == known
    note = auditor.get(log["checkpoint"]).text
    verifiers = [NoteVerifier.parse(key) for key in known]
    signed = Checkpoint.parse(open_note(note, verifiers))
    assert (signed.origin, signed.size) == (log["origin"], log["size"])
    bundle = auditor.get(log["checkpoint"].replace("checkpoint", f"tile/entries/000.p/{log['size']}"))
    assert len(decode_bundle(bundle.data)) == log["size"]
    assert auditor.get(log["checkpoint"].replace("checkpoint", "tile/0/001")).status_code == 404

    (found,) = auditor.get(f"{log['records']}?kind=access").json["items"]
    assert found["id"] == record_id
    one = auditor.get(found["url"]).json
    proof = auditor.get(f"{found['url']}/proof").text
    assert check_inclusion(proof, one["envelope"].encode(), *verifiers) == one["log_index"]
    assert auditor.get("/api/audit/past/none/records").status_code == 404
    assert world.client(bob).get(log["records"]).status_code == 403
    last = auditor.get("/api/audit/records?kind=audit.query").json["items"]
    assert {"log": log["origin"], "id": record_id} in [entry["body"]["query"] for entry in last]

    browser = world.browser(dave)
    listed = browser.get("/records/past").text
    assert log["origin"] in listed
    assert f'href="/records?log={log["slug"]}"' in listed
    within = browser.get(f"/records?log={log['slug']}&all=yes").text
    assert record_id in within
    assert last[0]["id"] not in within  # of the log that runs
    assert browser.get("/records?log=none").status_code == 404
    assert browser.get(f"/records/export?log={log['slug']}&kind=access").status_code == 200
