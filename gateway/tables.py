"""Tables: rows of a provider's database, read with the granted columns only.

The database is opened for reading only. Reading happens in threads, a piece at a time: while one is sent, the
next is made ready, and no more.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, TypeVar

import apsw
import msgspec
import orjson
from sqlalchemy import make_url
from sqlalchemy.exc import SQLAlchemyError

from core.settings import Connection
from gateway import objections as no
from gateway.answers import Answer, Headers, Stream
from gateway.calls import Call
from gateway.formats import CONTENT_TYPE, JSON, choose_format
from gateway.from_sqlite import SqliteDatabase
from gateway.messages import Request
from gateway.model import Permit
from gateway.objections import Refused
from gateway.places import Places
from gateway.preferences import content_range, counted
from gateway.readings import Database, Piece, Reading
from gateway.rows import OFFSET_MOST, PAGE_DEFAULT, PAGE_MOST, next_query, read_row_query
from gateway.statements import Wanted

PAGE_BYTES = 8 * 1024 * 1024
"""A page that grows over this ends early and names the next one."""

log = logging.getLogger("shuxiang.plane")
T = TypeVar("T")


class TableSource:
    """One provider's database, opened for reading only."""

    def __init__(self, connection: Connection, threads: ThreadPoolExecutor) -> None:
        self._connection = connection
        self._threads = threads
        self._places = Places()
        self._database, self._errors = _database(connection)

    def prepare(
        self, permit: Permit, call: Call, request: Request, here: str
    ) -> Callable[[], Awaitable[Answer | Stream]]:
        """Read a table call and return what answers it; `here` is the address of the rows. Raises Refused."""
        query = read_row_query(permit, call.query)
        media = choose_format(_field(request, b"accept"))
        count = counted(_field(request, b"prefer"))
        limits = [n for n in (query.limit, permit.terms.row_limit) if n is not None]
        if media != JSON:
            wanted = Wanted(permit, query, min(limits, default=None))
            return lambda: self._stream(wanted, media, count)
        limit = min([PAGE_DEFAULT if query.limit is None else PAGE_MOST, *limits])
        page = Wanted(permit, query, limit + 1)
        return lambda: self._page(page, call, limit, count, here)

    def _rows(self, wanted: Wanted, media: str, streaming: str | None) -> Rows:
        return Rows(self, self._database.reading(wanted, media), streaming)

    async def _stream(self, wanted: Wanted, media: str, count: bool) -> Stream:
        rows = self._rows(wanted, media, wanted.permit.consumer)
        found: Headers = ()
        if count:
            try:
                total = await rows.count()
            except BaseException:
                await rows.close()
                raise
            least = total if wanted.limit is None else wanted.limit
            found = content_range(wanted.query.offset, min(least, total - wanted.query.offset), total)
        return Stream(200, (("Content-Type", CONTENT_TYPE[media]), *_VARY, *found), None, rows)

    async def _page(self, wanted: Wanted, call: Call, limit: int, count: bool, here: str) -> Answer:
        lines: list[bytes] = []
        size = 0
        rows = self._rows(wanted, JSON, None)
        try:
            total = await rows.count() if count else 0
            while len(lines) <= limit and size < PAGE_BYTES and (piece := await rows.next()) is not None:
                size += len(piece)
                lines += piece.splitlines()
            more = len(lines) > limit or not rows.ended
        finally:
            await rows.close()
        del lines[limit:]
        offset = wanted.query.offset + len(lines)
        following = (
            f"{here}?{next_query(call.query, limit, offset)}" if more and offset <= OFFSET_MOST else None
        )
        body = b'{"rows":[' + b",".join(lines) + b'],"next":' + orjson.dumps(following) + b"}"
        found = content_range(wanted.query.offset, len(lines), total) if count else ()
        return Answer(200, (("Content-Type", CONTENT_TYPE[JSON]), *_VARY, *found), body, len(lines))

    async def take_place(self, streaming: str | None) -> None:
        """Wait for a place among the statements under way. Raises Refused when none comes free."""
        await self._places.take(self._connection.connect_seconds, streaming)

    def leave_place(self, streaming: str | None) -> None:
        """Give the place back."""
        self._places.leave(streaming)

    async def run(self, work: Callable[[float], T]) -> T:
        """Run `work(deadline)` in a thread; the deadline is of the monotonic clock. Raises Refused."""
        deadline = time.monotonic() + self._connection.total_seconds
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work, deadline)
        except self._errors as wrong:
            log.error("the table of connection %s failed: %s", self._connection.id, type(wrong).__name__)
            raise Refused(no.SOURCE_TIMEOUT if time.monotonic() >= deadline else no.SOURCE_FAILED) from wrong

    def close(self) -> None:
        """Close the pooled connections."""
        self._database.close()


class Rows:
    """The rows of one statement, as pieces of the body."""

    def __init__(self, source: TableSource, reading: Reading, streaming: str | None) -> None:
        """`streaming` is the department that the rows are streamed to; None when they are one page."""
        self._source = source
        self._reading = reading
        self._streaming = streaming
        self._placed = False
        self._work: asyncio.Task[Any] | None = None
        """What a thread does for us, or did last."""
        self._ahead = False
        """Whether that is the next piece, asked for before anybody wanted it."""
        self.ended = False
        self.rows: int | None = 0

    async def count(self) -> int:
        """Return how many rows all pages have together. Raises Refused."""
        return await self._done(await self._begun(self._reading.count))

    async def next(self) -> bytes | None:
        """Return the next rows, and have those behind them read meanwhile. Raises Refused."""
        while not self.ended:
            work = self._work if self._ahead and self._work else await self._begun(self._reading.read)
            piece: Piece = await self._done(work)
            self._ahead = self._streaming is not None and not piece.last
            if self._ahead:
                await self._begun(self._reading.read)
            self.ended = piece.last
            self.rows = (self.rows or 0) + piece.rows
            if piece.data:
                return piece.data
        return None

    async def _begun(self, work: Callable[[float], T]) -> asyncio.Task[T]:
        if not self._placed:
            await self._source.take_place(self._streaming)
            self._placed = True
        begun = self._work = asyncio.ensure_future(self._source.run(work))
        return begun

    async def _done(self, work: asyncio.Task[T]) -> T:
        return await asyncio.shield(work)  # a thread cannot be cancelled: `close` waits for it

    async def close(self) -> None:
        """Give the database connection back, when no thread uses it any more."""
        if not self._placed:
            return
        self._placed = False
        try:
            await self._end_work()
            if not self.ended:  # at its end the reading lets go by itself
                await self._source.run(lambda _: self._reading.close())
        finally:
            self._source.leave_place(self._streaming)

    async def _end_work(self) -> None:
        work, self._work = self._work, None
        if work is None:
            return
        if not work.done():
            await asyncio.get_running_loop().run_in_executor(None, self._reading.interrupt)
        with suppress(Refused):
            await work


def _field(request: Request, name: bytes) -> str:
    return b",".join(request.all(name)).decode("latin-1")


_VARY = (("Vary", "Accept"),)


def _database(connection: Connection) -> tuple[Database, tuple[type[Exception], ...]]:
    """Return a connection's database, and what it raises when it fails."""
    url = make_url(connection.database_url or "")
    if url.get_backend_name() == "sqlite":
        return SqliteDatabase(url.database or ""), (apsw.Error, *_WRITING)
    from psycopg import Error  # workers without such a database do without the driver

    from gateway.from_postgresql import PostgresqlDatabase

    return PostgresqlDatabase(url, connection), (Error, SQLAlchemyError, *_WRITING)


_WRITING = (UnicodeError, OverflowError, msgspec.MsgspecError)
"""What a value raises that no format can hold."""
