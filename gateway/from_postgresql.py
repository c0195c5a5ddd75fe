"""A provider's PostgreSQL database, read for table calls.

CSV is written by the server itself (COPY) and passed on; everything else is read through a cursor of the
server, in binary where every type of the answer has such a form, and written down as rows of SQLite are.
"""

from __future__ import annotations

import select
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import psycopg
from psycopg import pq
from sqlalchemy import Engine, Text, case, cast, create_engine, false, func, literal_column
from sqlalchemy.dialects.postgresql import psycopg as sqlalchemy_psycopg
from sqlalchemy.engine import URL, Dialect
from sqlalchemy.pool import QueuePool
from sqlalchemy.sql import ColumnElement

from core.settings import Connection
from gateway.formats import ARROW, CSV, PARQUET, Encoder, JsonLines, csv_line, plain
from gateway.places import OPEN_MOST
from gateway.readings import PIECE_BYTES, Encoded, Piece
from gateway.statements import Wanted, compiled, count_of, rows_of

DIALECT: Dialect = sqlalchemy_psycopg.dialect()  # type: ignore[no-untyped-call]
STREAM_MILLISECONDS = 3_600_000
"""What a COPY may take as a whole, at the pace of whoever reads it; each piece has its own deadline."""
_NETWORK = {
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 2,
    "tcp_user_timeout": 10_000,
}
"""When a server that has vanished is given up: nobody is left there to end a statement in time."""


def _oids(*names: str) -> frozenset[int]:
    return frozenset(psycopg.postgres.types[name].oid for name in names)


_BOOLEAN, _JSON, _BYTES = _oids("bool"), _oids("json", "jsonb"), _oids("bytea")
_INTEGER = _oids("int2", "int4", "int8")
_NUMERIC, _FLOAT = _oids("numeric"), _oids("float4", "float8")
_LOCAL, _INSTANT = _oids("timestamp"), _oids("timestamptz")
_OTHERS = _oids("float8", "text", "varchar", "bpchar", "name", "date", "uuid")
_AS_IT_IS = _BOOLEAN | _INTEGER | _JSON | _LOCAL | _OTHERS
_BINARY = _AS_IT_IS | _NUMERIC | _INSTANT | _BYTES
"""Types whose binary form the driver reads as the value that the text form stands for, unlike float4."""


class PostgresqlDatabase:
    """One database and its connections."""

    dialect = DIALECT

    def __init__(self, url: URL, connection: Connection) -> None:
        seconds = connection.total_seconds
        options = (
            f"-c default_transaction_read_only=on -c statement_timeout={int(seconds * 1000)} "
            "-c datestyle=ISO -c intervalstyle=postgres -c extra_float_digits=1"
        )
        self._engine: Engine = create_engine(
            url.set(drivername="postgresql+psycopg"),
            poolclass=QueuePool,
            pool_size=OPEN_MOST,
            max_overflow=0,
            pool_pre_ping=True,
            connect_args={
                **_NETWORK,
                "options": options,
                "connect_timeout": max(2, int(connection.connect_seconds)),
                "client_encoding": "UTF8",
            },
        )

    def taken(self) -> Any:
        """Return a pooled connection."""
        return self._engine.raw_connection()

    def reading(self, wanted: Wanted, media: str) -> PostgresqlReading:
        """Return a reading of the rows in a format."""
        return (CopyReading if media == CSV else CursorReading)(self, wanted, media)

    def close(self) -> None:
        """Close the idle connections."""
        self._engine.dispose()


class PostgresqlReading:
    """One transaction on a database."""

    def __init__(self, database: PostgresqlDatabase, wanted: Wanted, media: str) -> None:
        self._database = database
        self._wanted = wanted
        self._media = media
        self._pooled: Any = None
        self._raw: psycopg.Connection[Any] | None = None
        self._ours = threading.Lock()
        """Held while the statement is cancelled or given up: the next call's must not be hit."""

    def count(self, deadline: float) -> int:
        """Count the rows; every statement of the transaction sees the same ones."""
        raw = self._connected()
        raw.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        found = raw.execute(*_sent(count_of(self._wanted, DIALECT))).fetchone()
        return int(found[0]) if found else 0

    def read(self, deadline: float) -> Piece:
        """Return the next piece. Raises psycopg.Error, Refused."""
        raise NotImplementedError

    def _connected(self) -> psycopg.Connection[Any]:
        if self._raw is None:
            self._pooled = self._database.taken()
            self._raw = self._pooled.driver_connection
        return self._raw

    def _types(self, raw: psycopg.Connection[Any]) -> list[int]:
        """Return the database's types of the answer's columns; the rows of none are looked at."""
        none = rows_of(self._wanted, DIALECT).limit(None).offset(None).order_by(None).where(false())
        description = raw.execute(*_sent(none)).description or []
        return [described.type_code for described in description]

    def interrupt(self) -> None:
        """Ask the server to end the statement."""
        with self._ours, suppress(psycopg.Error):
            if self._raw is not None:
                self._raw.cancel_safe(timeout=5)

    def close(self) -> None:
        """Give the connection back, its transaction rolled back."""
        with self._ours:
            pooled, self._pooled, self._raw = self._pooled, None, None
        if pooled is not None:
            pooled.close()


def _sent(statement: Any) -> tuple[Any, dict[str, Any]]:
    return compiled(statement, DIALECT)


# --- through a cursor -----------------------------------------------------------------------------


class CursorReading(PostgresqlReading):
    """Rows through a cursor of the server."""

    _cursor: psycopg.ServerCursor[Any] | None = None
    _encoded: Encoded | None = None

    def read(self, deadline: float) -> Piece:
        """Return the next piece. Raises psycopg.Error, Refused."""
        if self._cursor is None or self._encoded is None:
            raw = self._connected()
            types = self._types(raw)
            self._cursor = raw.cursor("share", binary=_BINARY.issuperset(types))
            self._cursor.execute(*_sent(rows_of(self._wanted, DIALECT)))
            self._encoded = Encoded(_encoder(self._wanted, self._media, types))
        piece = self._encoded.piece(self._cursor.fetchmany)
        if piece.last:
            self.close()
        return piece

    def close(self) -> None:
        """Close the cursor, and give the connection back."""
        cursor, self._cursor = self._cursor, None
        if cursor is not None:
            with suppress(psycopg.Error):
                cursor.close()
        super().close()


def _encoder(wanted: Wanted, media: str, types: list[int]) -> Encoder:
    if media in (ARROW, PARQUET):
        from gateway.columns import INSTANT, ColumnFile

        kinds = [
            INSTANT if kind == "datetime" and oid in _INSTANT else kind
            for kind, oid in zip(wanted.types, types, strict=True)
        ]
        return ColumnFile(media, wanted.fields, kinds)
    found = [_converter(kind, oid) for kind, oid in zip(wanted.types, types, strict=True)]
    return JsonLines(wanted.fields, {i: convert for i, convert in enumerate(found) if convert is not None})


def _converter(kind: str, oid: int) -> Callable[[Any], Any] | None:
    if kind == "boolean" and oid not in _BOOLEAN:
        return bool
    return None if oid in _AS_IT_IS else _other


def _other(value: Any) -> Any:
    """Return a value of a type that the encoder has no form of its own for."""
    return value if isinstance(value, str | int | float | dict | list) else plain(value)


# --- through COPY ---------------------------------------------------------------------------------


class CopyReading(PostgresqlReading):
    """CSV as the server writes it."""

    _copying = False

    def read(self, deadline: float) -> Piece:
        """Return the next piece. Raises psycopg.Error."""
        raw = self._connected()
        parts: list[bytes] = []
        if not self._copying:
            self._begin(raw, deadline)
            parts.append(csv_line(self._wanted.fields))
        lines, last = _copied(raw.pgconn, deadline)
        if len(self._wanted.fields) == 1:  # a line with nothing in it would be no row to most readers
            lines = [line or b'""' for line in lines]
        if lines:
            parts.append(b"\r\n".join(lines) + b"\r\n")
        if last:
            self._copying = False
            self.close()
        return Piece(b"".join(parts), len(lines), last)

    def _begin(self, raw: psycopg.Connection[Any], deadline: float) -> None:
        types = self._types(raw)
        kinds = self._wanted.types
        rows = rows_of(self._wanted, DIALECT, lambda i, field: _as_csv(field, kinds[i], types[i]))
        statement = psycopg.ClientCursor(raw).mogrify(*_sent(rows))
        raw.execute(f"SET LOCAL statement_timeout = {STREAM_MILLISECONDS}")
        self._copying = True
        raw.pgconn.send_query(f"COPY ({statement}) TO STDOUT (FORMAT csv)".encode())
        while raw.pgconn.is_busy():
            _wait(raw.pgconn, deadline)
        found = raw.pgconn.get_result()
        if found is None or found.status != pq.ExecStatus.COPY_OUT:
            raise psycopg.OperationalError if found is None else psycopg.errors.error_from_result(found)

    def close(self) -> None:
        """Give the connection back; one in the middle of a COPY is closed."""
        if self._copying and self._pooled is not None:
            self._copying = False
            self.interrupt()
            self._pooled.invalidate()
        super().close()


def _copied(connection: Any, deadline: float) -> tuple[list[bytes], bool]:
    """Return the next lines of a COPY, about a piece of them, and whether they are the last."""
    lines: list[bytes] = []
    size = 0
    while size < PIECE_BYTES:
        length, line = connection.get_copy_data(1)
        if length > 0:
            lines.append(bytes(line[:-1]))
            size += length
        elif length < 0:
            _ended(connection)
            return lines, True
        else:
            _wait(connection, deadline)
    return lines, False


def _wait(connection: Any, deadline: float) -> None:
    """Wait until the server has sent something. Raises psycopg.Error when it has not in time."""
    waiting = select.poll()
    waiting.register(connection.socket, select.POLLIN)
    left = max(0.0, deadline - time.monotonic())
    if not waiting.poll(left * 1000):
        raise psycopg.errors.QueryCanceled("the server has sent nothing in time")
    connection.consume_input()


def _ended(connection: Any) -> None:
    """Take the results behind a COPY. Raises psycopg.Error when it has failed."""
    while (result := connection.get_result()) is not None:
        if result.status != pq.ExecStatus.COMMAND_OK:
            raise psycopg.errors.error_from_result(result)


def _as_csv(field: ColumnElement[Any], kind: str, oid: int) -> ColumnElement[Any]:
    """Return a column as the text that the other formats have for its values."""
    if oid in _BOOLEAN:
        return cast(field, Text)
    if kind == "boolean" and oid in _INTEGER:
        return cast(field != 0, Text)
    if oid in _NUMERIC | _FLOAT:
        return case((field - field == 0, field))  # not for what is not finite
    if oid in _LOCAL:
        return func.replace(cast(field, Text), " ", "T")
    if oid in _INSTANT:
        return func.to_json(field).op("#>>")(literal_column("'{}'"))
    if oid in _BYTES:
        return func.translate(func.encode(field, "base64"), "\n", "")
    return cast(func.to_json(field), Text) if oid in _ARRAYS else field


_ARRAYS = frozenset(found.array_oid for found in psycopg.postgres.types if found.array_oid)
