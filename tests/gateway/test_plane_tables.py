"""Rows of a table: the grant decides about columns and rows, whatever the caller writes."""

from __future__ import annotations

import csv
import io
import json
import sqlite3
from contextlib import closing
from hashlib import sha256
from typing import Any
from urllib.parse import quote

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.gateway.plane_kit import Access, Kit, url

pytest_plugins = ["tests.gateway.plane_fixtures"]

NAMED = ["code", "name", "level"]


@pytest.fixture(scope="module")
def access(kit: Kit) -> Access:
    return kit.grant("table", fields=NAMED)


def rows(kit: Kit, access: Access, query: str = "") -> Any:
    answer = kit.call(url("table", f"rows{query}"), access)
    assert answer.status == 200, answer.body
    return answer.json["rows"]


def test_a_page_holds_the_granted_columns_in_a_stable_order(kit: Kit, access: Access) -> None:
    page = rows(kit, access)
    assert len(page) == 100
    assert page[0] == {"code": "00000", "name": "名称0", "level": 0}
    assert [r["code"] for r in page] == [f"{i:05d}" for i in range(100)]


def test_next_leads_through_every_row_once(kit: Kit, access: Access) -> None:
    seen: list[str] = []
    target: str | None = url("table", "rows?select=code&limit=1700")
    while target:
        page = kit.call(target, access).json
        seen += [r["code"] for r in page["rows"]]
        target = page["next"] and page["next"].removeprefix(kit.settings.platform.gateway_url)
    assert seen == [f"{i:05d}" for i in range(5000)]


@pytest.mark.parametrize(
    ("query", "codes"),
    [
        ("code=eq.00003", ["00003"]),
        ("level=eq.3&code=lt.00015", ["00003", "00013"]),
        ('code=in.(00001,"00002")', ["00001", "00002"]),
        ("name=is.null", ["00007"]),
        ("name=not.is.null&code=lte.00001", ["00000", "00001"]),
        (f"name=like.{quote('*称499')}*&limit=3", ["00499", "04990", "04991"]),
        (f"name=eq.{quote('名称12')}", ["00012"]),
        ("code=gte.04998&order=code.desc", ["04999", "04998"]),
        ("level=neq.0&code=lt.00003", ["00001", "00002"]),
        ("order=level.desc,code&limit=2", ["00009", "00019"]),
        ("code=gt.00003&limit=1&offset=1", ["00005"]),
        ("name=like.%25&limit=1", []),
        ("name=eq.x'%20OR%20'1'='1", []),
    ],
)
def test_filters_and_order_mean_what_they_say(kit: Kit, access: Access, query: str, codes: list[str]) -> None:
    assert [r["code"] for r in rows(kit, access, f"?{query}")] == codes


@pytest.mark.parametrize(
    "query",
    [
        "select=secret",
        "select=code,secret",
        "select=*",
        "select=Code",
        "secret=eq.s1",
        "order=secret",
        "none=eq.1",
        "order=code,secret.desc",
        'select=code"',
        "select=count(*)",
        "1=eq.1",
        "rowid=eq.1",
    ],
)
def test_a_field_outside_the_grant_can_be_neither_read_nor_filtered_nor_sorted_by(
    kit: Kit, access: Access, query: str
) -> None:
    answer = kit.call(url("table", f"rows?{query}"), access)
    assert (answer.status, answer.code) == (403, "field_not_granted")
    assert kit.record(answer.record)["decision"] == "refused"


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=10001",
        "limit=-1",
        "limit=x",
        "limit=１",
        "offset=1000000000000",
        "offset=-1",
        "code=1",
        "code=like",
        "level=eq.x",
        "level=eq.1e3",
        "level=eq.99999999999999999999",
        "code=in.(",
        "code=in.(a",
        "order=code.up",
        "select=code,code",
        "order=code,code.desc",
        "limit=1&limit=2",
        'code=in.("a)',
        "limit=",
    ],
)
def test_a_malformed_query_is_told_so(kit: Kit, access: Access, query: str) -> None:
    answer = kit.call(url("table", f"rows?{quote(query, safe='=&(),.*%-')}"), access)
    assert answer.status == 400, answer.body
    assert answer.json["detail"] != answer.json["detail_en"]


def test_the_row_filter_holds_whatever_the_caller_asks(kit: Kit) -> None:
    access = kit.grant(
        "table", fields=["code"], row_filter={"level": ["3", "4"], "secret": ["s3", "s14", "s5"]}
    )
    assert [r["code"] for r in rows(kit, access)] == ["00003", "00014"]
    assert rows(kit, access, "?code=eq.00005") == []


def test_a_row_limit_caps_page_and_stream(kit: Kit) -> None:
    access = kit.grant("table", row_limit=7)
    answer = kit.call(url("table", "rows?limit=100"), access)
    assert len(answer.json["rows"]) == 7
    assert "offset=7" in answer.json["next"]
    lines = kit.call(
        url("table", "rows"), access, headers={"Accept": "application/x-ndjson"}
    ).body.splitlines()
    assert len(lines) == 7


def test_types_are_those_of_the_attributes(kit: Kit) -> None:
    page = rows(kit, kit.grant("table"), "?limit=2&active=eq.true")
    assert page[0] == {"code": "00001", "name": "名称1", "level": 1, "active": True, "secret": "s1"}


def test_a_whole_table_streams_as_json_lines_between_its_records(kit: Kit, access: Access) -> None:
    answer = kit.call(url("table", "rows"), access, headers={"Accept": "application/x-ndjson"})
    found = [json.loads(line) for line in answer.body.splitlines()]
    assert len(found) == 5000
    assert found[4999]["code"] == "04999"
    start = kit.record(answer.record)
    end = next(r for r in kit.records() if r.get("start") == answer.record)
    assert (start["k"], end["k"]) == ("access.start", "access.end")
    assert (end["rows"], end["bytes"], end["decision"]) == (5000, len(answer.body), "permitted")


def test_a_table_streams_as_csv_with_a_header(kit: Kit, access: Access) -> None:
    answer = kit.call(
        url("table", "rows?select=name,code&code=lt.00008"), access, headers={"Accept": "text/csv"}
    )
    assert answer.headers["content-type"].startswith("text/csv; charset=utf-8")
    found = list(csv.reader(io.StringIO(answer.body.decode())))
    assert found[0] == ["name", "code"]
    assert found[8] == ["", "00007"]
    assert kit.record(answer.record)["k"] == "access"


def test_an_accept_that_cannot_be_met_is_told_so(kit: Kit, access: Access) -> None:
    answer = kit.call(url("table", "rows"), access, headers={"Accept": "image/png"})
    assert (answer.status, answer.code) == (406, "not_acceptable")
    for accept in ("*/*", "text/html, */*;q=0.8", "application/json;q=0.5"):
        assert kit.call(url("table", "rows?limit=1"), access, headers={"Accept": accept}).status == 200


ARROW, PARQUET = "application/vnd.apache.arrow.stream", "application/vnd.apache.parquet"


@pytest.mark.parametrize("media", [ARROW, PARQUET])
def test_a_table_comes_as_typed_columns(kit: Kit, media: str) -> None:
    access = kit.grant("table", row_filter={"level": ["1", "2"]}, row_limit=900)
    answer = kit.call(url("table", "rows?select=code,level,active"), access, headers={"Accept": media})
    assert (answer.status, answer.headers["content-type"]) == (200, media)
    body = pa.BufferReader(answer.body)
    found = pa.ipc.open_stream(body).read_all() if media == ARROW else pq.read_table(body)
    assert {field.name: str(field.type) for field in found.schema} == {
        "code": "string", "level": "int64", "active": "bool"
    }  # fmt: skip
    assert found.num_rows == 900
    assert found.slice(0, 2).to_pylist() == [
        {"code": "00001", "level": 1, "active": True}, {"code": "00002", "level": 2, "active": False}
    ]  # fmt: skip
    record = kit.record(answer.record)
    end = next((r for r in kit.records() if r.get("start") == answer.record), record)
    assert (end["rows"], end["bytes"]) == (900, len(answer.body))
    assert end["response_digest"] == sha256(answer.body).hexdigest()


@pytest.mark.parametrize(
    ("accept", "media"),
    [
        (None, "application/json"),
        ("application/json", "application/json"),
        ("application/x-ndjson", "application/x-ndjson"),
        ("text/csv;header=present", "text/csv; charset=utf-8; header=present"),
        ("text/*", "text/csv; charset=utf-8; header=present"),
        ("image/png, */*;q=0.1", "application/json"),
        (f"{PARQUET};q=0, {ARROW}", ARROW),
        ("APPLICATION/VND.APACHE.PARQUET", PARQUET),
    ],
)
def test_the_format_is_the_first_that_is_accepted(
    kit: Kit, access: Access, accept: str | None, media: str
) -> None:
    headers = {} if accept is None else {"Accept": accept}
    answer = kit.call(url("table", "rows?limit=1"), access, headers=headers)
    assert (answer.status, answer.headers["content-type"]) == (200, media)
    assert answer.headers["vary"] == "Accept"


@pytest.mark.parametrize(
    "accept",
    ["image/png", "text/html", "application/vnd.apache.arrow.file", "application/geo+json", f"{ARROW};q=0"],
)
def test_a_format_that_there_is_not_is_refused(kit: Kit, access: Access, accept: str) -> None:
    answer = kit.call(url("table", "rows"), access, headers={"Accept": accept})
    assert (answer.status, answer.code) == (406, "not_acceptable")
    assert kit.record(answer.record)["reason"] == "not_acceptable"


def counted(
    kit: Kit, access: Access, query: str, accept: str = "application/json", prefer: str = "count=exact"
) -> Any:
    return kit.call(url("table", f"rows{query}"), access, headers={"Prefer": prefer, "Accept": accept})


def test_rows_are_counted_within_the_grant_and_the_conditions(kit: Kit) -> None:
    access = kit.grant("table", row_filter={"level": ["1"]}, row_limit=200)
    found = [
        ("", "0-99/500"), ("?limit=1000&offset=400", "400-499/500"), ("?limit=10&offset=700", "*/500"),
        ("?code=lt.00050", "0-4/5"), ("?code=eq.00002", "*/0"),
        ("?select=code&or=(code.eq.00001,code.eq.00002)", "0-0/1"),
    ]  # fmt: skip
    for query, wanted in found:
        answer = counted(kit, access, query)
        assert (answer.status, answer.headers["content-range"]) == (200, wanted), query
        assert answer.headers["preference-applied"] == "count=exact"
    for accept in ("application/x-ndjson", "text/csv", ARROW):
        answer = counted(kit, access, "?offset=10", accept)
        assert (answer.status, answer.headers["content-range"]) == (200, "10-209/500")
        assert counted(kit, access, "?offset=450", accept).headers["content-range"] == "450-499/500"


@pytest.mark.parametrize(
    "prefer", ["count=planned", "count=estimated", "respond-async", "return=representation", "x=y"]
)
def test_a_preference_that_is_not_met_is_ignored_and_refused_under_strict_handling(
    kit: Kit, access: Access, prefer: str
) -> None:
    answer = counted(kit, access, "?limit=1", prefer=prefer)
    assert answer.status == 200
    assert not {"content-range", "preference-applied"} & set(answer.headers)
    answer = counted(kit, access, "?limit=1", prefer=f"handling=strict, {prefer}")
    assert (answer.status, answer.code) == (400, "preference_not_met")
    assert kit.record(answer.record)["decision"] == "refused"
    assert counted(kit, access, "?limit=1", prefer='handling=strict; a, count="exact"').status == 200


def test_a_value_that_does_not_fit_its_column_fails_as_the_providers_before_anything_is_sent(
    kit: Kit,
) -> None:
    access = kit.grant("table", fields=["code", "level"], row_filter={"code": ["00042"]})
    with closing(sqlite3.connect(kit.rows)) as db, db:
        db.execute("UPDATE items SET level = 'many' WHERE code = '00042'")
    answer = kit.call(url("table", "rows"), access, headers={"Accept": ARROW})
    as_json = rows(kit, access)
    with closing(sqlite3.connect(kit.rows)) as db, db:
        db.execute("UPDATE items SET level = 2 WHERE code = '00042'")
    assert (answer.status, answer.code) == (502, "value_not_typed")
    assert kit.record(answer.record)["decision"] == "failed"
    assert as_json == [{"code": "00042", "level": "many"}]


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("select=code::text", "names_only"),
        ("level=fts.x", "unknown_operator"),
        (f"or=({','.join(['level.eq.1'] * 51)})", "too_many_conditions"),
    ],
)
def test_what_postgrest_has_and_we_do_not_is_told_so_in_both_languages(
    kit: Kit, access: Access, query: str, code: str
) -> None:
    answer = kit.call(url("table", f"rows?{query}"), access)
    assert (answer.status, answer.code) == (400, code)
    assert answer.json["detail"] != answer.json["detail_en"]
    assert kit.record(answer.record)["reason"] == code


def test_a_table_that_is_not_there_is_the_providers_failure(kit: Kit) -> None:
    access = kit.grant("table", fields=["code"], row_filter={"secret": ["s1"]})
    with kit.database.begin() as tx:
        from catalog.store import distributions
        from gateway.policy import change_policy

        where = distributions.c.kind == "table"
        detail = tx.execute(distributions.select().where(where)).one().detail
        tx.execute(distributions.update().where(where).values(detail={**detail, "table": "gone"}))
        change_policy(tx, kit.counter)
    answer = kit.call(url("table", "rows"), access)
    with kit.database.begin() as tx:
        tx.execute(distributions.update().where(where).values(detail=detail))
        change_policy(tx, kit.counter)
    assert (answer.status, answer.code) == (502, "provider_failed")
    assert "error=destination_unavailable" in answer.headers["proxy-status"]
    assert b"gone" not in answer.body
    assert kit.record(answer.record)["decision"] == "failed"
