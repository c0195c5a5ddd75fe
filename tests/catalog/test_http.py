"""The catalog as a script uses it: paths, statuses, ETags, problems, and answers that fit their schemas."""

from __future__ import annotations

from typing import Any

import pytest

from schemas import validate
from tests.cast import alice, bob, carol, mallory
from tests.catalog.entries import TABLE, WITHHELD, divisions, entry


def pointers(answer: Any) -> set[str]:
    assert answer.mimetype == "application/problem+json", answer.text
    validate("response/problem", answer.json)
    return {e["pointer"] for e in answer.json["errors"]}


def test_a_dataset_goes_from_a_post_to_the_public(world: Any) -> None:
    divisions(world)
    steward, reader = world.client(alice), world.client(carol)

    made = steward.post("/api/datasets", json=entry())
    assert (made.status_code, made.headers["Location"]) == (201, "/api/datasets/307001-000001")
    assert made.headers["ETag"] == '"1"'
    validate("response/dataset", made.json)
    assert (made.json["state"], made.json["actions"]) == ("draft", ["publish"])
    assert reader.get(made.headers["Location"]).status_code == 404

    put = steward.put("/api/datasets/307001-000001/distributions/table", json=TABLE)
    assert (put.status_code, put.json["distributions"][0]["check"]["passed"]) == (200, True)
    validate("response/dataset", put.json)

    done = steward.post(
        "/api/datasets/307001-000001/actions/publish", json={}, headers={"If-Match": put.headers["ETag"]}
    )
    assert (done.status_code, done.json["state"]) == (200, "published")
    assert done.json["actions"] == ["report_change", "revise", "supply", "take_offline"]
    shown = reader.get("/api/datasets/307001-000001")
    validate("response/dataset", shown.json)
    assert (shown.status_code, shown.json["actions"]) == (200, [])
    assert "divisions_db" not in shown.text


def test_a_patch_replaces_members_against_the_version_that_was_read(world: Any) -> None:
    steward = world.client(alice)
    tag = steward.post("/api/datasets", json=entry(keywords=["区划"])).headers["ETag"]
    where = "/api/datasets/307001-000001"

    after = steward.patch(
        where, json={"keywords": None, "title": "街道区划代码", "cause": "更正"}, headers={"If-Match": tag}
    )
    assert (after.status_code, after.json["title"], "keywords" in after.json) == (200, "街道区划代码", False)
    late = steward.patch(where, json={"title": "旧的名称"}, headers={"If-Match": tag})
    assert (late.status_code, late.json["code"]) == (412, "changed_meanwhile")
    wrong = steward.patch(where, json={"nonsense": 1, "title": ""})
    assert wrong.status_code == 400
    history = steward.get(f"{where}/revisions")
    validate("response/dataset_revisions", history.json)
    assert [r["revision"] for r in history.json["items"]] == [2, 1]
    assert {c["field"] for c in history.json["items"][0]["changes"]} == {"keywords", "title"}


def test_bad_input_names_every_field(world: Any) -> None:
    steward = world.client(alice)

    wrong = steward.post("/api/datasets", json=entry(title="", share_class="secret", attributes=[]))
    assert (wrong.status_code, pointers(wrong)) == (400, {"/title", "/share_class", "/attributes"})
    empty = steward.post("/api/datasets", json={})
    assert pointers(empty) == {"/title", "/summary", "/category_code", "/attributes"}
    assert pointers(steward.post("/api/datasets", json=entry(theme="养鱼"))) == {"/theme"}
    for body in ("[]", "{", '{"title": NaN}', ""):
        answer = steward.post("/api/datasets", data=body, content_type="application/json")
        assert answer.status_code == 400
    made = steward.post("/api/datasets", json=entry())
    detail = {**TABLE, "table": "divisions; DROP TABLE x"}
    bad = steward.put(f"{made.headers['Location']}/distributions/table", json=detail)
    assert pointers(bad) == {"/table"}
    other = steward.put(f"{made.headers['Location']}/distributions/file", json=TABLE)
    assert pointers(other) == {"/kind"}


def test_who_may_not_is_told_so_and_who_may_not_know_is_not(world: Any) -> None:
    steward, reader, manager = world.client(alice), world.client(carol), world.client(bob)
    where = steward.post("/api/datasets", json=entry()).headers["Location"]

    assert reader.post("/api/datasets", json=entry()).status_code == 403
    assert world.app.test_client().get("/api/datasets").status_code == 401
    assert world.client(mallory).get(where).status_code == 404
    assert manager.get(where).status_code == 200
    assert manager.patch(where, json={"title": "改名"}).status_code == 403
    assert manager.post(f"{where}/actions/publish", json={}).status_code == 403
    assert steward.post(f"{where}/actions/dance", json={}).status_code == 404
    assert steward.post(f"{where}/actions/take_offline", json={"reason": "x"}).status_code == 409
    unready = steward.post(f"{where}/actions/publish", json={})
    assert (unready.status_code, unready.json["code"]) == (409, "not_attached")
    for code in ("307001%2F000001", "nothing", "307001-999999", "%00", "..", "１-１"):
        assert steward.get(f"/api/datasets/{code}").status_code == 404
    assert steward.put(f"{where}/distributions/carrier-pigeon", json=TABLE).status_code == 404


def test_unknown_fields_of_an_action_are_refused(world: Any) -> None:
    steward = world.client(alice)
    where = steward.post("/api/datasets", json=entry(**WITHHELD)).headers["Location"]

    assert pointers(steward.post(f"{where}/actions/publish", json={"force": True})) == {"/force"}
    assert steward.post(f"{where}/actions/publish", json={}).status_code == 200
    assert pointers(steward.post(f"{where}/actions/take_offline", json={})) == {"/reason"}


def test_the_list_has_pages_filters_and_counts(world: Any) -> None:
    steward, reader = world.client(alice), world.client(carol)
    for n in range(3):
        where = steward.post("/api/datasets", json=entry(title=f"第{n}号目录", **WITHHELD)).headers[
            "Location"
        ]
        steward.post(f"{where}/actions/publish", json={})

    first = reader.get("/api/datasets?q=目录&limit=2")
    validate("response/dataset_list", first.json)
    assert (len(first.json["items"]), first.json["total"]) == (2, 3)
    assert first.json["facets"]["share_class"][0]["count"] == 3
    rest = reader.get(first.json["next"])
    assert (len(rest.json["items"]), rest.json["next"]) == (1, None)
    assert {i["code"] for i in first.json["items"] + rest.json["items"]} == {
        f"307001/00000{n}" for n in (1, 2, 3)
    }
    for wrong in ("limit=0", "limit=x", "cursor=x", "share_class=x", "colour=red", "q=" + "字" * 201):
        assert reader.get(f"/api/datasets?{wrong}").status_code == 400, wrong


def test_the_same_post_again_registers_once(world: Any) -> None:
    steward = world.client(alice)
    key = {"Idempotency-Key": "one"}

    first = steward.post("/api/datasets", json=entry(), headers=key)
    again = steward.post("/api/datasets", json=entry(), headers=key)
    assert first.json == again.json
    assert steward.get("/api/datasets").json["total"] == 1


def test_a_distribution_is_taken_away_again(world: Any) -> None:
    steward = world.client(alice)
    where = steward.post("/api/datasets", json=entry()).headers["Location"]
    failed = steward.put(f"{where}/distributions/table", json=TABLE)
    assert failed.json["distributions"][0]["check"]["items"][0]["passed"] is False

    gone = steward.delete(f"{where}/distributions/table")
    assert (gone.status_code, gone.json["distributions"]) == (200, [])
    assert steward.delete(f"{where}/distributions/table").status_code == 404


@pytest.mark.parametrize("method", ["post", "patch", "put", "delete"])
def test_nothing_is_changed_without_a_token(world: Any, method: str) -> None:
    client = world.app.test_client()
    for path in (
        "/api/datasets",
        "/api/datasets/307001-000001",
        "/api/datasets/307001-000001/distributions/table",
    ):
        assert getattr(client, method)(path, json={}).status_code in (401, 405)
