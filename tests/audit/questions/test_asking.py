"""Auditors ask over HTTP: answers are paged, name the part of the log that was seen, and are on record."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import orjson
import pytest

from audit import store
from audit.columns.coverage import Coverage
from audit.questions import asking
from audit.questions.catalogue import QUESTIONS
from audit.questions.model import TITLES
from audit.sealer import seal_once
from gateway.grants import act_on_grant
from tests.audit.questions.story import DAY, HOUR, call, event
from tests.cast import alice, bob, dave
from tests.conftest import World
from tests.stories import active_grant

pytestmark = pytest.mark.long


def put(world: World, *records: Any, seal: bool = True) -> None:
    with world.database.begin() as tx:
        for made in records:
            store.insert_outbox(tx, made)
    if seal:
        seal_once(world.settings, world.database, world.now)


def queries(world: World) -> list[Any]:
    """What the outbox holds of auditors' own queries."""
    with world.database.read() as tx:
        bodies = [orjson.loads(row.body) for row in store.select_outbox(tx, 1000)]
    return [body for body in bodies if body["k"] == "audit.query"]


NEEDED = {"readers_of_dataset": "dataset=307001-000001", "accesses_of_citizen": f"subject={'a' * 32}"}


def test_every_question_is_listed_and_answers(world: World) -> None:
    put(
        world, *(call(world.now - n * DAY, kind) for n in range(1, 4) for kind in ("access", "access.intent"))
    )
    auditor = world.client(dave)
    listed = auditor.get("/api/audit/questions").json["items"]
    assert [q["code"] for q in listed] == list(QUESTIONS)
    for question in listed:
        answer = auditor.get(f"{question['url']}?{NEEDED.get(question['code'], '')}").json
        assert answer["question"] == question["code"]
        assert answer["coverage"]["complete"] is True
        assert {column["name"] for column in answer["columns"]} <= set(TITLES)
        for row in answer["items"]:
            assert list(row) == [column["name"] for column in answer["columns"]]
    asked = [body["query"]["question"] for body in queries(world)]
    assert asked == list(QUESTIONS)


def test_an_answer_says_what_it_was_asked_and_which_checkpoint_covers_it(world: World) -> None:
    put(world, *(call(world.now - n * HOUR) for n in range(1, 4)))
    put(world, call(world.now - HOUR / 2), seal=False)
    answer = world.client(dave).get("/api/audit/questions/top_consumers?by=dataset&consumer=police").json
    assert answer["asked"]["by"] == "dataset"
    assert answer["asked"]["until"] == "2026-02-10T10:00:00+08:00"
    assert answer["asked"]["since"] == "2026-01-11T10:00:00+08:00"
    assert answer["items"][0] | {"last": ""} == {
        "name": "307001/000001",
        "calls": 4,
        "rows": 40,
        "bytes": 4000,
        "permitted": 4,
        "refused": 0,
        "failed": 0,
        "aborted": 0,
        "last": "",
    }
    size = answer["coverage"]["size"]
    assert answer["coverage"]["checkpoint"].split("\n")[1] == str(size)
    assert (answer["coverage"]["first"], answer["coverage"]["last"]) == (0, size - 1)
    (body,) = queries(world)
    assert (body["query"]["question"], body["query"]["consumer"], body["rows"]) == (
        "top_consumers",
        "police",
        1,
    )
    assert (body["department"], body["roles"]) == (dave.department, ["auditor"])


def test_the_grants_in_force_are_those_that_the_gateway_keeps(world: World) -> None:
    used, idle, ended = (active_grant(world) for _ in range(3))
    with world.work(bob) as work:
        act_on_grant(work, ended.grant.id, "terminate", {"reason": "停用"})
    world.now += 40 * DAY
    put(world, call(world.now - DAY, grant=used.grant.number))
    (row,) = world.client(dave).get("/api/audit/questions/unused_grants?days=30").json["items"]
    assert (row["grant"], row["last_call"]) == (idle.grant.number, None)
    assert (row["client"], row["dataset"]) == (idle.grant.client_id, idle.grant.dataset_code)


def test_only_auditors_may_ask(world: World) -> None:
    for path in ("questions", "questions/off_hours", "statistics", "export?question=off_hours"):
        assert world.client(alice).get(f"/api/audit/{path}").status_code == 403
    assert (
        world.client(alice).post("/api/audit/subjects", json={"name": "a", "value": "b"}).status_code == 403
    )
    assert queries(world) == []


def test_a_wrong_cursor_or_limit_is_refused_by_name(world: World) -> None:
    auditor = world.client(dave)
    for query in ("cursor=x", "cursor=99999999999999-0", "cursor=1-100000", "limit=0"):
        refused = auditor.get(f"/api/audit/questions/off_hours?{query}")
        assert refused.status_code == 400
        assert [e["pointer"] for e in refused.json["errors"]] == [f"/{query.split('=')[0]}"]
    assert queries(world) == []


def test_every_wrong_parameter_has_its_entry(world: World) -> None:
    refused = world.client(dave).get("/api/audit/questions/volume_spikes?measure=x&least=0&days=3").json
    assert {e["pointer"] for e in refused["errors"]} == {"/measure", "/least", "/days"}


def test_a_question_that_there_is_none_of_is_not_found(world: World) -> None:
    assert world.client(dave).get("/api/audit/questions/everything").status_code == 404
    assert world.client(dave).get("/api/audit/export?question=everything").status_code == 404


def test_pages_fit_together_whatever_happens_meanwhile(world: World) -> None:
    made = [call(world.now - n * HOUR) for n in range(1, 8)]
    put(world, *made)
    auditor, got = world.client(dave), []
    address = "/api/audit/questions/find_records?kind=access&limit=3"
    while address:
        page = auditor.get(address).json
        got += [row["id"] for row in page["items"]]
        address = page["next"]
        world.now += timedelta(minutes=1)
        put(world, call(world.now - timedelta(seconds=30)))
    assert got == [record.id for record in made]


def test_an_answer_has_an_end_and_says_when_it_was_cut_off(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "ROWS_MOST", 5)
    put(world, *(call(world.now - n * HOUR) for n in range(1, 8)))
    auditor = world.client(dave)
    first = auditor.get("/api/audit/questions/find_records?kind=access&limit=3").json
    assert (len(first["items"]), first["cut"]) == (3, False)
    last = auditor.get(first["next"]).json
    assert (len(last["items"]), last["cut"], last["next"]) == (2, True, None)


def test_a_person_is_found_by_name_and_value_which_are_not_kept(world: World) -> None:
    value = "33010119800101001X"
    auditor = world.client(dave)
    given = auditor.post("/api/audit/subjects", json={"name": "id_number", "value": value})
    digest = given.json["subject"]
    made = call(world.now - HOUR, subject=digest)
    put(world, made, call(world.now - HOUR))
    found = auditor.get(f"/api/audit/questions/accesses_of_citizen?subject={digest}").json
    assert [row["id"] for row in found["items"]] == [made.id]
    lower = auditor.post("/api/audit/subjects", json={"name": "id_number", "value": value.lower()})
    assert lower.json["subject"] == digest
    assert [q["query"] for q in queries(world)][-1] == {"subject": digest, "name": "id_number"}
    world.database.close()
    kept = [
        path
        for path in world.settings.data.rglob("*")
        if path.is_file() and value.encode() in path.read_bytes()
    ]
    assert kept == []


@pytest.mark.parametrize("body", [{"name": "", "value": "x"}, {"name": "a\0b", "value": "x"}, {"name": "a"}])
def test_a_subject_must_be_named(world: World, body: dict[str, str]) -> None:
    assert world.client(dave).post("/api/audit/subjects", json=body).status_code == 400


def test_a_period_that_is_not_over_says_so(world: World) -> None:
    answer = world.client(dave).get("/api/audit/questions/calls_per_day?until=2026-03-01").json
    assert ["not over" in note["en"] for note in answer["notes"]] == [True]
    assert world.client(dave).get("/api/audit/questions/calls_per_day?until=2026-02-01").json["notes"] == []


def test_years_without_published_holidays_are_named(world: World) -> None:
    answer = world.client(dave).get("/api/audit/questions/off_hours?since=2026-12-01&until=2027-02-01").json
    assert [note["en"] for note in answer["notes"] if "holidays" in note["en"]]


def test_an_answer_with_gaps_says_so(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    put(world, call(world.now - HOUR))
    auditor = world.client(dave)
    gaps = Coverage(0, 9, 10, "", (), (), ((3, 4), (7, 7)))
    monkeypatch.setattr(asking, "coverage", lambda *_, **__: gaps)
    answer = auditor.get("/api/audit/questions/calls_per_day").json
    assert (answer["coverage"]["complete"], answer["coverage"]["missing_entries"]) == (False, 3)
    assert "no body" in answer["notes"][0]["en"]
    altered = Coverage(0, 9, 10, "", ("65536/0.parquet",), ("65536/0.parquet",), ())
    monkeypatch.setattr(asking, "coverage", lambda *_, **__: altered)
    assert "65536" in auditor.get("/api/audit/questions/calls_per_day").json["notes"][0]["zh"]


# --- statistics ---------------------------------------------------------------------------------------


def test_statistics_stand_beside_those_of_the_period_before(world: World) -> None:
    put(
        world,
        *(call(world.now - n * DAY) for n in range(1, 4)),
        call(world.now - DAY, decision="refused", reason="grant_expired", consumer="x", rows=None),
        call(world.now - 20 * DAY, consumer="y"),
        event(world.now - DAY, "audit.query"),
    )
    found = world.client(dave).get("/api/audit/statistics").json
    assert (found["period"]["name"], found["before"]["period"], found["complete"]) == (
        "2026-02",
        "2026-01",
        False,
    )
    assert (found["whole"]["calls"], found["whole"]["refused"], found["whole"]["rows"]) == (4, 1, 30)
    assert (found["whole"]["consumers"], found["before"]["whole"]["calls"]) == (2, 1)
    assert [(day["day"], day["calls"]) for day in found["days"]] == [
        ("2026-02-07", 1),
        ("2026-02-08", 1),
        ("2026-02-09", 2),
    ]
    assert [(c["name"], c["calls"]) for c in found["consumers"]] == [("police", 3), ("x", 1)]
    assert [(r["decision"], r["reason"], r["calls"]) for r in found["reasons"]] == [
        ("refused", "grant_expired", 1)
    ]
    narrowed = world.client(dave).get("/api/audit/statistics?period=year&at=2026&consumer=y").json
    assert (narrowed["whole"]["calls"], narrowed["narrowed"]) == (1, {"consumer": "y"})
    assert [body["query"]["statistics"] for body in queries(world)] == ["month", "year"]


def test_statistics_of_nothing_are_zero(world: World) -> None:
    found = world.client(dave).get("/api/audit/statistics?period=day&at=2026-02-10").json
    assert set(found["whole"].values()) == {0}
    assert (found["days"], found["consumers"], found["reasons"]) == ([], [], [])
