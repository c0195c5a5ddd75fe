"""A stream of rows reads one piece ahead, and lets go of its place and its connection however it ends."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import cast

import pytest

from core.settings import Connection
from core.text import Text
from gateway.answers import Stream
from gateway.calls import Call, read_query
from gateway.messages import Request
from gateway.model import Permit
from gateway.objections import Refused
from gateway.places import OPEN_MOST, STREAMS_OF_ONE
from gateway.tables import Rows, TableSource
from tests.gateway.tables_kit import Granted, permit

pytestmark = pytest.mark.long

HEAVY = "or=(a.like.*y*,a.like.*z*)"
"""A condition that no row meets, so that the whole table is gone through."""


class Asked:
    """As much of a request as is looked at."""

    def __init__(self, **headers: str) -> None:
        self._headers = headers

    def all(self, name: bytes) -> list[bytes]:
        found = self._headers.get(name.decode())
        return [found.encode()] if found else []


@pytest.fixture
def source(tmp_path: Path) -> Iterator[TableSource]:
    path = tmp_path / "rows.sqlite"
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("CREATE TABLE items (n INTEGER PRIMARY KEY, a TEXT)")
        db.executemany("INSERT INTO items VALUES (?, ?)", ((i, "x" * 100) for i in range(20_000)))
    url = f"sqlite:///{path}"
    connection = Connection("rows", "table", Text("", ""), "police", database_url=url, connect_seconds=0.2)
    with ThreadPoolExecutor(4) as threads:
        made = TableSource(connection, threads)
        yield made
        made.close()


async def stream(
    source: TableSource, query: str = "", consumer: str = "a", table: str = "items", **headers: str
) -> Rows:
    granted = cast(Granted, permit({"n": "integer", "a": "string"}))
    granted.consumer, granted.detail["table"] = consumer, table
    call = Call("GET", "307001/000001", "table", "rows", None, read_query(query.encode()))
    asked = cast(Request, Asked(accept="application/x-ndjson", **headers))
    answer = await source.prepare(cast(Permit, granted), call, asked, "/rows")()
    return cast(Rows, cast(Stream, answer).pieces)


async def everybody_finds_a_place(source: TableSource) -> None:
    taken = [await stream(source, consumer=f"d{i % 2}") for i in range(OPEN_MOST - 2)]
    for rows in taken:
        assert await rows.next()
    for rows in taken:
        await rows.close()


async def story_of_pieces(source: TableSource) -> None:
    rows = await stream(source)
    first = await rows.next()
    assert first is not None
    assert rows.rows == first.count(b"\n")  # what is read ahead is not counted yet
    await asyncio.sleep(0.2)
    assert rows.rows == first.count(b"\n")
    got = [first]
    while (piece := await rows.next()) is not None:
        got.append(piece)
    assert rows.rows == b"".join(got).count(b"\n") == 20_000
    await rows.close()
    await everybody_finds_a_place(source)


async def story_of_an_early_end(source: TableSource) -> None:
    for _ in range(2 * OPEN_MOST):
        rows = await stream(source)
        await rows.next()
        await rows.close()  # while the next piece is being read
    await everybody_finds_a_place(source)


async def story_of_a_caller_that_goes_away(source: TableSource) -> None:
    for _ in range(2 * OPEN_MOST):
        rows = await stream(source, HEAVY)
        waiting = asyncio.ensure_future(rows.next())
        await asyncio.sleep(0.002)
        waiting.cancel()
        began = time.monotonic()
        await rows.close()
        assert time.monotonic() - began < 5
    await everybody_finds_a_place(source)


async def story_of_a_count_that_fails(source: TableSource) -> None:
    for _ in range(2 * STREAMS_OF_ONE):
        with pytest.raises(Refused, match="provider_failed"):
            await stream(source, table="gone", prefer="count=exact")
    await everybody_finds_a_place(source)


async def story_of_one_department(source: TableSource) -> None:
    taken = [await stream(source) for _ in range(STREAMS_OF_ONE + 1)]
    for rows in taken[:-1]:
        await rows.next()
    with pytest.raises(Refused, match="provider_busy"):
        await taken[-1].next()
    other = await stream(source, consumer="other")
    assert await other.next()
    for rows in (*taken, other):
        await rows.close()
    await everybody_finds_a_place(source)


def test_one_piece_is_read_ahead_and_counted_when_it_is_taken(source: TableSource) -> None:
    asyncio.run(story_of_pieces(source))


def test_a_stream_that_ends_early_gives_back_what_it_holds(source: TableSource) -> None:
    asyncio.run(story_of_an_early_end(source))


def test_a_statement_whose_caller_goes_away_is_ended(source: TableSource) -> None:
    asyncio.run(story_of_a_caller_that_goes_away(source))


def test_a_count_that_fails_gives_back_what_it_holds(source: TableSource) -> None:
    asyncio.run(story_of_a_count_that_fails(source))


def test_one_department_has_half_of_the_places_at_most(source: TableSource) -> None:
    asyncio.run(story_of_one_department(source))
