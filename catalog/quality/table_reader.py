"""The process that reads one table: a request on standard input, batches of Arrow on standard output.

It is a process of its own, not a thread: the driver for SQLite cannot cancel a statement that does not end,
so the alarm of this process ends it whatever it is at; and it reads while the other one loads. It is started
as a file and imports nothing of ours. What goes wrong is told by class: a driver's words may quote a row.
"""

from __future__ import annotations

import ctypes
import json
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from adbc_driver_manager import Error

_KNOWN = {
    "no_table": ("no such table", "42P01"),
    "locked": ("database is locked", "database table is locked", "55P03"),
    "no_database": ("file is not a database",),
    "no_permission": ("42501",),
    "late": ("57014",),
}
"""What the drivers say: SQLite in words, PostgreSQL by the codes of its appendix A."""


class _Spared:
    """Finds nothing of what pyarrow loads where it is installed: we need none of it, and it takes longest."""

    @staticmethod
    def find_spec(name: str, *_: object) -> None:
        """Refuse to load numpy and pandas."""
        if name in ("numpy", "pandas"):
            raise ModuleNotFoundError(name, name=name)


def main() -> int:
    """Read what the request names: `driver`, `uri`, `setup`, `options`, `table`, `names`, `seconds`."""
    request = json.load(sys.stdin)
    _end_in_time(request["seconds"])
    sys.meta_path.insert(0, _Spared)
    import adbc_driver_manager

    try:
        with _cursor(request) as cursor:
            _copy(cursor, request["table"], request["names"])
    except adbc_driver_manager.Error as wrong:
        print(_reason(wrong), file=sys.stderr)
        return 1
    return 0


def _reason(wrong: Error) -> str:
    said = f"{wrong} {wrong.sqlstate}"
    known = (reason for reason, words in _KNOWN.items() if any(w in said for w in words))
    return next(known, type(wrong).__name__)


def _end_in_time(seconds: float) -> None:
    """Let the alarm end this process, and the kernel when the one that asked is gone."""
    signal.setitimer(signal.ITIMER_REAL, seconds)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


@contextmanager
def _cursor(request: Mapping[str, Any]) -> Iterator[Any]:
    with _connect(request["driver"], request["uri"]) as session, session.cursor() as cursor:
        for statement in request["setup"]:
            cursor.execute(statement)
        cursor.adbc_statement.set_options(**request["options"])
        yield cursor


def _connect(driver: str, uri: str) -> Any:
    if driver == "sqlite":
        import adbc_driver_sqlite.dbapi as sqlite

        return sqlite.connect(uri)
    import adbc_driver_postgresql.dbapi as postgresql

    return postgresql.connect(uri)


def _copy(cursor: Any, name: str, names: Sequence[str]) -> None:
    """Write the columns of `names` that the table has, called by their place, every value a text."""
    import pyarrow as pa

    schema, _, bare = name.rpartition(".")
    table = f"{_quoted(schema)}.{_quoted(bare)}" if schema else _quoted(bare)
    cursor.execute(f"SELECT * FROM {table} LIMIT 0")
    present = {column[0] for column in cursor.description}
    there = [i for i, column in enumerate(names) if column in present]
    form = pa.schema([(str(i), pa.string()) for i in there])
    with pa.ipc.new_stream(sys.stdout.buffer, form) as out:
        if not there:
            return
        # A first batch of nothing but NULL would leave the driver without a type; blank is missing, too.
        texts = ", ".join(f"coalesce(CAST({_quoted(names[i])} AS TEXT), '')" for i in there)
        cursor.execute(f"SELECT {texts} FROM {table}")
        for batch in cursor.fetch_record_batch():
            if batch.num_rows:
                out.write_batch(pa.record_batch(batch.columns, schema=form))


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


if __name__ == "__main__":
    sys.exit(main())
