"""A provider's SQLite file, read for table calls."""

from __future__ import annotations

import threading
import time
from collections import deque
from contextlib import suppress
from itertools import islice
from typing import Any

import apsw
from sqlalchemy import String, func, literal
from sqlalchemy.dialects import sqlite
from sqlalchemy.sql import ColumnElement

from gateway.formats import ARROW, CSV, NULL, PARQUET, Converters, CsvLines, Encoder, JsonLines
from gateway.readings import Encoded, Piece
from gateway.statements import Wanted, compiled, count_of, rows_of

DIALECT = sqlite.dialect(paramstyle="named")
BUSY_MILLISECONDS = 5000
STEPS = 10_000
"""Virtual machine instructions between two looks at the clock."""


_FLAGS = apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_NOMUTEX
"""Without a lock for each value, which took a fifth of the time: one thread at a time uses a connection."""


class SqliteDatabase:
    """One file and its idle connections."""

    dialect = DIALECT

    def __init__(self, path: str) -> None:
        self._path = path
        self._idle: deque[apsw.Connection] = deque()

    def taken(self) -> apsw.Connection:
        """Return a connection that nobody else uses; give it back or close it."""
        with suppress(IndexError):
            return self._idle.pop()
        opened = apsw.Connection(self._path, flags=_FLAGS)
        opened.set_busy_timeout(BUSY_MILLISECONDS)
        opened.execute("PRAGMA query_only=ON")
        opened.execute("PRAGMA trusted_schema=OFF")
        return opened

    def give_back(self, connection: apsw.Connection) -> None:
        """Keep a connection, without a statement under way, for the next."""
        self._idle.append(connection)

    def reading(self, wanted: Wanted, media: str) -> SqliteReading:
        """Return a reading of the rows in a format."""
        return SqliteReading(self, wanted, media)

    def close(self) -> None:
        """Close the idle connections."""
        while self._idle:
            self._idle.pop().close()


class SqliteReading:
    """One statement on a file."""

    def __init__(self, database: SqliteDatabase, wanted: Wanted, media: str) -> None:
        self._database = database
        self._wanted = wanted
        self._media = media
        self._connection: apsw.Connection | None = None
        self._cursor: apsw.Cursor | None = None
        self._encoded: Encoded | None = None
        self._ours = threading.Lock()
        """Held while the connection is interrupted or given back: it must not be somebody else's by then."""

    def count(self, deadline: float) -> int:
        """Count the rows, in the transaction that the rows are read in."""
        connection = self._connected(deadline)
        connection.execute("BEGIN")
        ((number,),) = connection.execute(*compiled(count_of(self._wanted, DIALECT), DIALECT))
        return int(number)

    def read(self, deadline: float) -> Piece:
        """Return the next piece. Raises apsw.Error, UnicodeDecodeError for a text that is none, Refused."""
        connection = self._connected(deadline)
        if self._cursor is None or self._encoded is None:
            project = _or_null if self._media == CSV else _as_it_is
            statement = rows_of(self._wanted, DIALECT, project)
            self._cursor = connection.execute(*compiled(statement, DIALECT))
            self._encoded = Encoded(encoder(self._wanted, self._media))
        cursor = self._cursor
        piece = self._encoded.piece(lambda most: list(islice(cursor, most)))
        if piece.last:
            self.close()
        return piece

    def _connected(self, deadline: float) -> apsw.Connection:
        if self._connection is None:
            self._connection = self._database.taken()
        self._connection.set_progress_handler(lambda: time.monotonic() > deadline, STEPS)
        return self._connection

    def interrupt(self) -> None:
        """Interrupt the statement."""
        with self._ours:
            if self._connection is not None:
                self._connection.interrupt()

    def close(self) -> None:
        """End the statement and its transaction."""
        with self._ours:
            connection, self._connection = self._connection, None
        if connection is None:
            return
        if self._cursor is not None:
            self._cursor.close(True)
        if connection.in_transaction:
            connection.set_progress_handler(None)
            connection.execute("ROLLBACK")
        self._database.give_back(connection)


def _as_it_is(_: int, field: ColumnElement[Any]) -> ColumnElement[Any]:
    return field


def _or_null(_: int, field: ColumnElement[Any]) -> ColumnElement[Any]:
    return func.coalesce(field, literal(NULL, String()))


def encoder(wanted: Wanted, media: str) -> Encoder:
    """Return what writes the rows of a file in a format."""
    if media in (ARROW, PARQUET):
        from gateway.columns import ColumnFile

        return ColumnFile(media, wanted.fields, wanted.types)
    converters: Converters = {i: bool for i, kind in enumerate(wanted.types) if kind == "boolean"}
    return CsvLines(wanted.fields, converters) if media == CSV else JsonLines(wanted.fields, converters)
