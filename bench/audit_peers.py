"""What others take for the same: SQLite and PostgreSQL with an index for each filter, pymerkle for proofs.

Both databases get the rows of the log's own blocks, with indexes on (column, id) so that the newest records
of a value are at hand.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from audit.columns.blocks import chosen
from audit.columns.footers import sound
from audit.state import load_state
from bench.machine import Unfit
from bench.postgresql import binaries, server

INDEXED = ("client", "consumer", "provider", "dataset", "decision", "grant", "operation", "subject")
_LEFT_OUT = ["erased", "offset", "length"]

_INDEXES = (
    "CREATE UNIQUE INDEX by_id ON records (id)",
    *(f'CREATE INDEX by_{name} ON records ("{name}", id)' for name in INDEXED),
)

_TUNED = ("shared_buffers=2GB", "max_wal_size=8GB", "maintenance_work_mem=512MB")
"""As one would for this machine."""

Ask = Callable[[str, Sequence[Any]], int]
"""Run a statement and return how many rows came back."""


def tables_of(folder: Path) -> Iterator[pa.Table]:
    """Yield the rows of a log's blocks, a row group at a time."""
    for block in chosen(sound(folder), load_state(folder).size):
        with pq.ParquetFile(block.path(folder)) as file:
            for i in range(file.num_row_groups):
                yield file.read_row_group(i).drop_columns(_LEFT_OUT)


def search_of(filters: Mapping[str, str], first: str, before: str) -> tuple[str, list[str]]:
    """Return the search for the newest 50 records, with `$1`, `$2`, ... for its parameters."""
    values = [first, before]
    terms = ["id >= $1", "id < $2"]
    for name, value in filters.items():
        values.append(value)
        at = f"${len(values)}"
        parties = f"(consumer = {at} OR provider = {at} OR department = {at})"
        terms.append(parties if name == "department" else f'"{name}" = {at}')
    return f"SELECT * FROM records WHERE {' AND '.join(terms)} ORDER BY id DESC LIMIT 50", values


@contextmanager
def sqlite(folder: Path, log: Path) -> Iterator[tuple[Ask, float, int]]:
    """Yield a way to ask SQLite, the seconds that loading took, and the bytes on disk."""
    import sqlite3

    import adbc_driver_sqlite.dbapi as adbc

    path = folder / "records.sqlite"
    began = time.perf_counter()
    with adbc.connect(str(path)) as connection, connection.cursor() as cursor:
        for i, table in enumerate(tables_of(log)):
            at = table.column("at").cast(pa.int64())
            table = table.set_column(table.schema.names.index("at"), "at", at)
            cursor.adbc_ingest("records", table, mode="create" if i == 0 else "append")
        connection.commit()
    database = sqlite3.connect(path)
    for statement in _INDEXES:
        database.execute(statement)
    database.execute("ANALYZE")
    database.commit()
    took = time.perf_counter() - began

    def ask(sql: str, values: Sequence[Any]) -> int:
        named = {str(i): value for i, value in enumerate(values, 1)}
        return len(database.execute(sql, named).fetchall())

    yield ask, took, path.stat().st_size
    database.close()
    path.unlink()


@contextmanager
def postgresql(folder: Path, log: Path) -> Iterator[tuple[Ask, float, int]]:
    """Yield a way to ask PostgreSQL, the seconds that loading took, and the bytes on disk."""
    import adbc_driver_postgresql.dbapi as adbc

    programs = binaries()
    if programs is None:
        raise Unfit("PostgreSQL is not installed")
    with (
        server(folder / "postgresql", programs, _TUNED) as uri,
        adbc.connect(uri, autocommit=True) as connection,
    ):
        began = time.perf_counter()
        with connection.cursor() as cursor:
            for i, table in enumerate(tables_of(log)):
                cursor.adbc_ingest("records", table, mode="create" if i == 0 else "append")
            for statement in (*_INDEXES, "ANALYZE records"):
                cursor.execute(statement)
            took = time.perf_counter() - began
            cursor.execute("SELECT pg_total_relation_size('records')")
            size = int((cursor.fetchone() or (0,))[0])

        def ask(sql: str, values: Sequence[Any]) -> int:
            with connection.cursor() as cursor:
                cursor.execute(sql, values)
                return len(cursor.fetchall())

        yield ask, took, size


def merkle(entries: Sequence[bytes]) -> tuple[float, float]:
    """Return how many entries a second pymerkle takes in, and the milliseconds of a proof of inclusion."""
    from pymerkle import InmemoryTree

    tree = InmemoryTree(algorithm="sha256")
    began = time.perf_counter()
    for entry in entries:
        tree.append_entry(entry)
    rate = len(entries) / (time.perf_counter() - began)
    began, times = time.perf_counter(), 5
    for i in range(times):
        tree.prove_inclusion(1 + i * (len(entries) // times))
    return rate, (time.perf_counter() - began) / times * 1000
