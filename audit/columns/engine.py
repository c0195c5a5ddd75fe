"""DuckDB over the blocks and the hot tail: what is asked in SQL of the table `records`.

A process has one DuckDB for all logs, the closed ones too, so that what it may hold bounds all questions
together; each question has a cursor of its own, and threads ask at the same time. It opens no file but those
of the logs and its own temporary ones: extensions and every other path are shut off and its settings locked
before the first question. What does not fit into memory lies in a folder of the log's own.

The column `log` names the closed log that a row is of; it is null in the log that runs.
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

from audit.columns.blocks import FOLDER
from audit.columns.footers import footer_of
from audit.columns.schema import DERIVED, EARLIER, SCHEMA, VERSION
from audit.columns.tail import Logs, Snapshot, take_all
from audit.keeping.past import PAST
from audit.place import log_folder
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
    """The rows of an answer, and what of the logs it was asked of."""

    rows: pa.Table
    logs: Logs


class Engine:
    """Answers questions to the log of a deployment, and to those that were closed before it."""

    def __init__(self, folder: Path, memory_mb: int) -> None:
        """`folder` is the audit folder, `memory_mb` what all questions together may hold."""
        self.folder = folder
        columns = folder / FOLDER
        (columns / _SPILL).mkdir(mode=0o700, parents=True, exist_ok=True)
        self._database = duckdb.connect(":memory:", config=_settings(memory_mb))
        for statement in (
            "SET parquet_metadata_cache = true",
            f"SET temp_directory = {_literal(columns / _SPILL)}",
            f"SET allowed_directories = [{_literal(columns)}, {_literal(folder / PAST)}]",
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
        """As `run`, together with the snapshots of the logs that were asked."""
        sql = sql_of(question)

        def answer(logs: Logs) -> Answer:
            return Answer(self.select(sql, logs, given=given, seconds=seconds), logs)

        return self.attempt(tx, answer)

    def attempt(self, tx: Connection | None, work: Callable[[Logs], T]) -> T:
        """Do `work` over a snapshot of all logs, anew when a block was replaced by a larger one meanwhile."""
        return attempted(lambda: work(take_all(self.folder, tx)))

    def select(
        self,
        sql: str,
        logs: Logs,
        values: Sequence[Any] = (),
        *,
        given: Given = NOTHING,
        seconds: float = SECONDS,
    ) -> pa.Table:
        """Answer SQL with `values` for its parameters over snapshots of some logs.

        Raises Unavailable as `run` does, and Lost when a block is not there any more.
        """
        with closing(self._database.cursor()) as cursor, _within(cursor, seconds):
            for name, table in {**given, "hot": hot_rows(logs)}.items():
                cursor.register(name, table)
            cursor.execute(f"CREATE TEMP VIEW records AS {_union(logs)}")
            return cursor.sql(sql, params=list(values) or None).to_arrow_table()


def attempted(work: Callable[[], T]) -> T:
    """Do `work`, anew when a block that it reads was replaced by a larger one meanwhile.

    Raises Unavailable when that does not help.
    """
    for _ in range(_TRIES):
        with suppress(Lost, FileNotFoundError):
            return work()
    raise Unavailable("日志的列文件无法读取", "the blocks of the log cannot be read")


def hot_rows(logs: Logs) -> pa.Table:
    """Return the rows of all logs that lie in no block, each with the name of its log."""
    return pa.concat_tables([_named(log.hot, log.closed) for log in logs])


def _named(rows: pa.Table, name: str | None) -> pa.Table:
    return rows.append_column("log", pa.repeat(pa.scalar(name, pa.string()), rows.num_rows))


def _union(logs: Logs) -> str:
    stored = [
        f"SELECT {_columns(version)}, {_name(log.closed)} AS log "
        f"FROM read_parquet([{files}], hive_partitioning = false)"
        for log in logs
        for version, files in _files(log).items()
    ]
    return " UNION ALL ".join([*stored, "SELECT * FROM hot"])


def _files(log: Snapshot) -> dict[bytes, str]:
    """Return the files of a log by the version of their columns. Raises Lost."""
    found: dict[bytes, list[str]] = {}
    for block in log.blocks:
        path = block.path(log.folder)
        footer = footer_of(path)
        if footer is None:
            raise Lost(block.name)
        found.setdefault(VERSION if footer.has_all_columns else footer.version, []).append(_literal(path))
    return {version: ", ".join(files) for version, files in found.items()}


def _columns(version: bytes) -> str:
    """Return the columns of a block, with those that an earlier release did not write."""
    if version == VERSION:
        return "*"
    own = set(EARLIER[version])
    return ", ".join(f'"{name}"' if name in own else f"{DERIVED[name]} AS {name}" for name in SCHEMA.names)


def _name(closed: str | None) -> str:
    return "CAST(NULL AS VARCHAR)" if closed is None else _quoted(closed)


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
    return _quoted(str(path.absolute()))


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def sql_of(question: Any) -> str:
    """Return SQL as it is, or that of an Ibis expression; Ibis takes a second to load, who has one pays."""
    if isinstance(question, str):
        return question
    import ibis

    return str(ibis.to_sql(question, dialect="duckdb"))


@lru_cache(maxsize=4)
def engine_at(folder: Path, memory_mb: int) -> Engine:
    """Return this process's engine for the log in an audit folder and for those closed before it."""
    return Engine(folder, memory_mb)


def engine_of(settings: Settings) -> Engine:
    """Return this process's engine for the logs of a deployment; there is one."""
    return engine_at(log_folder(settings), settings.audit.query_memory_mb)
