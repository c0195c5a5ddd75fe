"""DuckDB over the blocks and the hot tail: what is asked in SQL of the table `records`.

A process has one DuckDB for each log, and each question a cursor of its own, so threads ask at the same
time. It opens no file but the blocks and its own temporary ones: extensions and every other path are shut
off and its settings locked before the first question. Memory is bounded; what does not fit lies in a folder
of the log's own.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import duckdb
import pyarrow as pa
from sqlalchemy import Connection

from audit.columns.blocks import FOLDER, Block
from audit.columns.tail import Snapshot, take
from core.errors import Unavailable
from core.settings import Settings

THREADS = 2
SECONDS = 60.0
"""How long one question may take."""
_TRIES = 5
_SPILL = ".spill"
Given = Mapping[str, pa.Table]
"""Small tables that a question joins the log with, by name."""
NOTHING: Given = {}


T = TypeVar("T")


class Lost(Exception):
    """A block was not there any more: sixteen became one meanwhile, or it was made again."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The rows of an answer, and what of the log it was asked of."""

    rows: pa.Table
    snapshot: Snapshot


class Engine:
    """Answers questions to one log."""

    def __init__(self, folder: Path, memory_mb: int) -> None:
        """`folder` is the audit folder, `memory_mb` what all questions together may hold."""
        self.folder = folder
        columns = folder / FOLDER
        (columns / _SPILL).mkdir(mode=0o700, parents=True, exist_ok=True)
        self._database = duckdb.connect(":memory:", config=_settings(memory_mb))
        for statement in (
            "SET parquet_metadata_cache = true",
            f"SET temp_directory = {_literal(columns / _SPILL)}",
            f"SET allowed_directories = [{_literal(columns)}]",
            "SET enable_external_access = false",
            "SET lock_configuration = true",
        ):
            self._database.execute(statement)

    def close(self) -> None:
        """Let go of memory and temporary files."""
        self._database.close()

    def run(
        self, question: Any, tx: Connection | None = None, *, given: Given = NOTHING, seconds: float = SECONDS
    ) -> pa.Table:
        """Answer SQL, or an Ibis expression over the unbound table `records`.

        Sees every record that is durable; those in the outbox as `tx` sees it; and the tables that are
        `given` beside it. Raises Unavailable when the question takes too much time or memory, or while most
        of the log lies in no block.
        """
        return self.ask(question, tx, given=given, seconds=seconds).rows

    def ask(
        self, question: Any, tx: Connection | None = None, *, given: Given = NOTHING, seconds: float = SECONDS
    ) -> Answer:
        """As `run`, together with the snapshot of the log that was asked."""
        sql = question if isinstance(question, str) else _compiled(question)

        def answer(snapshot: Snapshot) -> Answer:
            return Answer(self.select(sql, snapshot, given=given, seconds=seconds), snapshot)

        return self.attempt(tx, answer)

    def attempt(self, tx: Connection | None, work: Callable[[Snapshot], T]) -> T:
        """Do `work` over a snapshot of the log, anew when a block was replaced by a larger one meanwhile."""
        for _ in range(_TRIES):
            with suppress(Lost, FileNotFoundError):
                return work(take(self.folder, tx))
        raise Unavailable("日志的列文件无法读取", "the blocks of the log cannot be read")

    def select(
        self,
        sql: str,
        snapshot: Snapshot,
        values: Sequence[Any] = (),
        *,
        given: Given = NOTHING,
        seconds: float = SECONDS,
    ) -> pa.Table:
        """Answer SQL with `values` for its parameters over a snapshot.

        Raises Unavailable as `run` does, and Lost when a block is not there any more.
        """
        with closing(self._database.cursor()) as cursor, _within(cursor, seconds):
            for name, table in {**given, "hot": snapshot.hot}.items():
                cursor.register(name, table)
            cursor.execute(f"CREATE TEMP VIEW records AS {_union(self.folder, snapshot.blocks)}")
            return cursor.sql(sql, params=list(values) or None).to_arrow_table()


def _union(folder: Path, blocks: tuple[Block, ...]) -> str:
    tail = "SELECT * FROM hot"
    if not blocks:
        return tail
    files = ", ".join(_literal(block.path(folder)) for block in blocks)
    return f"SELECT * FROM read_parquet([{files}], hive_partitioning = false) UNION ALL {tail}"


@contextmanager
def _within(cursor: duckdb.DuckDBPyConnection, seconds: float) -> Iterator[None]:
    """Bound a question in time, and say in the caller's terms what ended it."""
    interrupting = threading.Timer(seconds, cursor.interrupt)
    interrupting.start()
    try:
        yield
    except duckdb.InterruptException as late:
        raise Unavailable(
            "查询超时，请缩短期间或增加条件", "the question took too long; ask for a shorter period"
        ) from late
    except duckdb.IOException as lost:
        raise Lost(str(lost)) from lost
    except duckdb.OutOfMemoryException as full:
        raise Unavailable(
            "查询所需内存超出限额，请缩短期间或增加条件",
            "the question needs more memory than it may have; ask for a shorter period",
        ) from full
    finally:
        interrupting.cancel()


def _settings(memory_mb: int) -> dict[str, Any]:
    return {
        "memory_limit": f"{memory_mb}MB",
        "threads": THREADS,
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        "python_enable_replacements": False,
    }


def _literal(path: Path) -> str:
    return "'" + str(path.absolute()).replace("'", "''") + "'"


def _compiled(expression: Any) -> str:
    """Return the SQL of an Ibis expression; Ibis takes a second to load, so only who has one pays."""
    import ibis

    return str(ibis.to_sql(expression, dialect="duckdb"))


@lru_cache(maxsize=4)
def engine_at(folder: Path, memory_mb: int = 512) -> Engine:
    """Return this process's engine for the log in an audit folder."""
    return Engine(folder, memory_mb)


def engine_of(settings: Settings) -> Engine:
    """Return this process's engine for the log of a deployment."""
    return engine_at(settings.data / "audit", settings.audit.query_memory_mb)
