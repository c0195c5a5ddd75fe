"""Rows of a table: the grant decides about columns and rows, whatever the caller writes."""

from __future__ import annotations

import csv
import io
import json
from typing import Any
from urllib.parse import quote

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
