"""Tables: rows of a provider's database, read with the granted columns only.

The statement is built from names that the grant and the catalog hold and from bound values; nothing that a
caller wrote becomes SQL. The provider's database is opened for reading only. Reading happens in threads,
one piece at a time and only when the client has taken the one before.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime
from decimal import Decimal
from typing import Any, TypeVar
from urllib.parse import quote

import orjson
from sqlalchemy import (
    BigInteger,
    Boolean,
    Date,
    DateTime,
    Engine,
    Float,
    Numeric,
    Select,
    String,
    and_,
    column,
    create_engine,
    literal,
    make_url,
    select,
    table,
)
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import QueuePool
from sqlalchemy.sql import ColumnElement, quoted_name
from sqlalchemy.types import TypeEngine

from core.settings import Connection
from gateway import objections as no
from gateway.answers import Answer, Stream
from gateway.calls import Call
from gateway.formats import CONTENT_TYPE, CSV, JSON, Encode, choose_format, csv_lines, json_lines
from gateway.model import Permit
from gateway.objections import Refused
from gateway.places import OPEN_MOST, Places
from gateway.rows import (
    OFFSET_MOST,
    PAGE_DEFAULT,
    PAGE_MOST,
    Filter,
    RowQuery,
    Value,
    next_query,
    read_row_query,
    row_filter,
    types_of,
)

ROWS_AT_ONCE = 500
PAGE_BYTES = 8 * 1024 * 1024
"""A page that grows over this ends early and names the next one."""

log = logging.getLogger("shuxiang.plane")
T = TypeVar("T")


# --- the statement --------------------------------------------------------------------------------


def statement(permit: Permit, query: RowQuery, dialect: str, limit: int | None) -> Select[Any]:
    """Return the SELECT of a row query, with the grant's own conditions."""
    schema, _, name = permit.detail["table"].rpartition(".")
    conditions = (*row_filter(permit), *query.filters)
    order = _order(permit, query)
    names = dict.fromkeys((*query.fields, *(c.field for c in conditions), *(n for n, _ in order)))
    # Quoted and qualified: a name the table lacks is an error, never a string (as SQLite would have it).
    columns: list[Any] = [column(quoted_name(n, True)) for n in names]
    source = table(quoted_name(name, True), *columns, schema=quoted_name(schema, True) if schema else None)
    by_name = dict(zip(names, columns, strict=True))
    found = select(*(by_name[n] for n in query.fields)).select_from(source)
    if conditions:
        found = found.where(and_(*(_condition(by_name[c.field], c, dialect) for c in conditions)))
    found = found.order_by(*(by_name[n].desc() if down else by_name[n].asc() for n, down in order))
    return found.limit(limit).offset(query.offset or None)


def _order(permit: Permit, query: RowQuery) -> list[tuple[str, bool]]:
    """What the caller wants, then what makes the order stable from page to page."""
    asked = dict(query.order)
    stable = permit.detail.get("order") or [a["name"] for a in permit.attributes if a.get("primary_key")]
    rest = [name for name in (stable or permit.terms.fields) if name not in asked]
    return [*query.order, *((name, False) for name in rest)]


def _condition(field: ColumnElement[Any], condition: Filter, dialect: str) -> ColumnElement[bool]:
    values = [_bound(v, dialect) for v in condition.values]
    match condition.op:
        case "in":
            return field.in_(values)
        case "null":
            return field.is_(None)
        case "not_null":
            return field.is_not(None)
        case "like":
            return field.like(values[0], escape="!")
        case "ilike":
            return field.ilike(values[0], escape="!")
    return _COMPARE[condition.op](field, values[0])


_COMPARE: dict[str, Callable[[Any, Any], ColumnElement[bool]]] = {
    "eq": lambda a, b: a == b,
    "neq": lambda a, b: a != b,
    "gt": lambda a, b: a > b,
    "gte": lambda a, b: a >= b,
    "lt": lambda a, b: a < b,
    "lte": lambda a, b: a <= b,
}


def _bound(value: Value, dialect: str) -> ColumnElement[Any]:
    if dialect == "sqlite":  # which keeps days and instants as ISO text, and no decimals
        if isinstance(value, date):
            return literal(str(value), String())
        if isinstance(value, Decimal):
            return literal(float(value), Float())
    return literal(value, _type_of(value))


def _type_of(value: Value) -> TypeEngine[Any]:
    match value:
        case bool():
            return Boolean()
        case int():
            return BigInteger()
        case Decimal():
            return Numeric()
        case datetime():
            return DateTime(timezone=value.tzinfo is not None)
        case date():
            return Date()
    return String()


# --- reading --------------------------------------------------------------------------------------


class TableSource:
    """One provider's database, opened for reading only."""

    def __init__(self, connection: Connection, threads: ThreadPoolExecutor) -> None:
        self._connection = connection
        self._threads = threads
        self._places = Places()
        self._engine = _engine(connection)

    def prepare(
        self, permit: Permit, call: Call, accept: str | None, here: str
    ) -> Callable[[], Awaitable[Answer | Stream]]:
        """Read a table call and return what answers it; `here` is the address of the rows. Raises Refused."""
        query = read_row_query(permit, call.query)
        media = choose_format(accept)
        limits = [n for n in (query.limit, permit.terms.row_limit) if n is not None]
        encode = _encoder(permit, query, media)
        if media == JSON:
            limit = min([PAGE_DEFAULT if query.limit is None else PAGE_MOST, *limits])
            page = Rows(self, self._statement(permit, query, limit + 1), encode, None)
            return lambda: self._page(page, call, query, limit, here)
        wanted = self._statement(permit, query, min(limits, default=None))
        rows = Rows(self, wanted, encode, permit.consumer)
        if media == CSV:
            rows.opening = csv_lines(["string"] * len(query.fields))([query.fields])
        return lambda: self._stream(rows, media)

    def _statement(self, permit: Permit, query: RowQuery, limit: int | None) -> Select[Any]:
        return statement(permit, query, self._engine.dialect.name, limit)

    async def _stream(self, rows: Rows, media: str) -> Stream:
        return Stream(200, (("Content-Type", CONTENT_TYPE[media]), _VARY), None, rows)

    async def _page(self, rows: Rows, call: Call, query: RowQuery, limit: int, here: str) -> Answer:
        lines: list[bytes] = []
        size = 0
        try:
            while len(lines) <= limit and size < PAGE_BYTES and (piece := await rows.next()) is not None:
                size += len(piece)
                lines += piece.splitlines()
            more = len(lines) > limit or not rows.ended
        finally:
            await rows.close()
        del lines[limit:]
        offset = query.offset + len(lines)
        following = (
            f"{here}?{next_query(call.query, limit, offset)}" if more and offset <= OFFSET_MOST else None
        )
        body = b'{"rows":[' + b",".join(lines) + b'],"next":' + orjson.dumps(following) + b"}"
        return Answer(200, (("Content-Type", CONTENT_TYPE[JSON]), _VARY), body, len(lines))

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
        except (SQLAlchemyError, sqlite3.Error, UnicodeDecodeError) as wrong:
            log.error("the table of connection %s failed: %s", self._connection.id, type(wrong).__name__)
            raise Refused(no.SOURCE_TIMEOUT if time.monotonic() >= deadline else no.SOURCE_FAILED) from wrong

    def connect(self) -> Any:
        """Return a database connection; call it in a thread."""
        return self._engine.connect()

    def close(self) -> None:
        """Close the pooled connections."""
        self._engine.dispose()


class Rows:
    """The rows of one statement, as encoded pieces."""

    def __init__(
        self, source: TableSource, wanted: Select[Any], encode: Encode, streaming: str | None
    ) -> None:
        """`streaming` is the department that the rows are streamed to; None when they are one page."""
        self._source = source
        self._streaming = streaming
        self._wanted = wanted
        self._encode = encode
        self._connection: Any = None
        self._result: Any = None
        self._placed = False
        self.opening = b""
        self.ended = False
        self.rows: int | None = 0

    async def next(self) -> bytes | None:
        """Return the next rows. Raises Refused."""
        if self.ended:
            return None
        if not self._placed:
            await self._source.take_place(self._streaming)
            self._placed = True
        piece = await self._source.run(self._read)
        piece, self.opening = self.opening + piece, b""
        return piece or None

    def _read(self, deadline: float) -> bytes:
        if self._result is None:
            self._connection = self._source.connect()
            self._bound(deadline)
            streamed = self._connection.execution_options(stream_results=True, max_row_buffer=ROWS_AT_ONCE)
            self._result = streamed.execute(self._wanted)
        self._bound(deadline)
        rows = self._result.fetchmany(ROWS_AT_ONCE)
        if len(rows) < ROWS_AT_ONCE:
            self.ended = True
            self._let_go(deadline)
        self.rows = (self.rows or 0) + len(rows)
        return self._encode(rows)

    def _bound(self, deadline: float) -> None:
        raw = self._connection.connection.dbapi_connection
        if isinstance(raw, sqlite3.Connection):  # PostgreSQL has its statement_timeout
            raw.set_progress_handler(lambda: time.monotonic() > deadline, 10_000)

    async def close(self) -> None:
        """Give the database connection back."""
        if not self._placed:
            return
        self._placed = False
        try:
            if self._connection is not None:
                await self._source.run(self._let_go)
        finally:
            self._source.leave_place(self._streaming)

    def _let_go(self, _deadline: float) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


def _encoder(permit: Permit, query: RowQuery, media: str) -> Encode:
    types = types_of(permit, query.fields)
    return csv_lines(types) if media == CSV else json_lines(query.fields, types)


_VARY = ("Vary", "Accept")


# --- opening the provider's database --------------------------------------------------------------


def _engine(connection: Connection) -> Engine:
    url = make_url(connection.database_url or "")
    pool: dict[str, Any] = {"poolclass": QueuePool, "pool_size": OPEN_MOST, "max_overflow": 0}
    if url.get_backend_name() == "sqlite":
        return create_engine(url, creator=lambda: _open_sqlite(url.database or ""), **pool)
    seconds = connection.total_seconds
    options = f"-c default_transaction_read_only=on -c statement_timeout={int(seconds * 1000)}"
    return create_engine(
        url,
        pool_pre_ping=True,
        connect_args={"options": options, "connect_timeout": max(2, int(connection.connect_seconds))},
        **pool,
    )


def _open_sqlite(path: str) -> sqlite3.Connection:
    opened = sqlite3.connect(f"file:{quote(path)}?mode=ro", uri=True, check_same_thread=False, timeout=5)
    opened.execute("PRAGMA query_only=ON")
    opened.execute("PRAGMA trusted_schema=OFF")
    return opened
