"""The rows of one check inside DuckDB: loaded piece by piece, counted over, and gone at the end.

DuckDB never opens a file but its own: rows are handed to it, its access to files and extensions is shut off
before the first one, and its settings are locked. Memory is bounded; what does not fit lies in a folder of
the check's own, readable by this account alone and removed with it.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import pyarrow as pa

from catalog.quality.conditions import Condition, column_of, literal
from core.text import Text

THREADS = 2
AT_ONCE = 100
"""Rules that are counted in one pass over the rows."""
SAMPLES = 5
_SOMETHING = r"[^ \t\n\v\f\r\x{3000}]"
"""A character that is no blank, the wide blank of Chinese texts included (RE2)."""
_LEFT_BEHIND_SECONDS = 2 * 3600.0


class Unfinished(Exception):
    """The check ran into one of its bounds; `reason` says which."""

    def __init__(self, zh: str, en: str) -> None:
        super().__init__(en)
        self.reason = Text(zh, en)


class Seen(NamedTuple):
    """One broken row: source, row number, the key's values, the value."""

    source: int
    row: int
    key: tuple[str | None, ...]
    value: str | None


class Bounds(NamedTuple):
    """What one check may take: memory, temporary disk, and the instant (monotonic) at which it is over."""

    memory_mb: int
    disk_bytes: int
    deadline: float

    @property
    def left(self) -> float:
        """Seconds until the deadline."""
        return self.deadline - time.monotonic()


@contextmanager
def rows_of(columns: Sequence[int], folder: Path, bounds: Bounds) -> Iterator[Rows]:
    """Yield an empty place for rows with these columns. Raises Unfinished when a bound is met inside."""
    place = Path(tempfile.mkdtemp(prefix="quality-", dir=folder))
    _forget_left_behind(place)
    try:
        with duckdb.connect(":memory:", config=_settings(bounds)) as database:
            _shut(database, place, bounds)
            interrupting = threading.Timer(max(0.0, bounds.left), database.interrupt)
            interrupting.start()
            try:
                yield Rows(database, columns, bounds)
            except duckdb.InterruptException as late:
                raise _late() from late
            except duckdb.OutOfMemoryException as full:  # of disk, too
                raise Unfinished(
                    "数据过多，超出检查可用的空间", "there are more data than the check has room for"
                ) from full
            except duckdb.Error as wrong:
                name = type(wrong).__name__
                raise Unfinished(
                    f"检查引擎出错（{name}）", f"the engine of the check failed ({name})"
                ) from wrong
            finally:
                interrupting.cancel()
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _late() -> Unfinished:
    return Unfinished("检查未能在规定时间内完成", "the check did not end within its time")


def _forget_left_behind(place: Path) -> None:
    """Remove what a check left that was killed: none lasts so long that it is this much older than ours."""
    now = place.stat().st_mtime
    for other in place.parent.glob("quality-*"):
        with suppress(OSError):
            if now - other.stat().st_mtime > _LEFT_BEHIND_SECONDS:
                shutil.rmtree(other, ignore_errors=True)


def _settings(bounds: Bounds) -> dict[str, Any]:
    return {
        "memory_limit": f"{bounds.memory_mb}MB",
        "threads": min(THREADS, os.cpu_count() or 1),
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
    }


def _shut(database: duckdb.DuckDBPyConnection, place: Path, bounds: Bounds) -> None:
    database.execute(f"SET temp_directory = {literal(str(place))}")
    database.execute(f"SET max_temp_directory_size = '{bounds.disk_bytes // 2**20}MiB'")
    database.execute("SET enable_external_access = false")
    database.execute("SET lock_configuration = true")


class Rows:
    """The rows of one check; `columns` are the places of the attributes in the entry."""

    def __init__(self, database: duckdb.DuckDBPyConnection, columns: Sequence[int], bounds: Bounds) -> None:
        self._database = database
        self._names = [column_of(i) for i in columns]
        self._bounds = bounds
        self.count = 0
        made = "".join(f", {name} VARCHAR" for name in self._names)
        database.execute(f"CREATE TABLE data (source_ INTEGER, row_ BIGINT{made})")
        database.begin()  # a transaction for each piece would cost as much as loading it

    def load(self, source: int, first: int, columns: dict[int, pa.Array], size: int) -> None:
        """Take a piece of a source's rows, the first of them numbered `first`; blanks become missing values.

        Raises Unfinished after the deadline.
        """
        self.keep_time()
        given = {column_of(i): values for i, values in columns.items()}
        numbers = pa.arange(first, first + size)
        self._database.register("piece", pa.table({"row_": numbers, **given}))
        read = "".join(f", {_unblank(name) if name in given else 'NULL'}" for name in self._names)
        self._database.execute(f"INSERT INTO data SELECT {source}, row_{read} FROM piece")
        self._database.unregister("piece")
        self.count += size

    def loaded(self) -> None:
        """All rows are there."""
        self._database.commit()

    def keep_time(self) -> None:
        """Raise Unfinished after the deadline."""
        if self._bounds.left <= 0:
            raise _late()

    def counts(self, rules: Sequence[Condition]) -> list[tuple[int, int] | None]:
        """Return for each rule how many values it applies to, and how many of them break it.

        None stands for a rule that the engine refuses, such as a pattern in a spelling that it does not know.
        """
        found: list[tuple[int, int] | None] = []
        for start in range(0, len(rules), AT_ONCE):
            some = rules[start : start + AT_ONCE]
            try:
                found += self._counted(some)
            except (duckdb.InterruptException, duckdb.OutOfMemoryException):
                raise
            except duckdb.Error:
                found += [None] if len(some) == 1 else [self.counts([rule])[0] for rule in some]
        return found

    def _counted(self, rules: Sequence[Condition]) -> list[tuple[int, int]]:
        asked = ", ".join(
            f"count(*) FILTER (WHERE {rule.applies}), count(*) FILTER (WHERE {rule.broken})" for rule in rules
        )
        found = self._one(f"SELECT {asked} FROM data")
        return list(zip(found[::2], found[1::2], strict=True))

    def samples(self, rule: Condition, key: Sequence[int]) -> list[Seen]:
        """Return the first few rows that break a rule."""
        return self._seen(rule.broken, rule.column, key)

    # --- keys and whole rows

    def incomplete_keys(self, key: Sequence[int]) -> tuple[int, list[Seen]]:
        """Return how many rows lack a part of their key, and the first few of them."""
        lacks = " OR ".join(f"{column_of(i)} IS NULL" for i in key)
        failed = self._one(f"SELECT count(*) FROM data WHERE {lacks}")[0]
        return failed, self._seen(lacks, "NULL", key) if failed else []

    def repeated_keys(self, key: Sequence[int]) -> tuple[int, list[Seen]]:
        """Return how many rows have the whole key of an earlier one, and the first few of them."""
        names = ", ".join(column_of(i) for i in key)
        whole = " AND ".join(f"{column_of(i)} IS NOT NULL" for i in key)
        repeated = f"SELECT count(*) AS n FROM data WHERE {whole} GROUP BY {names} HAVING n > 1"
        failed = self._one(f"SELECT coalesce(sum(n - 1), 0)::BIGINT FROM ({repeated})")[0]
        return failed, self._repeated(names, whole, len(key)) if failed else []

    def _repeated(self, names: str, whole: str, size: int) -> list[Seen]:
        found = self._database.execute(
            f"SELECT arg_max(source_, rowid), arg_max(row_, rowid), {names} FROM data WHERE {whole} "
            f"GROUP BY {names} HAVING count(*) > 1 ORDER BY max(rowid) LIMIT {SAMPLES}"
        ).fetchall()
        return [Seen(row[0], row[1], tuple(row[2 : 2 + size]), None) for row in found]

    def repeated_rows(self) -> int:
        """Return how many rows are the same as an earlier one in every column.

        Digests find the few that may be; only these are compared.
        """
        names = ", ".join(self._names)
        twice = f"SELECT hash({names}) AS h FROM data GROUP BY h HAVING count(*) > 1"
        groups = (
            f"SELECT count(*) AS n FROM data WHERE hash({names}) IN ({twice}) GROUP BY {names} HAVING n > 1"
        )
        return int(self._one(f"SELECT coalesce(sum(n - 1), 0)::BIGINT FROM ({groups})")[0])

    def newest(self, instant: str, latest: str) -> Any:
        """Return the greatest instant of an expression (a TIMESTAMP in UTC) up to `latest`, or None."""
        return self._one(f"SELECT max(t) FROM (SELECT {instant} AS t FROM data) WHERE t <= {latest}")[0]

    def _seen(self, condition: str, value: str, key: Sequence[int]) -> list[Seen]:
        """Stop at the first few: DuckDB keeps rows in the order in which they were loaded."""
        names = "".join(f", {column_of(i)}" for i in key)
        found = self._database.execute(
            f"SELECT source_, row_, {value}{names} FROM data WHERE {condition} LIMIT {SAMPLES}"
        ).fetchall()
        return [Seen(row[0], row[1], tuple(row[3:]), row[2]) for row in found]

    def _one(self, statement: str) -> tuple[Any, ...]:
        row: tuple[Any, ...] = self._database.execute(statement).fetchone() or ()
        return row


def _unblank(name: str) -> str:
    """Nearly every value begins with what is no blank, which costs less to see than a pattern."""
    plain = f"{name} >= '!' AND NOT starts_with({name}, chr(12288))"
    return f"CASE WHEN ({plain}) OR regexp_matches({name}, '{_SOMETHING}') THEN {name} END"
