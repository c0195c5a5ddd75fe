"""Tables and files as providers have them: read whole, or found unreadable, and nothing left behind."""

from __future__ import annotations

import os
import sqlite3
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import URL

from catalog.quality.check import Subject, check_mounted, outline
from catalog.quality.model import Report
from core.settings import Connection
from core.text import Text
from tests.catalog.quality_kit import attribute, checked, counts, resident_id, supply

pytestmark = pytest.mark.long

CODE = attribute("code", primary_key=True, pattern="[0-9]{9}")
NAME = attribute("name", length=10, required=True)


def connection(**what: Any) -> Connection:
    return Connection("x", "table", Text("连接", "Connection"), "civil_affairs", connect_seconds=0.2, **what)


def from_table(world: Any, attributes: list[dict[str, Any]], table: str = "places", **entry: Any) -> Report:
    opened = connection(database_url=f"sqlite:///{world.settings.data / 'p.sqlite'}")
    document = {"attributes": attributes, **entry}
    subject = Subject(document, "table", world.now, world.rulebooks.calendar, supply(world, entry))
    return check_mounted(world.settings, subject, opened, {"table": table})


def from_files(world: Any, attributes: list[dict[str, Any]], *patterns: str, **entry: Any) -> Report:
    opened = connection(folder=world.settings.data / "files")
    subject = Subject(
        {"attributes": attributes, **entry}, "file", world.now, world.rulebooks.calendar, supply(world, entry)
    )
    return check_mounted(world.settings, subject, opened, {"files": list(patterns or ("*",))})


def filled(world: Any, columns: str, *rows: tuple[Any, ...]) -> Path:
    path: Path = world.settings.data / "p.sqlite"
    with sqlite3.connect(path) as database:
        database.execute(f"CREATE TABLE places ({columns})")
        marks = ", ".join("?" * (columns.count(",") + 1))
        database.executemany(f"INSERT INTO places VALUES ({marks})", rows)
    database.close()
    return path


@pytest.fixture
def folder(world: Any) -> Path:
    made: Path = world.settings.data / "files"
    made.mkdir()
    return made


def unreadable(report: Report) -> str:
    found = report.findings[0]
    assert (found.rule, found.failed) == ("readable", 1)
    assert found.expected is not None
    return found.expected.zh


# --- tables ---------------------------------------------------------------------------------------


def test_a_table_is_read_to_its_last_row_whatever_its_values_are_made_of(world: Any) -> None:
    rows = [(f"{i:09d}", f"社区{i}") for i in range(45_000)]
    odd = [(1.5, b"\xe7\x8e\x8b"), (None, None), ("12", "x" * 100_000)]
    filled(world, '"code", "name"', *rows, *odd)
    report = from_table(world, [CODE, NAME])

    assert report.rows == 45_003
    assert counts(report) == {
        "pattern code": (45_002, 2),
        "required name": (45_003, 1),
        "length name": (45_002, 1),
        "key_complete": (45_003, 1),
        "key_unique": (45_002, 0),
        "duplicate": (45_003, 0),
    }


def test_bytes_that_are_no_text_are_read_as_far_as_they_go(world: Any) -> None:
    filled(world, "code, name", (None, b"\xff"), (None, b"a\xff\xfe"), ("429005001", "a\0b"))
    report = from_table(world, [CODE, attribute("name", length=2, pattern=".\ufffd*")])

    found = counts(report)
    assert (found["length name"], found["pattern name"]) == ((3, 2), (3, 1))
    assert (report.rows, report.findings[0].failed) == (3, 0)


def test_a_table_without_rows_is_read_and_has_its_columns(world: Any) -> None:
    filled(world, "code, name")

    assert counts(from_table(world, [CODE, attribute("town")])) == {"column town": (1, 1)}


def test_a_table_is_named_with_its_schema_and_its_file_as_it_is_called(world: Any) -> None:
    path = filled(world, "code", ("429005001",))
    odd = path.rename(path.with_name("a%20b?c#d.sqlite"))
    (world.settings.data / "p.sqlite").symlink_to(odd)
    opened = connection(database_url=URL.create("sqlite", database=str(odd)).render_as_string())
    subject = Subject({"attributes": [CODE]}, "table", world.now, world.rulebooks.calendar, supply(world, {}))

    assert check_mounted(world.settings, subject, opened, {"table": "main.places"}).rows == 1


def test_columns_are_found_by_their_own_name_however_it_is_spelt(world: Any) -> None:
    filled(world, '"信息项" TEXT, "select" TEXT, "a""b" TEXT', ("1", "2", "3"))
    report = from_table(
        world, [attribute("信息项", "integer"), attribute("select", "date"), attribute("nothing")]
    )

    found = counts(report)
    assert (found["type 信息项"], found["type select"], found["column nothing"]) == ((1, 0), (1, 1), (1, 1))


def test_a_table_that_cannot_be_read_is_a_finding_and_not_a_fault(world: Any) -> None:
    assert "数据库" in unreadable(from_table(world, [CODE]))
    filled(world, "code")
    assert "没有这个表" in unreadable(from_table(world, [CODE], "villages"))
    (world.settings.data / "p.sqlite").write_bytes(b"no database" * 500)
    assert "不是数据库" in unreadable(from_table(world, [CODE]))


def test_a_locked_database_is_given_up_after_the_connections_time(world: Any) -> None:
    path = filled(world, "code", ("1",))
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    assert "正被锁定" in unreadable(from_table(world, [CODE]))
    holder.execute("ROLLBACK")
    holder.close()


def test_a_view_without_an_end_is_ended_by_the_deadline(world: Any) -> None:
    platform = replace(world.settings.platform, quality_seconds=1)
    world.settings = replace(world.settings, platform=platform)
    path = filled(world, "code", ("1",))
    endless = (
        "WITH RECURSIVE n(code) AS (SELECT 1 UNION ALL SELECT 1 FROM n) SELECT code FROM n WHERE code = 2"
    )
    with sqlite3.connect(path) as database:
        database.execute(f"CREATE VIEW forever AS {endless}")
    database.close()

    report = from_table(world, [CODE], "forever")
    assert report.unfinished is not None
    assert report.rows == 0


def test_the_check_needs_no_more_memory_than_it_is_given(world: Any) -> None:
    platform = replace(world.settings.platform, quality_memory_mb=64)
    world.settings = replace(world.settings, platform=platform)
    long = [attribute("a"), attribute("b"), attribute("c", required=True)]
    filled(world, "a, b, c", *((f"{i:0200d}", f"{i:0200d}", "x" * 300) for i in range(120_000)))
    report = from_table(world, long)

    assert report.unfinished is None
    assert counts(report)["duplicate"] == (120_000, 0)
    assert list((world.settings.data / "run").glob("quality-*")) == []


# --- CSV and JSON lines ---------------------------------------------------------------------------

TEXT = "code,name\n429005001,园林街道\n429005002,\n4290,广华寺街道\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
def test_csv_is_read_in_the_encoding_that_it_has(world: Any, folder: Path, encoding: str) -> None:
    (folder / "a.csv").write_bytes(TEXT.encode(encoding))
    report = from_files(world, [CODE, {**NAME, "code_list": {"园林街道": "1", "广华寺街道": "2"}}])

    assert report.origins[0].encoding == ("gb18030" if encoding == "gb18030" else "utf-8-sig")
    found = counts(report)
    assert found["code_list name"] == (2, 0)
    assert (found["pattern code"], found["required name"], found["shape"]) == ((3, 1), (3, 1), (3, 0))


def test_csv_has_quotes_line_breaks_columns_in_any_order_and_some_that_are_nobodys(
    world: Any, folder: Path
) -> None:
    text = 'extra,name,extra,code\r\n1,"街道,\n第""一""行",2,429005001\r\n,,,\r\n\r\n1,2\r\n1,2,3,4,5\r\n'
    (folder / "a.csv").write_text(text, encoding="utf-8", newline="")
    found = counts(from_files(world, [CODE, attribute("name", pattern='街道,\n第"一"行')]))

    assert found["pattern name"] == (1, 0)
    assert found["shape"] == (4, 2)
    assert found["key_complete"] == (2, 1)


def test_several_files_are_one_body_of_data(world: Any, folder: Path) -> None:
    (folder / "2025.csv").write_text("code,name\n429005001,甲\n")
    (folder / "2026.csv").write_text("name,code\n乙,429005001\n")
    (folder / "2026.jsonl").write_text(
        '{"code": 429005003}\n\nnot json\n[1]\n{"code": 429005001, "name": "丙"}\n'
    )
    (folder / "readme.txt").write_text("说明")
    report = from_files(world, [CODE, NAME])

    found = counts(report)
    assert found["key_unique"] == (4, 2)
    assert found["shape"] == (6, 2)
    assert found["required name"] == (4, 1)
    assert [(o.name, o.rows) for o in report.origins] == [
        ("2025.csv", 1),
        ("2026.csv", 1),
        ("2026.jsonl", 2),
        ("readme.txt", None),
    ]
    repeated = next(f for f in report.findings if f.rule == "key_unique")
    assert [(s.source, s.row, s.key) for s in repeated.samples] == [("2026.jsonl", 2, ("4*******1",))]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "空"),
        (b"code,name\n\xff\xfe\xff\n", "编码"),
        (b"code,name,code\n1,2,3\n", "多次"),
    ],
)
def test_a_file_that_cannot_be_read_is_named_and_the_others_are_read(
    world: Any, folder: Path, content: bytes, reason: str
) -> None:
    (folder / "bad.csv").write_bytes(content)
    (folder / "good.csv").write_text(TEXT)
    report = from_files(world, [CODE, NAME])

    assert reason in unreadable(report)
    assert [s.source for s in report.findings[0].samples] == ["bad.csv"]
    assert report.rows == 3


def test_links_folders_and_hidden_files_are_not_opened(world: Any, folder: Path) -> None:
    secret = world.settings.data / "secret.csv"
    secret.write_text("code\n123456789\n")
    (folder / "link.csv").symlink_to(secret)
    (folder / "sub.csv").mkdir()
    os.mkfifo(folder / "pipe.csv")
    (folder / ".hidden.csv").write_text("code\n1\n")
    report = from_files(world, [CODE], "*.csv", ".*")

    assert report.rows == 0
    assert [o.name for o in report.origins] == ["link.csv", "pipe.csv", "sub.csv"]
    assert report.findings[0].failed == 3


def test_no_folder_and_no_file_are_told_apart(world: Any) -> None:
    assert "文件夹" in unreadable(from_files(world, [CODE]))
    (world.settings.data / "files").mkdir()
    assert "没有符合名称的文件" in unreadable(from_files(world, [CODE]))


# --- examples -------------------------------------------------------------------------------------


def test_examples_show_where_and_never_what(world: Any) -> None:
    number = resident_id("42900519900228001")
    wrong = number[:17] + ("0" if number[17] != "0" else "1")
    people = [
        attribute("id", primary_key=True),
        attribute("number", check="resident_id"),
        attribute("name", length=1),
    ]
    filled(world, "id, number, name", *((f"{i:06d}", wrong, "王小五") for i in range(8)), ("9", "1", "王"))
    report = from_table(world, people)

    by_rule = {f.rule: f.samples for f in report.findings}
    assert [s.row for s in by_rule["resident_id"]] == [1, 2, 3, 4, 5]
    assert by_rule["resident_id"][0].value == f"4{'*' * 16}{wrong[-1]}"
    assert by_rule["resident_id"][0].key == ("0****0",)
    assert wrong not in repr(report)
    assert "王小五" not in repr(report)


@pytest.mark.parametrize(
    ("value", "shown"), [("1", "**"), ("王五", "王**"), (None, None), ("x" * 9999, f"x{'*' * 38}x")]
)
def test_an_outline_keeps_at_most_the_ends(value: str | None, shown: str | None) -> None:
    assert outline(value) == shown


# --- freshness ------------------------------------------------------------------------------------

UPDATED = attribute("updated_at", "datetime")
# The world's present is 10 February 2026, 10:00 in Shanghai.


@pytest.mark.parametrize(
    ("limit", "newest", "late"),
    [
        ("realtime", "2026-02-09 00:00:00", False),  # in time until the end of the 10th
        ("daily", "2026-02-08 23:59:59", True),
        ("daily", "2026-02-08T16:00:00Z", False),  # the 9th in Shanghai
        ("daily", "2026-02-09T00:30:00+09:00", True),  # the 8th in Shanghai
        ("weekly", "2026-02-03", False),
        ("weekly", "2026-02-02 12:00:00", True),
        ("ten_days", "2026-01-31 08:00", False),
        ("ten_days", "2026-01-30 08:00", True),
        ("monthly", "2026-01-10 00:00:00", False),
        ("monthly", "2026-01-09 23:00:00", True),
        ("quarterly", "2025-11-10 00:00:00", False),
        ("quarterly", "2025-11-09 00:00:00", True),
        ("half_yearly", "2025-08-09 00:00:00", True),
        ("yearly", "2025-02-10 00:00:00", False),
        ("yearly", "2025-02-09 00:00:00", True),
        ("irregular", "1999-01-01 00:00:00", None),
    ],
)
def test_data_are_late_once_their_newest_day_lies_beyond_the_update_limit(
    world: Any, limit: str, newest: str, late: bool | None
) -> None:
    kind = "date" if len(newest) == 10 else "datetime"
    values = ("2020-01-01", "2020-01-01 00:00:00", newest, "2026-02-30 00:00:00", None)
    entry = {"update_limit": limit, "freshness_attribute": "updated_at"}
    report = checked(world, [attribute("updated_at", kind)], [{"updated_at": v} for v in values], **entry)

    assert report.freshness is not None
    assert report.freshness.late is bool(late)
    assert counts(report).get("freshness") == (None if late is None else (1, int(late)))


def test_a_day_in_the_future_says_nothing_about_the_age_of_data(world: Any) -> None:
    rows = [{"updated_at": f"{year}-01-01 00:00:00"} for year in (2025, 2099)]
    report = checked(world, [UPDATED], rows, update_limit="daily", freshness_attribute="updated_at")

    assert report.freshness is not None
    assert report.freshness.newest == datetime(2024, 12, 31, 16, tzinfo=UTC)
    assert report.freshness.late


def test_files_are_as_fresh_as_the_newest_of_them(world: Any, folder: Path) -> None:
    for name, days in (("a.pdf", 40), ("b.pdf", 3)):
        (folder / name).write_bytes(b"%PDF")
        at = (world.now - timedelta(days=days)).timestamp()
        os.utime(folder / name, (at, at))

    assert counts(from_files(world, [CODE], update_limit="weekly"))["freshness"] == (1, 0)
    assert counts(from_files(world, [CODE], update_limit="daily"))["freshness"] == (1, 1)


def test_nothing_is_said_of_the_age_where_nothing_is_known_of_it(world: Any) -> None:
    filled(world, "code", ("429005001",))
    report = from_table(world, [CODE], update_limit="daily")

    assert "freshness" not in counts(report)
    assert report.freshness is not None
    assert not report.freshness.late
