"""A value of a provider's SQLite file is the same in every format, and the one that the file holds."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterable, Sequence
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

import apsw
import pyarrow as pa
import pyarrow.csv as pacsv
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.columns import GROUP_ROWS
from gateway.formats import ARROW, CSV, NDJSON, PARQUET
from gateway.from_sqlite import SqliteDatabase
from gateway.objections import Refused
from gateway.readings import PIECE_BYTES
from gateway.rows import read_row_query
from gateway.statements import Wanted
from tests.gateway.tables_kit import as_column, as_json, cells, columns, lines, permit, read, same_cells

pytestmark = pytest.mark.long

COLUMNS = {
    "位": "integer",
    "text": "string",
    "whole": "integer",
    "number": "number",
    "yes": "boolean",
    "day": "date",
    "at": "datetime",
    "money": "currency",
}
KINDS = tuple(COLUMNS.values())

_int64 = st.integers(-(2**63), 2**63 - 1)
_text = st.text(st.characters(codec="utf-8")) | st.sampled_from(
    ['"', "\\", '\\"', '"\\', "]\n[", "a,null,b", "null", "中文，", "\r\n", "\x1f\x7f\u2028", "", " ", "=1+1"]
)
_typed = st.tuples(
    st.none() | _text,
    st.none() | _int64,
    st.none() | st.floats(allow_nan=False) | st.integers(-(2**53), 2**53),
    st.none() | st.sampled_from([0, 1, 7]),
    st.none() | st.dates().map(str),
    st.none() | st.datetimes().map(lambda at: at.isoformat(" ")),
    st.none() | st.decimals(-(10**9), 10**9, places=2).map(float),
)
_anything = st.none() | _text | _int64 | st.floats(allow_nan=False) | st.binary(max_size=20)


def file_of(folder: Path, rows: Iterable[Sequence[Any]], names: Iterable[str] = COLUMNS) -> SqliteDatabase:
    """A file with a table without types, in which a value stays what it is."""
    path = folder / "rows.sqlite"
    made = ", ".join(f'"{name}"' for name in names)
    with closing(sqlite3.connect(path)) as db, db:
        db.execute(f"CREATE TABLE items ({made})")
        marks = ",".join("?" * len(made.split(",")))
        db.executemany(f"INSERT INTO items VALUES ({marks})", rows)
    return SqliteDatabase(str(path))


@given(st.lists(_typed, max_size=8))
@settings(max_examples=40, deadline=None)
def test_typed_values_are_the_same_in_every_format(values: list[tuple[Any, ...]]) -> None:
    rows = [(i, *row) for i, row in enumerate(values)]
    with tempfile.TemporaryDirectory() as folder:
        database = file_of(Path(folder), rows)
        found = {media: read(database, permit(COLUMNS), media) for media in (NDJSON, CSV, ARROW, PARQUET)}
        database.close()
    wanted = [dict(zip(COLUMNS, map(as_json, row, KINDS), strict=True)) for row in rows]
    assert lines(found[NDJSON]) == wanted
    if not any("\0" in row[1] for row in rows if row[1]):  # which Python's reader of CSV does not take
        assert len(cells(found[CSV])) == len(rows)
        assert all(same_cells(c, row, KINDS) for c, row in zip(cells(found[CSV]), rows, strict=True))
    typed = [dict(zip(COLUMNS, map(as_column, row, KINDS), strict=True)) for row in rows]
    assert columns(found[ARROW], ARROW) == typed
    assert columns(found[PARQUET], PARQUET) == typed


@given(st.lists(st.tuples(_anything, _anything, _anything), max_size=8))
@settings(max_examples=40, deadline=None)
def test_whatever_a_file_holds_is_the_same_as_json_lines_and_csv(values: list[tuple[Any, ...]]) -> None:
    names = {"n": "integer", "a": "string", "b": "integer", "c": "number"}
    kinds = tuple(names.values())
    rows = [(i, *row) for i, row in enumerate(values)]
    with tempfile.TemporaryDirectory() as folder:
        database = file_of(Path(folder), rows, names)
        found = {media: read(database, permit(names), media) for media in (NDJSON, CSV)}
        database.close()
    assert lines(found[NDJSON]) == [dict(zip(names, map(as_json, row, kinds), strict=True)) for row in rows]
    if not any("\0" in value for row in rows for value in row if isinstance(value, str)):
        assert all(same_cells(c, row, kinds) for c, row in zip(cells(found[CSV]), rows, strict=True))


def test_csv_tells_nothing_from_an_empty_text(tmp_path: Path) -> None:
    names = {"n": "integer", "a": "string", "b": "number"}
    database = file_of(tmp_path, [(1, None, None), (2, "", 1.5), (3, "null", float("inf"))], names)
    assert read(database, permit(names), CSV) == b'n,a,b\r\n1,,\r\n2,"",1.5\r\n3,"null",\r\n'
    options = pacsv.ConvertOptions(strings_can_be_null=True, quoted_strings_can_be_null=False)
    table = pacsv.read_csv(pa.BufferReader(read(database, permit(names), CSV)), convert_options=options)
    assert table["a"].to_pylist()[:2] == [None, ""]
    alone = read(database, permit(names, ["a"]), CSV)
    assert alone == b'a\r\n""\r\n""\r\n"null"\r\n'  # an empty line would be no row


def test_a_text_that_is_no_utf_8_fails_in_every_format(tmp_path: Path) -> None:
    names = {"n": "integer", "a": "string"}
    database = file_of(tmp_path, [(1, "x")], names)
    with closing(sqlite3.connect(tmp_path / "rows.sqlite")) as db, db:
        db.execute("UPDATE items SET a = CAST(X'41FF' AS TEXT)")
    for media in (NDJSON, CSV, ARROW, PARQUET):
        with pytest.raises(UnicodeDecodeError):
            read(database, permit(names), media)


@pytest.mark.parametrize("media", [ARROW, PARQUET])
@pytest.mark.parametrize(
    ("kind", "value"),
    [("integer", "x"), ("integer", 1.5), ("number", "1.5"), ("date", "2026-13-01"), ("date", 7),
     ("datetime", "2026-01-02T03:04:05+08:00"), ("boolean", "maybe"), ("integer", b"1")],
)  # fmt: skip
def test_a_value_of_another_type_has_no_column(tmp_path: Path, media: str, kind: str, value: Any) -> None:
    names = {"n": "integer", "a": kind}
    database = file_of(tmp_path, [(1, None), (2, value)], names)
    if kind == "boolean":  # what is true is true, as in JSON
        assert columns(read(database, permit(names), media), media)[1]["a"] is True
        return
    with pytest.raises(Refused, match="value_not_typed"):
        read(database, permit(names), media)
    assert len(lines(read(database, permit(names), NDJSON))) == 2


def test_columns_have_the_types_of_the_catalog_even_without_a_row(tmp_path: Path) -> None:
    database = file_of(tmp_path, [])
    schema = pa.ipc.open_stream(read(database, permit(COLUMNS), ARROW)).schema
    assert {field.name: str(field.type) for field in schema} == {
        "位": "int64", "text": "string", "whole": "int64", "number": "double", "yes": "bool",
        "day": "date32[day]", "at": "timestamp[us]", "money": "double",
    }  # fmt: skip
    assert read(database, permit(COLUMNS), NDJSON) == b""
    assert len(cells(read(database, permit(COLUMNS), CSV))) == 0
    assert columns(read(database, permit(COLUMNS), PARQUET), PARQUET) == []


@pytest.mark.parametrize("media", [NDJSON, CSV, ARROW])
def test_an_answer_leaves_in_pieces_of_much_the_same_size_however_wide_its_rows(
    tmp_path: Path, media: str
) -> None:
    names = {"n": "integer", "a": "string"}
    rows = [(i, "x" * (10 if i < 20_000 else 50_000)) for i in range(20_100)]
    database = file_of(tmp_path, rows, names)
    reading = database.reading(Wanted(permit(names), read_row_query(permit(names), ()), None), media)
    pieces = [reading.read(float("inf"))]
    while not pieces[-1].last:
        pieces.append(reading.read(float("inf")))
    assert sum(piece.rows for piece in pieces) == len(rows)
    assert all(len(piece.data) >= PIECE_BYTES for piece in pieces[:-1])
    assert sorted(len(piece.data) for piece in pieces)[-3] < 3 * PIECE_BYTES  # but where they become wide


def test_parquet_has_row_groups_that_leave_one_by_one(tmp_path: Path) -> None:
    names = {"n": "integer"}
    number = 2 * GROUP_ROWS + 5000
    database = file_of(tmp_path, ((i,) for i in range(number)), names)
    reading = database.reading(Wanted(permit(names), read_row_query(permit(names), ()), None), PARQUET)
    pieces = [reading.read(float("inf"))]
    while not pieces[-1].last:
        pieces.append(reading.read(float("inf")))
    body = b"".join(piece.data for piece in pieces)
    assert len(pieces) > 1
    assert [row["n"] for row in columns(body, PARQUET)] == list(range(number))
    assert pa.parquet.ParquetFile(pa.BufferReader(body)).num_row_groups == 3


def test_a_statement_ends_at_its_deadline_and_leaves_the_connection_fit_for_the_next(tmp_path: Path) -> None:
    names = {"n": "integer", "a": "string"}
    database = file_of(tmp_path, [(i, "x") for i in range(50_000)], names)
    query = read_row_query(permit(names), (("a", "eq.y"),))
    reading = database.reading(Wanted(permit(names), query, None), NDJSON)
    with pytest.raises(apsw.InterruptError):
        reading.read(0.0)
    reading.close()
    assert database.taken().in_transaction is False
    assert len(lines(read(database, permit(names), NDJSON, ("n", "lt.3")))) == 3


def test_a_file_is_never_written_to(tmp_path: Path) -> None:
    connection = file_of(tmp_path, [(1,)], ["n"]).taken()
    for statement in ("DELETE FROM items", "CREATE TABLE other (n)", "PRAGMA user_version = 7"):
        with pytest.raises(apsw.Error):
            connection.execute(statement)
    connection.close()


def test_counting_and_reading_see_the_same_rows(tmp_path: Path) -> None:
    names = {"n": "integer"}
    database = file_of(tmp_path, [(i,) for i in range(10)], names)
    with closing(sqlite3.connect(tmp_path / "rows.sqlite")) as db:
        db.execute("PRAGMA journal_mode=WAL")
        granted = permit(names, n=tuple("01234"))
        query = read_row_query(granted, (("limit", "2"), ("n", "gt.0")))
        reading = database.reading(Wanted(granted, query, 2), NDJSON)
        assert reading.count(float("inf")) == 4
        with db:
            db.execute("DELETE FROM items")
        assert len(lines(reading.read(float("inf")).data)) == 2
    database.close()


def test_the_first_instant_that_python_knows_has_a_column_too(tmp_path: Path) -> None:
    names = {"n": "integer", "at": "datetime"}
    database = file_of(tmp_path, [(1, "0001-01-01T00:00:00"), (2, "9999-12-31 23:59:59.999999")], names)
    found = columns(read(database, permit(names), PARQUET), PARQUET)
    first, last = datetime(1, 1, 1, 0, 0), datetime(9999, 12, 31, 23, 59, 59, 999999)  # noqa: DTZ001
    assert [row["at"] for row in found] == [first, last]
