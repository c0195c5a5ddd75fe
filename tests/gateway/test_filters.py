"""Conditions of a table call mean what they say, and name nothing outside the grant wherever they stand."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from gateway.filters import CONDITIONS_MOST, flat, named_values
from gateway.formats import NDJSON
from gateway.from_sqlite import SqliteDatabase
from gateway.objections import Refused
from gateway.rows import read_row_query
from tests.gateway.tables_kit import lines, permit, read

COLUMNS = {"n": "integer", "a": "string", "b": "integer", "ok": "boolean", "secret": "string"}
GRANTED = permit(COLUMNS, ["n", "a", "b", "ok"])
ROWS = [(1, "x", 10, 1), (2, "y", None, 0), (3, "a,b", 30, None), (4, "(z)", 40, 1), (5, None, 50, 0)]


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SqliteDatabase]:
    path: Path = tmp_path_factory.mktemp("rows") / "rows.sqlite"
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("CREATE TABLE items (n INT, a TEXT, b INT, ok INT, secret TEXT)")
        db.executemany("INSERT INTO items VALUES (?,?,?,?,'s')", ROWS)
    made = SqliteDatabase(str(path))
    yield made
    made.close()


@pytest.mark.parametrize(
    ("name", "text", "found"),
    [
        ("or", "(n.eq.1,n.eq.3)", [1, 3]),
        ("and", "(n.gt.1,n.lt.4)", [2, 3]),
        ("or", "(a.eq.x,and(b.gte.30,b.lt.50))", [1, 3, 4]),
        ("not.or", "(n.eq.1,n.eq.3)", [2, 4, 5]),
        ("not.and", "(n.gt.1,n.lt.4)", [1, 4, 5]),
        ("and", "(n.gt.1,not.or(n.eq.2,n.eq.5))", [3, 4]),
        ("or", '(a.eq."a,b",a.eq."(z)")', [3, 4]),
        ("or", '(a.in.("a,b","y"),n.in.(1,5))', [1, 2, 3, 5]),
        ("or", "(a.is.null,b.is.null)", [2, 5]),
        ("and", "(a.not.is.null,b.not.eq.10)", [3, 4]),
        ("or", "(and(or(n.eq.1,n.eq.2),ok.is.true),n.eq.5)", [1, 5]),
        ("b", "not.eq.10", [3, 4, 5]),
        ("b", "not.in.(10,30)", [4, 5]),
        ("a", "not.like.*(*", [1, 2, 3]),
        ("a", "not.is.null", [1, 2, 3, 4]),
        ("a", "is.not_null", [1, 2, 3, 4]),
        ("ok", "is.true", [1, 4]),
        ("ok", "is.false", [2, 5]),
        ("ok", "is.unknown", [3]),
        ("ok", "not.is.true", [2, 3, 5]),
    ],
)
def test_conditions_and_groups_of_them_mean_what_they_say(
    database: SqliteDatabase, name: str, text: str, found: list[int]
) -> None:
    assert [row["n"] for row in lines(read(database, GRANTED, NDJSON, (name, text)))] == found


@pytest.mark.parametrize(
    ("order", "found"),
    [
        ("b.nullsfirst", [2, 1, 3, 4, 5]),
        ("b.nullslast", [1, 3, 4, 5, 2]),
        ("b.desc.nullsfirst", [2, 5, 4, 3, 1]),
        ("b.desc.nullslast,n", [5, 4, 3, 1, 2]),
        ("b.asc.nullslast", [1, 3, 4, 5, 2]),
    ],
)
def test_rows_without_a_value_come_where_the_caller_wants_them(
    database: SqliteDatabase, order: str, found: list[int]
) -> None:
    assert [row["n"] for row in lines(read(database, GRANTED, NDJSON, ("order", order)))] == found


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("or", "(n.eq.1,secret.eq.s)"),
        ("and", "(n.eq.1,or(n.eq.2,not.and(secret.is.null)))"),
        ("or", "(n.eq.1,none.eq.s)"),
        ("or", "(n.eq.1,rowid.eq.1)"),
        ("secret", "not.eq.s"),
        ("secret", "is.true"),
        ("order", "secret.desc.nullslast"),
        ("select", "n,secret::text"),
        ("select", "count()"),
        ("select", "orders(*)"),
    ],
)
def test_a_field_outside_the_grant_is_refused_wherever_it_stands(name: str, text: str) -> None:
    with pytest.raises(Refused, match="field_not_granted"):
        read_row_query(GRANTED, ((name, text),))


@pytest.mark.parametrize("text", ["n::text", "alias:n", "n->x", "n->>x", "n.sum()", "n(*)", "a:n::text"])
@pytest.mark.parametrize("name", ["select", "order"])
def test_what_is_more_than_a_name_is_refused_as_such(name: str, text: str) -> None:
    if name == "order" and "." in text:
        return  # which is a direction that there is not
    with pytest.raises(Refused, match="names_only"):
        read_row_query(GRANTED, ((name, text),))


@pytest.mark.parametrize("text", ["fts.x", "cs.{1}", "isdistinct.1", "match.x", "eq(any).{1}", "not.fts.x"])
@pytest.mark.parametrize("grouped", [False, True])
def test_an_operator_that_there_is_not_is_told_so(text: str, grouped: bool) -> None:
    given = ("or", f"(n.eq.1,a.{text})") if grouped else ("a", text)
    with pytest.raises(Refused, match="unknown_operator"):
        read_row_query(GRANTED, (given,))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("or", ""), ("or", "()"), ("or", "n.eq.1"), ("or", "(n.eq.1"), ("or", "(n.eq.1))"),
        ("or", "(n.eq.x)"),
        ("and", "(n.eq.1,)"), ("and", "(n)"), ("and", '(a.eq."x)'), ("and", '(a.eq."x"y)'),
        ("or", "(and,n.eq.1)"), ("and", "(and(and(and(and(n.eq.1)))))"),
        ("n", "is.true"), ("a", "is.x"), ("ok", "is."), ("a", "not."), ("n", "not.not.eq.1"), ("n", "in.1"),
        ("order", "n.nullsfirst.desc"), ("order", "n.desc.nulls"), ("order", "n."), ("order", "n.asc.desc"),
    ],
)  # fmt: skip
def test_what_is_malformed_is_refused(name: str, text: str) -> None:
    with pytest.raises(Refused) as refused:
        read_row_query(GRANTED, ((name, text),))
    assert refused.value.objection.code in ("bad_value", "field_not_granted", "unknown_operator")
    assert refused.value.objection.status in (400, 403)


def test_only_so_many_conditions_are_taken_those_in_groups_counted() -> None:
    group = f"({','.join(['n.eq.1'] * (CONDITIONS_MOST - 1))})"
    read_row_query(GRANTED, (("or", group), ("n", "eq.1")))
    with pytest.raises(Refused, match="too_many_conditions"):
        read_row_query(GRANTED, (("or", group), ("n", "eq.1"), ("b", "eq.1")))


def test_what_a_group_asks_for_is_found_with_every_negation_around_it() -> None:
    text = '(a.eq.1,or(b.in.(2,3),not.and(a.eq.4)),a.like."*5,*")'
    found = [(name, value) for name, asked in flat("and", text) for value in named_values(asked)]
    assert found == [("a", "1"), ("b", "2"), ("b", "3"), ("a", "5,")]
    turned = [("a", "not.eq.1"), ("b", "not.in.(2,3)"), ("a", "eq.4"), ("a", "not.like.*5,*")]
    assert list(flat("not.or", text)) == turned
    assert list(flat("not.and", "(a.neq.1,a.not.neq.2)")) == [("a", "eq.1"), ("a", "neq.2")]
    assert list(flat("a", "eq.1")) == [("a", "eq.1")]
    with pytest.raises(Refused):
        list(flat("or", "(a.eq.1"))
