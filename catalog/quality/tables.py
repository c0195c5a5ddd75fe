"""Reads a provider's table over a read-only connection: each row, the dictionary's columns only, as texts."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection as Session
from sqlalchemy import Select, String, cast, column, inspect, select, table
from sqlalchemy.exc import ArgumentError, NoSuchTableError, SQLAlchemyError
from sqlalchemy.sql import quoted_name

from catalog.quality.sources import PIECE, Piece, Source, Unreadable, pieces_of
from catalog.selfcheck.tables import open_read_only
from core.settings import Connection


def table_source(
    connection: Connection, detail: Mapping[str, Any], names: Sequence[str], deadline: float
) -> Source:
    """Return a provider's table as a source; it is looked at now and read as its pieces are taken.

    `deadline` (monotonic) ends a statement that does not end by itself.
    """
    source = Source(detail["table"], ())
    try:
        with open_read_only(connection).connect() as session:
            present = _columns(session, detail["table"])
    except (SQLAlchemyError, ArgumentError, ImportError, OSError) as wrong:
        source.fault = _reason(wrong).reason
        return source
    source.columns = tuple(i for i, name in enumerate(names) if name in present)
    wanted = _statement(detail["table"], [names[i] for i in source.columns])
    source.pieces = _pieces(connection, wanted, source.columns, deadline)
    return source


def _columns(session: Session, name: str) -> set[str]:
    schema, _, bare = name.rpartition(".")
    return {c["name"] for c in inspect(session).get_columns(bare, schema=schema or None)}


def _statement(name: str, names: Sequence[str]) -> Select[Any]:
    """Return the SELECT: every name quoted, every value as text."""
    schema, _, bare = name.rpartition(".")
    columns: list[Any] = [column(quoted_name(n, True)) for n in names]
    source = table(quoted_name(bare, True), *columns, schema=quoted_name(schema, True) if schema else None)
    texts: list[Any] = [cast(c, String) for c in columns]
    return select(*texts).select_from(source)


def _pieces(
    connection: Connection, wanted: Select[Any], columns: Sequence[int], deadline: float
) -> Iterator[Piece]:
    try:
        with open_read_only(connection).connect() as session:
            _bound(session, deadline)
            streamed = session.execution_options(stream_results=True, max_row_buffer=PIECE)
            if columns:
                yield from pieces_of(streamed.execute(wanted).yield_per(PIECE), columns)
    except (SQLAlchemyError, sqlite3.Error, OSError, UnicodeDecodeError) as wrong:
        raise _reason(wrong) from None  # what the driver says may quote the row


def _bound(session: Session, deadline: float) -> None:
    raw = session.connection.dbapi_connection
    if isinstance(raw, sqlite3.Connection):  # PostgreSQL has its statement_timeout
        raw.set_progress_handler(lambda: time.monotonic() > deadline, 100_000)


def _reason(wrong: Exception) -> Unreadable:
    if isinstance(wrong, NoSuchTableError):
        return Unreadable("没有这个表", "there is no such table")
    reason = type(getattr(wrong, "orig", None) or wrong).__name__
    return Unreadable(f"数据库无法连接或读取（{reason}）", f"the database does not open or answer ({reason})")
