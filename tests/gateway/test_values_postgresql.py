"""A value of a provider's PostgreSQL database is the same in every format."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.settings import Connection
from core.text import Text
from gateway.formats import ARROW, CSV, NDJSON, PARQUET
from gateway.from_postgresql import PostgresqlDatabase
from gateway.objections import Refused
from gateway.readings import PIECE_BYTES
from gateway.rows import read_row_query
from gateway.statements import Wanted
from tests.gateway.tables_kit import as_column, as_json, cells, columns, lines, permit, read, same_cells
from tests.postgresql import Server, connect, server

pytestmark = pytest.mark.long

COLUMNS = {
    "n": ("integer", "integer"),
    "text": ("string", "text"),
    "fixed": ("string", "varchar(200)"),
    "whole": ("integer", "bigint"),
    "number": ("number", "double precision"),
    "money": ("currency", "numeric(24, 6)"),
    "exact": ("number", "numeric"),
    "yes": ("boolean", "boolean"),
    "flag": ("boolean", "smallint"),
    "day": ("date", "date"),
    "at": ("datetime", "timestamp"),
    "since": ("datetime", "timestamptz"),
}
KINDS = {name: kind for name, (kind, _) in COLUMNS.items()}

_text = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=40) | st.sampled_from(
    ['"', "\\", "\\.", '\\"', "]\n[", "a,null,b", "null", "中文，", "\r\n", "\x1f\x7f\u2028", "", "t", "%s"]
)
_finite = st.decimals(allow_nan=False, allow_infinity=False, places=6, min_value=-(10**15), max_value=10**15)
_rows = st.tuples(
    st.none() | _text,
    st.none() | _text,
    st.none() | st.integers(-(2**63), 2**63 - 1),
    st.none() | st.floats(),
    st.none() | _finite,
    st.none() | _finite | st.sampled_from([Decimal(text) for text in ("NaN", "1E+30", "-1E-18")]),
    st.none() | st.booleans(),
    st.none() | st.sampled_from([0, 1, 5]),
    st.none() | st.dates(),
    st.none() | st.datetimes(),
    st.none() | st.datetimes(datetime(1900, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
)


@pytest.fixture(scope="module")
def running() -> Iterator[Server]:
    with server() as started:
        yield started


@pytest.fixture(scope="module")
def provider(running: Server) -> Iterator[psycopg.Connection[Any]]:
    with connect(running.url) as held:
        made = ", ".join(f"{name} {kind}" for name, (_, kind) in COLUMNS.items())
        held.execute(f"CREATE TABLE items ({made})")
        yield held


def opened(running: Server, seconds: float = 30.0) -> PostgresqlDatabase:
    url = running.url.render_as_string(hide_password=False)
    connection = Connection("rows", "table", Text("", ""), "police", database_url=url, total_seconds=seconds)
    return PostgresqlDatabase(running.url, connection)


@pytest.fixture(scope="module")
def database(running: Server, provider: psycopg.Connection[Any]) -> Iterator[PostgresqlDatabase]:
    made = opened(running)
    yield made
    made.close()


def fill(provider: psycopg.Connection[Any], rows: Sequence[Sequence[Any]]) -> None:
    provider.execute("TRUNCATE items")
    marks = ",".join(["%s"] * len(COLUMNS))
    provider.cursor().executemany(f"INSERT INTO items VALUES ({marks})", rows)


@given(st.lists(_rows, max_size=6))
@settings(max_examples=40, deadline=None)
def test_values_are_the_same_in_every_format(
    provider: psycopg.Connection[Any], database: PostgresqlDatabase, values: list[tuple[Any, ...]]
) -> None:
    rows = [(i, *row) for i, row in enumerate(values)]
    fill(provider, rows)
    kinds = list(KINDS.values())
    found = {media: read(database, permit(KINDS), media) for media in (NDJSON, CSV, ARROW, PARQUET)}
    wanted = [dict(zip(KINDS, map(as_json, row, kinds), strict=True)) for row in rows]
    assert [_read(line) for line in lines(found[NDJSON])] == [_read(w) for w in wanted]
    for cell, row in zip(cells(found[CSV]), rows, strict=True):
        times = {name: cell.pop(name) for name in ("at", "since")}
        assert same_cells(cell, row[:-2], kinds[:-2])
        assert [datetime.fromisoformat(t) if t else None for t in times.values()] == list(row[-2:])
    typed = [dict(zip(KINDS, map(as_column, row, kinds), strict=True)) for row in rows]
    assert columns(found[ARROW], ARROW) == typed
    assert columns(found[PARQUET], PARQUET) == typed


def _read(record: dict[str, Any]) -> dict[str, Any]:
    texts = {name: record[name] for name in ("at", "since")}
    read_at = {name: datetime.fromisoformat(text) if text else None for name, text in texts.items()}
    return {**record, **read_at}


OTHERS = """
    CREATE TABLE others (n int, raw bytea, id uuid, doc jsonb, old json, short real, list int[],
        span numeric, host inet, clock time, kept char(4), cash money);
    INSERT INTO others VALUES (1, decode(repeat('ff', 100), 'hex'), '12345678-1234-5678-1234-567812345678',
        '{"a": [1, null, "x"]}', '{"b":\n 2}', 0.1, '{1,2}', '-Infinity', '10.0.0.1', '03:04:05', 'ab', 12.5)
"""


def test_other_types_are_the_same_in_both_texts(
    provider: psycopg.Connection[Any], database: PostgresqlDatabase
) -> None:
    provider.execute(OTHERS)
    names = dict.fromkeys(
        ["n", "raw", "id", "doc", "old", "short", "list", "span", "host", "clock", "kept", "cash"], "string"
    ) | {"n": "integer", "doc": "object", "old": "object", "short": "number", "span": "number"}
    granted = permit(names)
    granted.detail["table"] = "others"  # type: ignore[index]
    (line,) = lines(read(database, granted, NDJSON))
    assert line == {
        "n": 1, "raw": "/" * 133 + "w==", "id": "12345678-1234-5678-1234-567812345678",
        "doc": {"a": [1, None, "x"]}, "old": {"b": 2}, "short": 0.1, "list": [1, 2], "span": None,
        "host": "10.0.0.1", "clock": "03:04:05", "kept": "ab  ", "cash": "$12.50",
    }  # fmt: skip
    (cell,) = cells(read(database, granted, CSV))
    assert cell["raw"] == line["raw"]
    assert {n: cell[n] for n in ("id", "short", "list", "span", "host", "clock", "kept", "cash")} == {
        "id": line["id"], "short": "0.1", "list": "[1,2]", "span": "", "host": "10.0.0.1",
        "clock": "03:04:05", "kept": "ab  ", "cash": "$12.50",
    }  # fmt: skip
    (column,) = columns(read(database, granted, ARROW), ARROW)
    assert (column["doc"], column["short"], column["raw"]) == ('{"a":[1,null,"x"]}', 0.1, line["raw"])


def test_a_zone_of_the_provider_changes_no_instant(
    running: Server, provider: psycopg.Connection[Any]
) -> None:
    provider.execute("ALTER ROLE tests SET timezone = 'Asia/Shanghai'")
    provider.execute("ALTER ROLE tests SET datestyle = 'German'")
    at = datetime(2026, 1, 2, 3, 4, 5, 60000, timezone(timedelta(hours=8)))
    provider.execute("TRUNCATE items")
    provider.execute("INSERT INTO items (n, since, day) VALUES (1, %s, %s)", (at, date(2026, 5, 1)))
    fresh = opened(running)
    try:
        granted = permit(KINDS, ["since", "day"])
        (line,) = lines(read(fresh, granted, NDJSON))
        (cell,) = cells(read(fresh, granted, CSV))
        assert (datetime.fromisoformat(line["since"]), line["day"]) == (at, "2026-05-01")
        assert (datetime.fromisoformat(cell["since"]), cell["day"]) == (at, "2026-05-01")
        (column,) = columns(read(fresh, granted, ARROW), ARROW)
        assert column == {"since": at, "day": date(2026, 5, 1)}
    finally:
        fresh.close()
        provider.execute("ALTER ROLE tests RESET ALL")


def test_what_a_caller_writes_stays_a_value_in_copy_too(
    provider: psycopg.Connection[Any], database: PostgresqlDatabase
) -> None:
    hostile = ["'; DROP TABLE items; --", "\\'; SELECT 1 --", "%s %(a)s %%", "$1 $$", "a\\"]
    fill(provider, [(i, text, *[None] * 10) for i, text in enumerate(hostile)])
    for i, text in enumerate(hostile):
        for media in (NDJSON, CSV):
            query = (("text", f"eq.{text}"), ("select", "n"))
            body = read(database, permit(KINDS), media, *query)
            assert (lines if media == NDJSON else cells)(body) == [{"n": i if media == NDJSON else str(i)}]


@pytest.mark.parametrize("media", [NDJSON, CSV])
def test_a_stream_may_go_on_for_longer_than_one_statement_may(
    running: Server, provider: psycopg.Connection[Any], media: str
) -> None:
    fill(provider, [(i, "x" * 200, *[None] * 10) for i in range(20_000)])
    database = opened(running, 0.8)
    granted = permit(KINDS, ["n", "text"])
    reading = database.reading(Wanted(granted, read_row_query(granted, ()), None), media)
    try:
        pieces = [reading.read(time.monotonic() + 30)]
        time.sleep(1.0)  # whoever reads takes its time
        while not pieces[-1].last:
            pieces.append(reading.read(time.monotonic() + 30))
        assert sum(piece.rows for piece in pieces) == 20_000
        assert all(len(piece.data) >= PIECE_BYTES for piece in pieces[:-1])
    finally:
        reading.close()
        database.close()


@pytest.mark.parametrize("media", [NDJSON, CSV, ARROW])
def test_a_statement_that_sends_nothing_in_time_fails_and_frees_its_connection(
    running: Server, provider: psycopg.Connection[Any], media: str
) -> None:
    fill(provider, [(1, "x", *[None] * 10)])
    database = opened(running, 0.5)
    granted = permit(KINDS, ["n"])
    with connect(running.url) as other, other.transaction():
        reading = database.reading(Wanted(granted, read_row_query(granted, ()), None), media)
        other.execute("LOCK TABLE items IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(psycopg.errors.QueryCanceled):
            reading.read(time.monotonic() + 0.5)
        reading.close()
    assert (lines if media == NDJSON else bytes)(read(database, granted, media))
    database.close()


@pytest.mark.parametrize("media", [NDJSON, CSV, PARQUET])
def test_a_stream_that_nobody_wants_any_more_leaves_a_pool_that_works(
    running: Server, provider: psycopg.Connection[Any], media: str
) -> None:
    fill(provider, [(i, "x" * 200, *[None] * 10) for i in range(20_000)])
    database = opened(running)
    granted = permit(KINDS, ["n", "text"])
    for _ in range(10):  # more than the pool has
        reading = database.reading(Wanted(granted, read_row_query(granted, ()), None), media)
        reading.read(time.monotonic() + 30)
        reading.close()
    assert read(database, granted, media, ("n", "lt.3"))
    (open_now,) = provider.execute(
        "SELECT count(*) FROM pg_stat_activity WHERE state <> 'idle' AND pid <> pg_backend_pid()"
        " AND backend_type = 'client backend'"
    ).fetchone() or (None,)
    assert open_now == 0
    database.close()


def test_counting_and_reading_see_the_same_rows(
    provider: psycopg.Connection[Any], database: PostgresqlDatabase
) -> None:
    fill(provider, [(i, None, *[None] * 10) for i in range(10)])
    granted = permit(KINDS, ["n"], n=tuple("01234"))
    for media in (NDJSON, CSV):
        reading = database.reading(Wanted(granted, read_row_query(granted, (("n", "gt.0"),)), None), media)
        assert reading.count(time.monotonic() + 30) == 4
        provider.execute("UPDATE items SET text = 'x'; DELETE FROM items WHERE n = 2")
        assert reading.read(time.monotonic() + 30).rows == 4
        provider.execute("INSERT INTO items (n) VALUES (2)")


def test_a_text_that_is_no_utf_8_fails_in_every_format(
    running: Server, provider: psycopg.Connection[Any]
) -> None:
    provider.execute("CREATE DATABASE bytes TEMPLATE template0 ENCODING 'SQL_ASCII' LOCALE 'C'")
    url = running.url.set(database="bytes")
    with connect(url) as held:
        held.execute("CREATE TABLE items (n int, a text)")
        held.execute("INSERT INTO items SELECT 1, convert_from('\\x41ff'::bytea, 'SQL_ASCII')")
    database = PostgresqlDatabase(url, Connection("rows", "table", Text("", ""), "police"))
    for media in (NDJSON, CSV, ARROW):
        with pytest.raises(psycopg.errors.CharacterNotInRepertoire):
            read(database, permit({"n": "integer", "a": "string"}), media)
    database.close()


def test_a_server_that_vanishes_is_given_up_in_seconds(database: PostgresqlDatabase) -> None:
    held = database.taken()
    with socket.socket(fileno=os.dup(held.driver_connection.pgconn.socket)) as to_server:
        unanswered = to_server.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
        idle, between, times = (
            to_server.getsockopt(socket.IPPROTO_TCP, option)
            for option in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
        )
    held.close()
    assert 0 < unanswered <= 10_000
    assert idle + between * times <= 20


def test_nothing_is_ever_written(database: PostgresqlDatabase) -> None:
    held = database.taken()
    with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        held.driver_connection.execute("DELETE FROM items")
    held.close()


def test_a_value_of_another_type_has_no_column(
    provider: psycopg.Connection[Any], database: PostgresqlDatabase
) -> None:
    fill(provider, [(1, "x", *[None] * 10)])
    with pytest.raises(Refused, match="value_not_typed"):
        read(database, permit({"n": "integer", "text": "integer"}), ARROW)
