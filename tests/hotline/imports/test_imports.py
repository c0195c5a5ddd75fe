"""Tables handed in: checked row by row like any intake, done once, whatever happens on the way."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from accounts.keys import add_personal_key
from accounts.people import disable_account
from core.errors import Conflict, Invalid, NotFound, TooLarge
from core.work import SYSTEM, Actor
from hotline.imports import running
from hotline.imports.columns import columns_of
from hotline.imports.jobs import find_import, report_csv, start_import
from hotline.imports.model import CHUNK, DONE, FAILED, MOST_BYTES, RUNNING, WAITING
from hotline.imports.rewrapping import rewrap_imports
from hotline.imports.running import step
from hotline.imports.store import import_chunks, import_files
from hotline.store import ticket_by_external_id, tickets
from rules.rulebook import SHIPPED, load_rulebooks
from tests.conftest import World
from tests.hotline.imports.tables import (
    HEAD,
    PHONE,
    begin,
    counts,
    csv_of,
    dealt_with,
    handed_in,
    imported,
    olga,
    refused,
    row,
    xlsx_of,
)

pytestmark = pytest.mark.long


def tickets_there(world: World) -> int:
    with world.database.read() as tx:
        return int(tx.execute(select(func.count()).select_from(tickets)).scalar_one())


def left_over(world: World) -> int:
    """How many pieces of tables are still kept."""
    with world.database.read() as tx:
        return sum(
            int(tx.execute(select(func.count()).select_from(table)).scalar_one())
            for table in (import_files, import_chunks)
        )


def everything_kept(world: World) -> bytes:
    """Every byte of the deployment's data folder."""
    world.database.close()
    return b"".join(p.read_bytes() for p in Path(world.settings.data).rglob("*") if p.is_file())


# --- rows become tickets ------------------------------------------------------------------------------


def test_each_row_becomes_a_ticket_and_the_table_is_gone(hotline: World) -> None:
    made = imported(hotline, csv_of([row(1), row(2), row(3)]))
    assert (made.state, counts(made)) == (DONE, (3, 0, 0))
    assert tickets_there(hotline) == 3
    assert left_over(hotline) == 0
    with hotline.read(SYSTEM) as work:
        ticket = ticket_by_external_id(work.tx, "import", "A-2")
    assert ticket is not None
    assert (ticket.channel, ticket.category, ticket.created_by) == ("phone", "street_lights", olga.login)


def test_a_workbook_in_english_words_does_the_same(hotline: World) -> None:
    head = [
        "Id at its origin*",
        "channel",
        "Summary",
        "Description",
        "Name",
        "phone",
        "Category",
        "级别",
        None,
    ]
    cells = [7, "phone", "灯坏", "灯坏了", "王五", 13987654321, "street lights", None, None]
    with hotline.read(olga) as work:
        level = next(c for c in columns_of(work) if c.key == "level")
    head[7], cells[7] = level.title.zh, "一般"
    made = imported(hotline, xlsx_of([cells], [h or "" for h in head]), "superior")
    assert counts(made) == (1, 0, 0), refused(hotline, made)
    with hotline.read(SYSTEM) as work:
        assert ticket_by_external_id(work.tx, "superior", "7") is not None


def test_a_row_is_registered_once_for_each_origin(hotline: World) -> None:
    table = csv_of([row(1), row(2)])
    assert counts(imported(hotline, table)) == (2, 0, 0)
    assert counts(imported(hotline, csv_of([row(1), row(2), row(3)]))) == (1, 2, 0)
    assert counts(imported(hotline, table, "superior")) == (2, 0, 0)


def test_the_same_id_twice_in_a_table_is_told_with_the_row_above(hotline: World) -> None:
    made = imported(hotline, csv_of([row(1), row(2), row(1)]))
    assert counts(made) == (2, 0, 1)
    fault = refused(hotline, made)[0]
    assert (fault.row, fault.column, fault.code) == (4, "external_id", "repeated")
    assert "第 2 行" in fault.reason.zh


def test_a_dry_run_checks_everything_and_leaves_nothing(hotline: World) -> None:
    before = tickets_there(hotline)
    made = imported(hotline, csv_of([row(1), row(2, 联系电话="")]), dry_run=True)
    assert counts(made) == (1, 0, 1)
    assert tickets_there(hotline) == before
    assert counts(imported(hotline, csv_of([row(1)]))) == (1, 0, 0)


@pytest.mark.parametrize("place", sorted(p.stem for p in (SHIPPED / "hotline").glob("*.yaml")))
def test_under_every_rulebook_no_two_columns_are_called_alike(hotline: World, place: str) -> None:
    with hotline.read(olga) as work:
        books = load_rulebooks(
            SHIPPED, {**work.rulebooks.selected, "hotline": f"hotline/{place}"}, every=False
        )
        columns = columns_of(replace(work, rulebooks=books))
    words = [w for c in columns for w in {c.key, c.title.zh, c.title.en.lower()}]
    assert sorted(words) == sorted(set(words))


# --- what is refused ------------------------------------------------------------------------------


def test_what_was_refused_is_told_cell_by_cell_in_both_languages(hotline: World) -> None:
    rows = [
        row(1, 受理渠道="心灵感应"),
        row(2, 事项类别="nothing", 联系电话=""),
        row(3, 诉求摘要=""),
        row("", 来源编号=""),
    ]
    made = imported(hotline, csv_of(rows))
    assert counts(made) == (0, 0, 4)
    found = {(f.row, f.column): f for f in refused(hotline, made)}
    assert {(2, "channel"), (3, "category"), (4, "summary"), (5, "external_id")} <= set(found)
    assert found[2, "channel"].value == "心灵感应"
    assert all(f.reason.zh and f.reason.en for f in found.values())


def test_times_and_truth_are_read_as_people_write_them(hotline: World) -> None:
    head = [*HEAD, "发生时间", "是否保密"]
    good = ["2026年2月9日 8时30分", "2026/2/9 8:30", "2026-02-09", "2026-02-09T08:30:00+08:00"]
    rows = [[*row(i), at, "是"] for i, at in enumerate(good)]
    made = imported(
        hotline, csv_of([*rows, [*row(8), "上周", "也许"], [*row(9), "2026/2/30", "否"]], head=head)
    )
    assert counts(made) == (4, 0, 2), refused(hotline, made)
    assert {(f.row, f.column) for f in refused(hotline, made)} == {
        *((6, "occurred_at"), (6, "confidential"), (7, "occurred_at")),
    }


def test_the_report_masks_people_and_never_calculates(hotline: World) -> None:
    rows = [
        row(1, 受理渠道="=HYPERLINK(1)", 联系电话="139 8765"),
        row(2, 受理渠道=PHONE, 事项类别="李四光 13987654321"),
    ]
    made = imported(hotline, csv_of(rows))
    with hotline.read(olga) as work:
        report = report_csv(work, made).decode("utf-8-sig")
    assert "'=HYPERLINK(1)" in report
    assert "13987654321" not in report
    assert "受理渠道 Channel" in report


@pytest.mark.parametrize(
    ("head", "words"),
    [
        (["来源编号", "受理渠道", "诉求摘要"], "缺少列“诉求内容”"),
        ([*HEAD, "备注"], "第 8 列的列名无法识别"),
        ([*HEAD, "姓名"], "第 8 列的列名重复"),
    ],
)
def test_a_header_that_is_not_the_templates_stops_the_whole(
    hotline: World, head: list[str], words: str
) -> None:
    made = imported(hotline, csv_of([row(1)], head=head))
    assert made.state == FAILED
    assert made.failure is not None
    assert words in made.failure.zh
    assert (tickets_there(hotline), left_over(hotline)) == (0, 0)


def test_a_header_never_comes_back_in_words(hotline: World) -> None:
    made = imported(hotline, csv_of([], head=["张三丰", "13912345678"]))
    assert made.failure is not None
    assert "张三丰" not in "".join(made.failure)


def test_what_cannot_be_a_table_is_refused_at_once(hotline: World) -> None:
    with pytest.raises(Invalid):
        handed_in(hotline, b"%PDF-1.7")
    with pytest.raises(TooLarge):
        handed_in(hotline, b"a" * (MOST_BYTES + 1))
    with pytest.raises(Invalid):
        handed_in(hotline, b"a,b", "elsewhere")


def test_a_department_has_few_imports_on_their_way_at_once(hotline: World) -> None:
    for _ in range(5):
        handed_in(hotline, b"a,b")
    with pytest.raises(Conflict):
        handed_in(hotline, b"a,b")


# --- on the way -----------------------------------------------------------------------------------


def test_after_a_sudden_end_the_rest_is_done_and_nothing_twice(
    hotline: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = handed_in(hotline, csv_of([row(i) for i in range(2 * CHUNK + 10)]))
    step(begin(hotline), made.id)  # reads the table
    step(begin(hotline), made.id)  # deals with the first piece
    told, real = 0, running.take_in

    def killed(work: Any, draft: Any) -> Any:
        nonlocal told
        told += 1
        if told == 20:
            raise KeyboardInterrupt
        return real(work, draft)

    monkeypatch.setattr(running, "take_in", killed)
    with pytest.raises(KeyboardInterrupt):
        step(begin(hotline), made.id)
    monkeypatch.undo()
    assert tickets_there(hotline) == CHUNK
    ended = dealt_with(hotline, made)
    assert counts(ended) == (2 * CHUNK + 10, 0, 0)
    assert tickets_there(hotline) == 2 * CHUNK + 10


def test_a_fault_of_ours_costs_one_row_and_tells_nothing_of_it(
    hotline: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    real = running.take_in

    def faulty(work: Any, draft: Any) -> Any:
        if draft["external_id"] == "A-2":
            raise ValueError(PHONE)
        return real(work, draft)

    monkeypatch.setattr(running, "take_in", faulty)
    with caplog.at_level(logging.DEBUG):
        made = imported(hotline, csv_of([row(1), row(2), row(3)]))
    assert counts(made) == (2, 0, 1)
    assert refused(hotline, made)[0].code == "internal"
    assert PHONE not in caplog.text


def test_states_tell_how_far_it_has_come(hotline: World) -> None:
    made = handed_in(hotline, csv_of([row(i) for i in range(CHUNK + 1)]))
    seen = [made.state]
    while step(begin(hotline), made.id):
        with hotline.read(olga) as work:
            now = find_import(work, made.id)
        seen.append(f"{now.state} {now.done}/{now.rows}")
    assert seen == [WAITING, f"{RUNNING} 0/51", f"{RUNNING} 50/51", f"{RUNNING} 51/51", f"{DONE} 51/51"]


def test_whoever_was_shut_out_meanwhile_imports_nothing(hotline: World) -> None:
    made = handed_in(hotline, csv_of([row(1)]))
    with hotline.work(SYSTEM) as work:
        disable_account(work, olga.login)
    ended = dealt_with(hotline, made)
    assert ended.state == FAILED
    assert (tickets_there(hotline), left_over(hotline)) == (0, 0)


def test_an_import_is_of_one_department(hotline: World) -> None:
    made = handed_in(hotline, csv_of([row(1)]))
    elsewhere = Actor("mallory", "Mallory", "education", frozenset({"operator"}), "pseudonym")
    with hotline.read(elsewhere) as work, pytest.raises(NotFound):
        find_import(work, made.id)


def test_without_a_hotline_nothing_is_imported(world: World) -> None:
    with world.work(olga) as work, pytest.raises(NotFound):
        start_import(work, b"a,b", "import")


def test_at_rest_no_cell_can_be_read_at_any_time(hotline: World) -> None:
    table = csv_of([row(1), row(2, 事项类别="李四光"), row(3, 联系电话="")])
    made = handed_in(hotline, table)
    for _ in range(3):
        kept = everything_kept(hotline)
        for personal in ("李四光", PHONE, "人民路"):
            assert personal.encode() not in kept
        step(begin(hotline), made.id)


def test_under_a_new_key_everything_opens_and_the_old_key_can_go(hotline: World) -> None:
    done = imported(hotline, csv_of([row(1, 受理渠道="心灵感应")]))
    waiting = handed_in(hotline, csv_of([row(2)]))
    running_ = handed_in(hotline, csv_of([row(3)]))
    step(begin(hotline), running_.id)
    with hotline.work(SYSTEM) as work:
        add_personal_key(work)
    written, last = 0, ""
    while last is not None:
        with hotline.work(SYSTEM) as work:
            count, last = rewrap_imports(work, last)
        written += count
    assert written == 3
    hotline.settings.key_file("personal-1.key").unlink()
    assert refused(hotline, done)[0].value == "心灵感应"
    for made in (waiting, running_):
        assert counts(dealt_with(hotline, made)) == (1, 0, 0)


# --- over HTTP --------------------------------------------------------------------------------------


def test_an_import_is_handed_in_and_followed_over_http(hotline: World) -> None:
    client = hotline.client(olga)
    answer = client.post(
        "/api/hotline/imports?source=superior&dry_run=true", data=csv_of([row(1), row(2, 联系电话="")])
    )
    assert answer.status_code == 201
    address = answer.headers["Location"]
    assert client.get(address).get_json()["state"] == WAITING
    with hotline.work(olga) as work:
        made = find_import(work, answer.get_json()["id"])
    dealt_with(hotline, made)
    shown = client.get(address).get_json()
    assert (shown["state"], shown["taken"], shown["refused"], shown["dry_run"]) == (DONE, 1, 1, True)
    report = client.get(f"{address}/report").get_json()
    assert [f["column"] for f in report["items"]] == ["phone"]
    assert client.get(f"{address}/report.csv").mimetype == "text/csv"
    assert [i["id"] for i in client.get("/api/hotline/imports").get_json()["items"]] == [made.id]
    assert client.post("/api/hotline/imports?dry_run=perhaps", data=b"a,b").status_code == 400


def test_pages_take_a_table_show_progress_and_the_report(hotline: World) -> None:
    from io import BytesIO

    with hotline.work(SYSTEM) as work:
        assert work.actor.has("system")
    handed_in(hotline, b"a,b")
    browser = hotline.browser(olga)
    page = browser.get("/hotline/imports").get_data(as_text=True)
    token = page.split('name="csrf_token" value="')[1].split('"')[0]

    def sent(content: bytes) -> Any:
        data = {"csrf_token": token, "source": "import", "file": (BytesIO(content), "tickets.csv")}
        return browser.post("/hotline/imports", data=data)

    wrong = sent(b"%PDF-1.7")
    assert wrong.status_code == 422
    assert "只接受 CSV 或 XLSX 文件" in wrong.get_data(as_text=True)
    answer = sent(csv_of([row(1), row(2, 受理渠道="<b>")]))
    assert answer.status_code == 303
    address = answer.headers["Location"]
    assert 'http-equiv="refresh"' in browser.get(address).get_data(as_text=True)
    while step(begin(hotline)):
        pass
    page = browser.get(address).get_data(as_text=True)
    assert "http-equiv" not in page
    assert "<progress" in page
    assert "&lt;b&gt;" in page
    assert browser.get(f"{address.partition('?')[0]}/report.csv").mimetype == "text/csv"


@pytest.mark.parametrize("ending", ["csv", "xlsx"])
def test_the_template_is_a_table_that_can_be_handed_in(hotline: World, ending: str) -> None:
    with hotline.work(SYSTEM):
        pass
    handed_in(hotline, b"a,b")
    template = hotline.browser(olga).get(f"/hotline/imports/template.{ending}")
    assert template.status_code == 200
    made = imported(hotline, template.get_data())
    assert (made.state, counts(made)) == (DONE, (0, 0, 0))


def test_the_command_imports_at_once_and_says_what_it_refused(hotline: World, tmp_path: Path) -> None:
    from hotline.imports.commands import import_file

    file = tmp_path / "tickets.csv"
    file.write_bytes(csv_of([row(1), row(2, 联系电话="")]))
    heard: list[tuple[int, int | None]] = []
    done = import_file(begin(hotline), file, "import", False, lambda n, all_: heard.append((n, all_)))
    assert heard[-1] == (2, 2)
    assert not done.sound
    assert done.rows[0][:2] == (3, "phone")
    assert json.loads(json.dumps(done.document))["taken"] == 1
    assert "已建工单 1" in done.summary
