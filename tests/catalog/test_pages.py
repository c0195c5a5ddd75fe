"""The catalog's pages, filled in as a person without JavaScript does."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

import pytest

from catalog.forms import DISTRIBUTION, ENTRY, write_form
from tests.cast import alice, bob, carol
from tests.catalog.entries import (
    OPERATION,
    TABLE,
    WITHHELD,
    acted,
    connect,
    divisions,
    entry,
    published,
    registered,
    seen_by,
)

pytestmark = pytest.mark.long


def send(browser: Any, page: str, fields: Any, action: str | None = None) -> Any:
    """Open a page and send its form with these fields."""
    html = browser.get(page).get_data(as_text=True)
    token = re.search(r'name="csrf_token" value="([^"]+)"', html)
    assert token, f"{page} has no form"
    version = re.search(r'name="version" value="(\d+)"', html)
    form: dict[str, list[str]] = {"csrf_token": [token[1]]}
    if version:
        form["version"] = [version[1]]
    for name, value in fields:
        form.setdefault(name, []).append(value)
    return browser.post(action or page, data=form)


def typed(**changes: Any) -> list[tuple[str, str]]:
    return write_form(entry(**changes), ENTRY)


def words(answer: Any) -> str:
    return unescape(re.sub(r"<[^>]+>", " ", answer.get_data(as_text=True)))


def value(answer: Any, name: str) -> str:
    found = re.search(rf'name="{re.escape(name)}"[^>]*value="([^"]*)"', answer.get_data(as_text=True))
    assert found, name
    return unescape(found[1])


def test_a_steward_registers_attaches_and_publishes(world: Any) -> None:
    divisions(world)
    steward = world.browser(alice)

    made = send(steward, "/datasets/new", typed())
    assert (made.status_code, made.headers["Location"]) == (303, "/datasets/307001-000001")
    where = made.headers["Location"]
    done = send(steward, f"{where}/attach?kind=table", write_form(TABLE, DISTRIBUTION), f"{where}/attach")
    assert (done.status_code, done.headers["Location"]) == (303, where)
    page = words(steward.get(where))
    assert "已挂接，自检通过" in page
    assert "2 个信息项都有对应的列" in page
    out = send(steward, where, [], f"{where}/actions/publish")
    assert out.status_code == 303
    assert "已发布" in words(steward.get(where))
    assert "行政区划代码" in words(world.browser(carol).get("/datasets"))


def test_a_form_with_errors_keeps_what_was_typed_and_says_what_is_wrong_beside_it(world: Any) -> None:
    steward = world.browser(alice)
    rows = [("attributes.0.title", ""), ("attributes.3.name", "co de"), ("attributes.3.title", "代码")]
    fields = [f for f in typed(title="新") if not f[0].startswith("attributes.")] + rows

    answer = send(steward, "/datasets/new", fields)

    assert answer.status_code == 422
    html = answer.get_data(as_text=True)
    assert value(answer, "title") == "新"
    assert value(answer, "attributes.0.name") == "co de", "blank rows are closed up"
    for pointer in ("f-title", "f-attributes-0-name", "f-attributes-0-type"):
        assert f'href="#{pointer}"' in html
        assert f'id="{pointer}"' in html
        assert f'id="{pointer}-error"' in html


def test_what_the_rulebook_forbids_is_said_beside_the_field(world: Any) -> None:
    answer = send(world.browser(alice), "/datasets/new", typed(share_class="none"))

    html = answer.get_data(as_text=True)
    assert answer.status_code == 422
    assert 'id="f-class_reason-error"' in html
    assert 'href="#f-basis"' in html
    assert 'id="f-basis"' in html


def test_more_rows_are_offered_and_nothing_typed_is_lost(world: Any) -> None:
    steward = world.browser(alice)

    answer = send(steward, "/datasets/new", [*typed(title="半成品"), ("more", "attributes")])

    assert answer.status_code == 200
    assert value(answer, "title") == "半成品"
    assert value(answer, "attributes.1.name") == "name"
    assert value(answer, "attributes.5.name") == ""
    assert "半成品" not in words(steward.get("/datasets"))


def test_an_entry_is_revised_through_its_form(world: Any) -> None:
    dataset = published(world)
    steward, where = world.browser(alice), "/datasets/307001-000001"
    assert value(steward.get(f"{where}/revise"), "attributes.0.name") == "code"

    without = send(steward, f"{where}/revise", typed(title="街道区划代码"))
    assert without.status_code == 422
    assert 'id="f-cause-error"' in without.get_data(as_text=True)
    done = send(steward, f"{where}/revise", [*typed(title="街道区划代码"), ("cause", "名称更正")])
    assert done.status_code == 303
    assert seen_by(world, alice, dataset).title == "街道区划代码"
    page = words(steward.get(where))
    assert "名称更正" in page
    assert "修订历史" in page


def test_a_form_that_was_overtaken_is_refused(world: Any) -> None:
    dataset = published(world)
    steward, where = world.browser(alice), "/datasets/307001-000001"
    html = steward.get(f"{where}/revise").get_data(as_text=True)
    token = re.search(r'name="csrf_token" value="([^"]+)"', html)
    assert token
    stale = {**dict(typed(title="旧窗口")), "cause": "更正", "version": "1", "csrf_token": token[1]}

    answer = steward.post(f"{where}/revise", data=stale)

    assert answer.status_code == 412
    assert seen_by(world, alice, dataset).title == "行政区划代码"


def test_actions_ask_for_their_fields(world: Any) -> None:
    published(world)
    steward, where = world.browser(alice), "/datasets/307001-000001"

    blank = send(steward, where, [("reason", " ")], f"{where}/actions/take_offline")
    assert blank.status_code == 422
    assert 'id="f-reason-error"' in blank.get_data(as_text=True)
    assert send(steward, where, [("reason", "维护")], f"{where}/actions/take_offline").status_code == 303
    assert world.browser(carol).get(where).status_code == 404


def test_a_failed_check_is_shown_on_the_page(world: Any) -> None:
    registered(world)
    steward, where = world.browser(alice), "/datasets/307001-000001"

    send(steward, f"{where}/attach?kind=table", write_form(TABLE, DISTRIBUTION), f"{where}/attach")

    page = words(steward.get(where))
    assert "已挂接，但自检未通过" in page
    assert "数据库无法连接或读取" in page


def test_a_wrong_mount_keeps_the_form(world: Any) -> None:
    registered(world)
    steward, where = world.browser(alice), "/datasets/307001-000001"
    wrong = write_form({**TABLE, "table": "no such table", "order": ["nothing"]}, DISTRIBUTION)

    answer = send(steward, f"{where}/attach?kind=table", wrong, f"{where}/attach")

    assert answer.status_code == 422
    assert value(answer, "table") == "no such table"
    assert 'id="f-table-error"' in answer.get_data(as_text=True)


def test_operations_are_typed_in_rows(world: Any) -> None:
    dataset = registered(world)
    name = connect(world, kind="api", base_url="http://127.0.0.1:9", networks=())
    steward, where = world.browser(alice), "/datasets/307001-000001"
    detail = {"kind": "api", "connection": name, "operations": [OPERATION]}

    def attach(fields: Any) -> Any:
        return send(steward, f"{where}/attach?kind=api", fields, f"{where}/attach")

    more = attach([*write_form(detail, DISTRIBUTION), ("more", "x")])
    assert value(more, "operations.0.path") == "/v1/days/{date}"
    assert value(more, "operations.1.path") == ""
    assert value(more, "operations.0.parameters.2.name") == ""
    twice = {**detail, "operations": [OPERATION, OPERATION]}
    wrong = attach(write_form(twice, DISTRIBUTION))
    assert 'id="f-operations-1-name-error"' in wrong.get_data(as_text=True)
    assert attach(write_form(detail, DISTRIBUTION)).status_code == 303
    assert seen_by(world, alice, dataset).distribution("api") is not None


def test_readers_find_filter_and_read_without_seeing_connections(world: Any) -> None:
    published(world)
    acted(world, registered(world, title="涉密线索目录", **WITHHELD), "publish")
    reader = world.browser(carol)

    both = words(reader.get("/datasets"))
    assert "共 2 个数据集" in both
    assert "登记数据集" not in both
    one = words(reader.get("/datasets?share_class=none&q=目录"))
    assert "涉密线索目录" in one
    assert "行政区划代码" not in one
    page = words(reader.get("/datasets/307001-000001"))
    assert "申请使用" in page
    assert "divisions_db" not in page
    assert "修改目录条目" not in page
    assert reader.get("/datasets?share_class=x").status_code == 400
    assert reader.get("/datasets/307001-000009").status_code == 404
    assert reader.get("/datasets/new").status_code == 403


def test_every_page_speaks_english_too(world: Any) -> None:
    published(world)
    steward = world.browser(alice)
    for path in (
        "/datasets?",
        "/datasets/new?",
        "/datasets/307001-000001?",
        "/datasets/307001-000001/revise?",
    ):
        answer = steward.get(f"{path}lang=en")
        assert answer.status_code == 200
        assert '<html lang="en">' in answer.get_data(as_text=True)
    assert "Self-check passed" in words(steward.get("/datasets/307001-000001"))
    assert "1 dataset " in words(world.browser(bob).get("/datasets?lang=en"))
