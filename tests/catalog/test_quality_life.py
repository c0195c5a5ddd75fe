"""Checks as people meet them: who asks for one, what is kept of it, who sees how much."""

from __future__ import annotations

import re
import sqlite3
from contextlib import AbstractContextManager, closing
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy.exc

from audit.store import audit_outbox
from cases.sealed import open_fields
from catalog.datasets import revise_dataset
from catalog.guards import check_entry
from catalog.model import Dataset
from catalog.quality.runs import (
    check_distribution_quality,
    check_now,
    checked_and_kept,
    due_for_quality,
    keep_report,
    latest_reports,
    list_runs,
    plan_quality,
)
from catalog.quality.standing import Failed, check_next
from catalog.quality.store import KEPT, quality_runs
from core.codes import in_url
from core.errors import Conflict, NotFound, NotPermitted, TooMany
from core.work import SYSTEM, Work
from matters.acting import list_matters
from matters.model import Wanted
from tests.cast import alice, ann, bob, carol, dave, mallory
from tests.catalog.conftest import Cities
from tests.catalog.entries import acted, allowed, attached, entry, objections, pointers, published, registered
from tests.stories import offered

pytestmark = pytest.mark.long

PERSONAL = "王小五的住处"


@pytest.fixture
def streets(world: Any) -> Dataset:
    """A published dataset with three rows, two of them wrong."""
    return with_rows(world)


def with_rows(world: Any) -> Dataset:
    path = world.settings.data / "demo" / "divisions.sqlite"
    path.parent.mkdir(exist_ok=True)
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("CREATE TABLE divisions (code, name)")
        rows = [("429005001", "园林街道"), ("429005001", "广华寺街道"), ("429005002", PERSONAL)]
        database.executemany("INSERT INTO divisions VALUES (?, ?)", rows)
    attributes = [
        {"name": "code", "title": "区划代码", "type": "string", "primary_key": True, "pattern": "[0-9]{9}"},
        {"name": "name", "title": "名称", "type": "string", "length": 5},
    ]
    return published(world, attributes=attributes)


def begun(world: Any) -> Any:
    """What begins a unit of work of the platform itself."""

    def begin() -> AbstractContextManager[Work]:
        made: AbstractContextManager[Work] = world.work(SYSTEM)
        return made

    return begin


def checked(world: Any, dataset: Dataset, actor: Any = alice) -> Any:
    with world.read(actor) as work:
        plan = plan_quality(work, dataset.code)
    report = check_distribution_quality(world.settings, plan)
    with world.work(actor) as work:
        return keep_report(work, plan, report)


def address(dataset: Dataset) -> str:
    return f"/api/datasets/{in_url(dataset.code)}/quality"


# --- who may ask ----------------------------------------------------------------------------------


def test_in_qianjiang_the_manager_checks_and_the_provider_may_check_their_own(world: Any) -> None:
    dataset = with_rows(world)

    for actor in (alice, bob):
        assert checked(world, dataset, actor).failed_rules == 2
    for stranger in (ann, carol, dave, mallory):
        with pytest.raises(NotPermitted) as refused, world.read(stranger) as work:
            plan_quality(work, dataset.code)
        assert "第17条" in str(refused.value.cite)


def test_in_ganzhou_it_is_the_providers_own_duty(ganzhou: Any) -> None:
    dataset = with_rows(ganzhou)

    assert checked(ganzhou, dataset, alice).failed_rules == 2
    with pytest.raises(NotPermitted) as refused, ganzhou.read(bob) as work:
        plan_quality(work, dataset.code)
    assert "第4条" in str(refused.value.cite)


def test_what_is_not_read_as_a_whole_is_not_checked(world: Any) -> None:
    code = offered(world, "workdays")

    with pytest.raises(Conflict) as refused, world.read(ann) as work:
        plan_quality(work, code)
    assert refused.value.code == "nothing_to_check"
    with pytest.raises(NotFound), world.read(ann) as work:
        plan_quality(work, code, "table")


def test_a_draft_of_somebody_else_does_not_exist(world: Any) -> None:
    draft = registered(world)
    with pytest.raises(NotFound), world.read(carol) as work:
        plan_quality(work, draft.code)


# --- what is kept ---------------------------------------------------------------------------------


def test_a_check_leaves_counts_on_record_and_no_value_anywhere(world: Any, streets: Dataset) -> None:
    run = checked(world, streets)

    with world.database.read() as tx:
        body = tx.execute(audit_outbox.select().where(audit_outbox.c.kind == "quality.checked")).one().body
        kept = tx.execute(quality_runs.select()).one()
    assert b'"failed_rules":2' in body
    assert b'"rows":3' in body
    for text in (body.decode(), str(kept.document), str(run)):
        assert PERSONAL not in text
        assert "429005002" not in text


def test_the_database_is_free_while_the_data_are_read(world: Any, streets: Dataset) -> None:
    with world.work(alice) as work:
        plan = plan_quality(work, streets.code)
        with checked_and_kept(work, world.database, plan) as (after, run):
            assert after.tx is not work.tx
            with pytest.raises(sqlalchemy.exc.InvalidRequestError):
                list_runs(work, streets)
    world.write_elsewhere()
    assert run.failed_rules == 2


def test_one_check_runs_at_a_time(world: Any, streets: Dataset) -> None:
    with world.read(alice) as work:
        plan = plan_quality(work, streets.code)
    refused = []

    def meanwhile(_rows: int) -> None:
        with pytest.raises(TooMany) as busy:
            check_distribution_quality(world.settings, plan)
        refused.append(busy.value.code)

    assert check_distribution_quality(world.settings, plan, meanwhile).rows == 3
    assert refused == ["quality_busy"]
    assert check_distribution_quality(world.settings, plan).rows == 3


def test_the_last_hundred_checks_of_a_dataset_are_kept(world: Any, streets: Dataset) -> None:
    with world.read(alice) as work:
        plan = plan_quality(work, streets.code)
    report = check_distribution_quality(world.settings, plan)
    for _ in range(KEPT + 3):
        world.now += timedelta(minutes=1)
        with world.work(alice) as work:
            keep_report(work, plan, report)

    with world.read(alice) as work:
        assert len(list_runs(work, streets, limit=200).rows) == KEPT
        assert latest_reports(work, streets)[0].at == world.now


def corrections(world: Any) -> list[Any]:
    with world.read(alice) as work:
        return list(list_matters(work, Wanted("correction"), 50, None).rows)


def test_defects_go_to_the_provider_as_one_correction(world: Any, streets: Dataset) -> None:
    for _ in range(2):
        check_now(begun(world), world.settings, streets.code)

    [held] = corrections(world)
    assert held.matter.datasets == (streets.code,)
    assert held.matter.opened_by == ""
    with world.read(alice) as work:
        assert "数据质量检查" in open_fields(work, held.case, held.case.events[0].fields)["doubt"]


def test_nobody_is_told_of_data_without_defects(world: Any) -> None:
    dataset = published(world, attributes=[{"name": "code", "title": "代码", "type": "string"}])

    assert check_now(begun(world), world.settings, dataset.code).failed_rules == 0
    assert corrections(world) == []


# --- the standing check ---------------------------------------------------------------------------


def test_published_data_are_checked_again_after_the_days_that_the_deployment_names(world: Any) -> None:
    dataset = with_rows(world)
    registered(world)
    offered(world, "workdays")
    begin, settings = begun(world), world.settings

    assert check_next(begin, settings, {}) == dataset.code
    assert check_next(begin, settings, {}) is None
    world.now += timedelta(days=7)
    assert check_next(begin, settings, {}) is None
    world.now += timedelta(seconds=1)
    assert check_next(begin, settings, {}) == dataset.code

    never = replace(settings, platform=replace(settings.platform, quality_every_days=0))
    world.now += timedelta(days=700)
    assert check_next(begin, never, {}) is None


def test_data_that_cannot_be_read_do_not_keep_the_others_waiting(world: Any) -> None:
    first = with_rows(world)
    (world.settings.data / "demo" / "divisions.sqlite").unlink()
    world.settings = replace(world.settings, connections={})
    world.now += timedelta(days=8)
    with world.read(SYSTEM) as work:
        assert due_for_quality(work.tx, work.now, 7) == (first.code, "table")

    assert check_next(begun(world), world.settings, {}) == first.code
    with world.read(alice) as work:
        found = latest_reports(work, first)[0].document["findings"][0]
    assert (found["rule"], found["failed"], found["expected"]["zh"]) == ("readable", 1, "连接已不存在")
    assert check_next(begun(world), world.settings, {}) is None


def test_a_check_that_goes_wrong_unforeseen_lets_the_others_have_their_turn(
    world: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = with_rows(world), published(world)
    begin, settings = begun(world), world.settings
    lock = settings.data / "run" / "quality.lock"
    failed: Failed = {}
    lock.mkdir()  # something that nobody foresaw

    assert check_next(begin, settings, failed) == first.code
    assert capsys.readouterr().err == f"quality: {first.code} IsADirectoryError\n"
    lock.rmdir()
    assert check_next(begin, settings, failed) == second.code
    assert check_next(begin, settings, failed) is None
    world.now += timedelta(hours=1)
    assert check_next(begin, settings, failed) == first.code
    assert check_next(begin, settings, failed) is None


def test_a_table_without_dates_is_as_fresh_as_the_last_supply_on_record(world: Any) -> None:
    limited = published(world, update_limit="monthly")

    def late() -> Any:
        return checked(world, limited, bob).document["freshness"]

    world.now += timedelta(days=27)  # published on 10 February
    assert late()["due"] == "2026-03-10T23:59:59+08:00"
    assert not late()["late"]
    world.now += timedelta(days=2)
    assert late()["late"]
    acted(world, limited, "supply")
    assert (late()["late"], late()["due"]) == (False, "2026-04-11T23:59:59+08:00")


def test_where_no_supply_is_counted_nothing_is_said_of_a_table_without_dates(ganzhou: Any) -> None:
    dataset = published(ganzhou, update_limit="daily")
    ganzhou.now += timedelta(days=30)

    assert checked(ganzhou, dataset).document["freshness"] == {
        "limit": "daily",
        "newest": None,
        "due": None,
        "late": False,
    }


# --- over HTTP and on the page --------------------------------------------------------------------


def test_a_check_over_http_shows_examples_to_those_whose_data_they_are(world: Any, streets: Dataset) -> None:
    provider = world.client(alice)
    assert provider.get(address(streets)).get_json()["latest"] == []

    answer = provider.post(address(streets), json={})
    assert answer.status_code == 200
    by_rule = {f["rule"]: f for f in answer.get_json()["findings"]}
    assert by_rule["length"]["failed"] == 1
    assert by_rule["length"]["samples"] == [
        {"source": "divisions", "row": 3, "key": ["4*******2"], "value": "王****处"}
    ]
    assert by_rule["key_unique"]["failed"] == 1

    for reader, inside in ((alice, True), (bob, True), (carol, False), (dave, False), (mallory, False)):
        shown = world.client(reader).get(address(streets)).get_json()
        assert ("sources" in shown["latest"][0]) is inside
        assert any("samples" in f for f in shown["latest"][0]["findings"]) is inside
        assert len(shown["items"]) == 1


def test_the_same_request_again_is_one_check(world: Any, streets: Dataset) -> None:
    provider = world.client(alice)
    first, again = (
        provider.post(address(streets), json={}, headers={"Idempotency-Key": "k"}) for _ in range(2)
    )

    assert first.get_json()["id"] == again.get_json()["id"]
    assert again.headers["Idempotency-Replayed"] == "true"
    assert len(provider.get(address(streets)).get_json()["items"]) == 1


def test_the_checks_are_listed_a_page_at_a_time(world: Any, streets: Dataset) -> None:
    for _ in range(3):
        world.now += timedelta(days=1)
        checked(world, streets)
    client = world.client(carol)

    first = client.get(f"{address(streets)}?limit=2").get_json()
    second = client.get(first["next"]).get_json()
    assert [len(p["items"]) for p in (first, second)] == [2, 1]
    assert second["next"] is None


def test_wrong_requests_are_told_what_is_wrong(world: Any, streets: Dataset) -> None:
    provider = world.client(alice)

    assert provider.post(address(streets), json={"kind": "api"}).status_code == 400
    assert provider.post(address(streets), json={"kind": "file"}).status_code == 404
    assert provider.post("/api/datasets/307001-000099/quality", json={}).status_code == 404
    assert world.client(ann).post(address(streets), json={}).status_code == 403


def test_the_page_shows_every_rule_and_a_button_to_those_who_may(world: Any, streets: Dataset) -> None:
    page = f"/datasets/{in_url(streets.code)}/quality"
    empty = world.browser(carol).get(page).get_data(as_text=True)
    assert "还没有检查过" in empty
    checked(world, streets)

    inside, outside = (world.browser(who).get(page).get_data(as_text=True) for who in (alice, carol))
    for html in (inside, outside):
        assert "主键不重复" in html
        assert "33.33%" in html
        assert PERSONAL not in html
    assert "现在检查" in inside
    assert "王****处" in inside
    assert "现在检查" not in outside
    assert "王****处" not in outside
    assert "Rule by rule" in world.browser(carol).get(f"{page}?lang=en").get_data(as_text=True)


def test_the_button_has_the_data_checked_and_says_what_was_found(world: Any, streets: Dataset) -> None:
    browser = world.browser(alice)
    page = f"/datasets/{in_url(streets.code)}/quality"
    token = re.search(r'name="csrf_token" value="([^"]+)"', browser.get(page).text)
    assert token
    answer = browser.post(page, data={"csrf_token": token[1], "kind": "table"})

    assert (answer.status_code, answer.headers["Location"]) == (303, page)
    assert "已检查 3 行，2 项规则有问题" in browser.get(page).text


# --- the dictionary -------------------------------------------------------------------------------


def test_the_attribute_with_the_time_of_update_exists_and_is_a_date(cities: Cities) -> None:
    dated = [*entry()["attributes"], {"name": "updated", "title": "更新时间", "type": "datetime"}]

    assert allowed(cities.qianjiang, attributes=dated, freshness_attribute="updated")
    for wrong in ("code", "nothing"):
        found = objections(cities.qianjiang, attributes=dated, freshness_attribute=wrong)
        assert pointers(found) == ["/freshness_attribute"]


def test_a_checked_number_is_a_text(cities: Cities) -> None:
    numbers = [{"name": "id", "title": "身份证号", "type": "integer", "check": "resident_id"}]

    assert pointers(objections(cities.ganzhou, attributes=numbers)) == ["/attributes/0/type"]
    check_entry(
        cities.ganzhou, entry(attributes=[{**numbers[0], "type": "string"}], share_class="unconditional")
    )


def test_what_is_checked_of_an_attribute_is_part_of_the_entry_and_of_its_history(world: Any) -> None:
    dataset = attached(world, registered(world))
    attributes = [
        {**a, "check": "uscc"} if a["name"] == "code" else a for a in dataset.document["attributes"]
    ]
    with world.work(alice) as work:
        revised = revise_dataset(work, dataset.code, {"attributes": attributes}, "改为校验代码")

    assert revised.document["attributes"][0]["check"] == "uscc"
    shown = world.client(alice).get(f"/api/datasets/{in_url(dataset.code)}/revisions").get_json()
    assert shown["items"][0]["changes"][0]["field"] == "attributes.code.check"
    browser = world.browser(alice)
    assert "统一社会信用代码" in browser.get(f"/datasets/{in_url(dataset.code)}").get_data(as_text=True)
    form = browser.get(f"/datasets/{in_url(dataset.code)}/revise").get_data(as_text=True)
    assert '<option value="uscc" selected>' in form
