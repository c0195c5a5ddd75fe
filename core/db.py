"""The database: one place that opens it, begins transactions and pages through results.

SQLite runs in WAL mode with ``synchronous=FULL``; a writing transaction takes the write lock at BEGIN, so
two of them never meet a deadlock halfway; a reading one takes none. The writers of one process queue up, and
each is woken as soon as it is its turn: SQLite would let them sleep and try again, longer and longer.
How PostgreSQL is spoken to is told in `core/postgresql.py`.
"""

from __future__ import annotations

import base64
import binascii
import json
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Any, NamedTuple, cast

import orjson
from sqlalchemy import (
    JSON,
    Connection,
    Dialect,
    Engine,
    MetaData,
    Select,
    String,
    TypeDecorator,
    and_,
    create_engine,
    event,
    inspect,
    or_,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.sql import ColumnElement
from sqlalchemy.types import NullType

from core.errors import no_cursor
from core.postgresql import Turn, open_engine, parse_url

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(column_0_label)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

Document = JSON().with_variant(JSONB(), "postgresql")
"""A column that holds a JSON document."""


class Instant(TypeDecorator[datetime]):
    """An aware datetime, kept as UTC text of fixed width, which sorts and reads alike in any database."""

    impl = String(27)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> str | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("an instant needs a time zone")
        return value.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")

    def process_result_value(self, value: str | None, dialect: Dialect) -> datetime | None:
        return None if value is None else datetime.fromisoformat(value)


WAIT_SECONDS = 15
"""How long a writer waits for the others before it is refused."""


class Database:
    """An engine and its two kinds of transaction."""

    def __init__(self, url: str) -> None:
        """Open `url` (SQLAlchemy form). A SQLite file is created on first use, its folder is not."""
        parsed = parse_url(url)
        self.name = parsed.render_as_string(hide_password=True)
        """The address without its password, for people to read."""
        self.is_shared = parsed.get_backend_name() != "sqlite"
        """Whether processes of other hosts may use it as well."""
        self.engine = open_engine(parsed, _JSON) if self.is_shared else _engine(url)

    @contextmanager
    def begin(self, turn: Turn = Turn.ALONE) -> Iterator[Connection]:
        """Yield a writing transaction: committed at the end, rolled back on any exception.

        What was handed to `on_commit` meanwhile runs right after the commit, before this returns. `turn` says
        whom it may run beside on PostgreSQL; on SQLite a writer is always alone.
        """
        with self._transaction(write=True, turn=turn) as tx:
            yield tx

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Yield a reading transaction, which sees one state of the database and never waits for a writer.

        What was handed to `on_commit` meanwhile runs after it, as with `begin`.
        """
        with self._transaction(write=False) as tx:
            yield tx

    @contextmanager
    def _transaction(self, write: bool, turn: Turn = Turn.ALONE) -> Iterator[Connection]:
        with self.engine.connect() as tx:
            tx.info.pop("on_commit", None)
            tx = tx.execution_options(shuxiang_write=write, shuxiang_turn=turn)
            with tx.begin():
                yield tx
            actions = tx.info.pop("on_commit", ())
        for action in actions:  # what needs a connection as well does not wait for another beside this one
            action()

    def close(self) -> None:
        """Close the pooled connections."""
        self.engine.dispose()


def on_commit(tx: Connection, action: Callable[[], None]) -> None:
    """Run `action` once the transaction is durable; forget it when the transaction rolls back."""
    tx.info.setdefault("on_commit", []).append(action)


def _json(document: Any) -> str:
    return orjson.dumps(document).decode()


_JSON: dict[str, Any] = {"json_serializer": _json, "json_deserializer": orjson.loads}


class _Connection(sqlite3.Connection):
    """A connection to SQLite that keeps its turn to write until the end of the transaction."""

    turn: threading.Lock | None = None

    def commit(self) -> None:
        super().commit()
        self._pass_on()

    def rollback(self) -> None:
        try:
            super().rollback()
        finally:
            self._pass_on()

    def _pass_on(self) -> None:
        if self.turn is not None:
            turn, self.turn = self.turn, None
            turn.release()


def _engine(url: str) -> Engine:
    # SQLAlchemy begins the transactions itself (isolation_level None), see _begin.
    options = {"timeout": WAIT_SECONDS, "isolation_level": None, "factory": _Connection}
    engine = create_engine(url, connect_args=options, **_JSON)
    turn = threading.Lock()

    @event.listens_for(engine, "connect")
    def _connect(dbapi: Any, _record: Any) -> None:
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "trusted_schema=OFF"):
            dbapi.execute(f"PRAGMA {pragma}").close()

    @event.listens_for(engine, "begin")
    def _begin(tx: Connection) -> None:
        if not tx.get_execution_options().get("shuxiang_write", True):
            tx.exec_driver_sql("BEGIN")
            return
        if turn.acquire(timeout=WAIT_SECONDS):  # else SQLite itself says that somebody holds on
            cast(_Connection, tx.connection.driver_connection).turn = turn
        try:
            tx.exec_driver_sql("BEGIN IMMEDIATE")
        except BaseException:
            tx.connection.rollback()
            raise

    return engine


# --- paging ---------------------------------------------------------------------------------------


class Page(NamedTuple):
    """One page of rows and the cursor of the next page (None at the end)."""

    rows: Sequence[Any]
    next_cursor: str | None


def page(
    tx: Connection,
    query: Select[Any],
    keys: Sequence[ColumnElement[Any]],
    *,
    limit: int,
    cursor: str | None = None,
    descending: bool = True,
) -> Page:
    """Return one page of `query`, ordered by `keys` (the last of them unique), by key, never by offset.

    Every key must be a labelled column of the query. A cursor that this function did not make is refused.
    """
    if cursor is not None:
        query = query.where(_after(keys, _decode_cursor(cursor, len(keys)), descending))
    ordered = query.order_by(*(k.desc() if descending else k.asc() for k in keys)).limit(limit + 1)
    rows = tx.execute(ordered).all()
    if len(rows) <= limit:
        return Page(rows, None)
    last = rows[limit - 1]._mapping
    return Page(rows[:limit], _encode_cursor([last[k] for k in keys]))


def _after(keys: Sequence[ColumnElement[Any]], values: list[Any], descending: bool) -> ColumnElement[bool]:
    read = [_read(key, value) for key, value in zip(keys, values, strict=True)]
    steps = []
    for i, key in enumerate(keys):
        beyond = key < read[i] if descending else key > read[i]
        steps.append(and_(*(k == v for k, v in zip(keys[:i], read[:i], strict=True)), beyond))
    return or_(*steps)


def _read(key: ColumnElement[Any], value: Any) -> Any:
    """Return a cursor's value as its column compares it; a cursor of another list has other types."""
    if isinstance(key.type, Instant):
        with suppress(TypeError, ValueError):
            return datetime.fromisoformat(value).astimezone(UTC)
    elif isinstance(key.type, NullType) or isinstance(value, str) == isinstance(key.type, String):
        return value
    raise no_cursor()


def _encode_cursor(values: list[Any]) -> str:
    plain = [v.isoformat() if isinstance(v, datetime) else v for v in values]
    return base64.urlsafe_b64encode(json.dumps(plain).encode()).decode().rstrip("=")


def _decode_cursor(cursor: str, size: int) -> list[Any]:
    try:
        values = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        if not isinstance(values, list) or len(values) != size:
            raise ValueError
        if not all(isinstance(v, str | int | float) for v in values):
            raise ValueError
    except (ValueError, binascii.Error) as wrong:
        raise no_cursor() from wrong
    return values


# --- schema ---------------------------------------------------------------------------------------


def schema_revision(tx: Connection) -> str | None:
    """Return the migration that the database stands at, or None when it has not been migrated."""
    if not inspect(tx).has_table("alembic_version"):
        return None
    return tx.execute(text("SELECT version_num FROM alembic_version")).scalar()
