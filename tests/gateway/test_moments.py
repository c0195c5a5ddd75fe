"""A condition on an instant finds it however a provider's SQLite file spells it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.times import SHANGHAI
from gateway.formats import NDJSON
from gateway.from_sqlite import DIALECT, SqliteDatabase
from gateway.rows import read_row_query
from gateway.statements import Wanted, compiled, rows_of
from tests.gateway.tables_kit import lines, permit, read

NOON = datetime.fromisoformat("2026-01-02T12:00:00")
MIDNIGHT = datetime.fromisoformat("2026-01-02")
FAR = timezone(timedelta(hours=-11))
SAME = [
    ("2026-01-02 12:00", NOON),
    ("2026-01-02T12:00", NOON),
    ("2026-01-02 12:00:00", NOON),
    ("2026-01-02T12:00:00", NOON),
    ("2026-01-02 12:00:00.000", NOON),
    ("2026-01-02T12:00:00.000000", NOON),
    ("2026-01-02", MIDNIGHT),
    ("2026-01-02 00:00:00", MIDNIGHT),
    ("2026-01-02T00:00:00", MIDNIGHT),
    ("2026-01-02 11:59:59", NOON - timedelta(seconds=1)),
    ("2026-01-02T11:59:59.999", NOON - timedelta(milliseconds=1)),
    ("2026-01-02T12:00:00.001", NOON + timedelta(milliseconds=1)),
    ("2026-01-02 12:00:00.5", NOON + timedelta(milliseconds=500)),
    ("2026-01-02T12:00:00.500", NOON + timedelta(milliseconds=500)),
    ("2026-01-02 23:59:59", NOON.replace(hour=23, minute=59, second=59)),
    ("2026-01-01T23:59:59", NOON.replace(day=1, hour=23, minute=59, second=59)),
    ("2026-01-03", MIDNIGHT + timedelta(days=1)),
    ("2026-01-03T00:00:00", MIDNIGHT + timedelta(days=1)),
]
OPERATORS: dict[str, Callable[[datetime, datetime], bool]] = {
    "eq": lambda a, b: a == b,
    "neq": lambda a, b: a != b,
    "gt": lambda a, b: a > b,
    "gte": lambda a, b: a >= b,
    "lt": lambda a, b: a < b,
    "lte": lambda a, b: a <= b,
}
GRANTED = permit({"n": "integer", "at": "datetime"})


def file_of(folder: Path, spelled: list[str | None]) -> SqliteDatabase:
    """A provider's file in which instants are text, behind an index."""
    path = folder / "rows.sqlite"
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("CREATE TABLE items (n INT, at DATETIME)")
        db.execute("CREATE INDEX by_at ON items (at)")
        db.executemany("INSERT INTO items VALUES (?,?)", enumerate(spelled))
    return SqliteDatabase(str(path))


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SqliteDatabase]:
    """All the spellings of times without an offset, and nothing."""
    made = file_of(tmp_path_factory.mktemp("local"), [*(text for text, _ in SAME), None])
    yield made
    made.close()


def found(database: SqliteDatabase, condition: str) -> list[int]:
    return [row["n"] for row in lines(read(database, GRANTED, NDJSON, ("at", condition)))]


def where(test: Callable[[datetime], bool]) -> list[int]:
    return [n for n, (_, at) in enumerate(SAME) if test(at)]


@pytest.mark.parametrize("op", OPERATORS)
@pytest.mark.parametrize("asked", [text for text, _ in SAME])
def test_every_spelling_of_a_time_is_that_time(local: SqliteDatabase, op: str, asked: str) -> None:
    meant = datetime.fromisoformat(asked)
    assert found(local, f"{op}.{asked}") == where(lambda at: OPERATORS[op](at, meant))
    assert found(local, f"not.{op}.{asked}") == where(lambda at: not OPERATORS[op](at, meant))


def test_one_of_several_times_is_found_in_every_spelling(local: SqliteDatabase) -> None:
    assert found(local, "in.(2026-01-02,2026-01-02T12:00:00)") == where(lambda at: at in (NOON, MIDNIGHT))
    others = where(lambda at: at not in (NOON, MIDNIGHT))
    assert found(local, "not.in.(2026-01-02,2026-01-02T12:00:00)") == others


_times = st.datetimes() | st.sampled_from(
    [NOON + timedelta(milliseconds=n) for n in (-1000, -1, 0, 1, 999, 1000, 60_000)]
)


@given(st.lists(st.tuples(_times, st.sampled_from(" T")), max_size=6), _times, st.sampled_from([*OPERATORS]))
@settings(max_examples=60, deadline=None)
def test_text_compares_as_the_times_do(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[datetime, str]], asked: datetime, op: str
) -> None:
    database = file_of(tmp_path_factory.mktemp("any"), [at.isoformat(mark) for at, mark in rows])
    try:
        wanted = [n for n, (at, _) in enumerate(rows) if OPERATORS[op](at, asked)]
        assert found(database, f"{op}.{asked.isoformat()}") == wanted
    finally:
        database.close()


@pytest.mark.parametrize("op", OPERATORS)
@pytest.mark.parametrize("zone", [UTC, SHANGHAI, FAR, timezone(timedelta(hours=14))])
def test_a_time_with_an_offset_is_an_instant(tmp_path: Path, op: str, zone: Any) -> None:
    noon = NOON.replace(tzinfo=UTC)
    rows = [noon + timedelta(seconds=n) for n in (-86400, -1, 0, 1, 86400)]
    spelled = [f"{at:%Y-%m-%dT%H:%M:%S}Z" for at in rows]
    spelled += [at.astimezone(FAR).isoformat(" ") for at in rows]
    spelled += [at.astimezone(SHANGHAI).replace(tzinfo=None).isoformat() for at in rows]
    database = file_of(tmp_path, [*spelled, None])
    try:
        wanted = [n for n, at in enumerate(rows * 3) if OPERATORS[op](at, noon)]
        assert found(database, f"{op}.{noon.astimezone(zone).isoformat()}") == wanted
    finally:
        database.close()


@pytest.mark.parametrize("edge", ["0001-01-01T00:00:00+08:00", "9999-12-31T23:59:59-11:00"])
def test_the_ends_of_the_calendar_are_times_like_others(tmp_path: Path, edge: str) -> None:
    database = file_of(tmp_path, ["2026-01-02 12:00:00", "9999-12-31 23:59:59"])
    try:
        assert found(database, f"gt.{edge}") == ([0, 1] if edge.startswith("0001") else [])
        assert found(database, f"lt.{edge}") == ([] if edge.startswith("0001") else [0, 1])
        assert found(database, "eq.9999-12-31T23:59:59+08:00") == [1]
    finally:
        database.close()


@pytest.mark.parametrize("asked", ["2026-01-02T12:00:00", "2026-01-02T12:00:00Z"])
@pytest.mark.parametrize("op", ["eq", "in", "gt", "gte", "lt", "lte"])
def test_an_index_of_the_column_is_used(local: SqliteDatabase, op: str, asked: str) -> None:
    condition = f"in.({asked})" if op == "in" else f"{op}.{asked}"
    query = read_row_query(GRANTED, (("at", condition),))
    text, values = compiled(rows_of(Wanted(GRANTED, query, None), DIALECT), DIALECT)
    connection = local.taken()
    plan = " ".join(str(row[3]) for row in connection.execute("EXPLAIN QUERY PLAN " + text, values))
    local.give_back(connection)
    assert "SEARCH items USING INDEX by_at" in plan
