"""Reads a provider's table over a read-only connection: each row, the dictionary's columns only, as texts.

The reading is done by a process of its own (`table_reader`), which ends at the deadline at the latest.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import pyarrow as pa
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from catalog.quality import table_reader
from catalog.quality.sources import PIECE, Piece, Source, Unreadable, as_text
from core.settings import Connection
from core.text import Text

_Process = subprocess.Popen[bytes]


def table_sources(
    connection: Connection, detail: Mapping[str, Any], names: Sequence[str], deadline: float
) -> Generator[Source]:
    """Yield a provider's table as the one source; it is read while its pieces are taken.

    `deadline` (monotonic) ends the reading, wherever it is.
    """
    source = Source(detail["table"], ())
    seconds = max(0.01, deadline - time.monotonic())
    try:
        opened = _opened(make_url(connection.database_url or ""), connection.connect_seconds, seconds)
    except ArgumentError as wrong:
        source.fault = _unreadable(type(wrong).__name__).reason
        yield source
        return
    with _reader({**opened, "table": detail["table"], "names": list(names), "seconds": seconds}) as process:
        try:
            stream = pa.ipc.open_stream(process.stdout)
            source.columns = tuple(int(name) for name in stream.schema.names)
            source.pieces = _pieces(process, stream)
        except (pa.ArrowException, OSError):
            source.fault = _reason(process).reason
        yield source


def _opened(url: URL, patience: float, seconds: float) -> dict[str, Any]:
    """Return how the driver opens a database without writing; `patience` is for locks and networks."""
    if url.get_backend_name() == "sqlite":
        return {
            "driver": "sqlite",
            "uri": f"file:{quote(url.database or '')}?mode=ro",
            "setup": [f"PRAGMA busy_timeout = {int(patience * 1000)}"],
            "options": {"adbc.sqlite.query.batch_rows": str(PIECE)},
        }
    bounds = f"-c default_transaction_read_only=on -c statement_timeout={int(seconds * 1000)}"
    asked = {"connect_timeout": str(max(2, round(patience))), "options": bounds}
    uri = url.set(drivername="postgresql").render_as_string(hide_password=False)
    uri += ("&" if url.query else "?") + urlencode(asked, quote_via=quote)  # libpq reads no + as a blank
    return {"driver": "postgresql", "uri": uri, "setup": [], "options": {}}


@contextmanager
def _reader(request: Mapping[str, Any]) -> Iterator[_Process]:
    """Start the reader, and leave nothing of it behind. A request may hold a password: it is no argument."""
    pipe = subprocess.PIPE
    command = [sys.executable, "-P", str(Path(table_reader.__file__))]
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe) as process:
        try:
            assert process.stdin is not None
            with suppress(BrokenPipeError):
                process.stdin.write(json.dumps(request).encode())
                process.stdin.close()
            yield process
        finally:
            process.kill()


def _pieces(process: _Process, stream: pa.RecordBatchReader) -> Iterator[Piece]:
    first = 1
    with suppress(pa.ArrowException, OSError):  # the exit status says that it ended early
        for batch in stream:
            columns = {int(batch.schema.names[i]): _texts(batch.column(i)) for i in range(batch.num_columns)}
            yield Piece(first, batch.num_rows, columns)
            first += batch.num_rows
    if process.wait() != 0:
        raise _reason(process)


def _texts(values: pa.Array) -> pa.Array:
    """Return an array whose texts are texts: SQLite hands on bytes of any kind."""
    try:
        values.validate(full=True)
    except pa.ArrowInvalid:
        return pa.array([as_text(v) for v in values.cast(pa.binary()).to_pylist()], pa.string())
    return values


# --- what went wrong ------------------------------------------------------------------------------


_REASONS = {
    "no_table": Text("没有这个表", "there is no such table"),
    "locked": Text("数据库正被锁定", "the database is locked"),
    "no_database": Text("文件不是数据库", "the file is no database"),
    "no_permission": Text("没有读取权限", "reading is not permitted"),
    "late": Text("未能在规定时间内读完", "it was not read within its time"),
}


def _reason(process: _Process) -> Unreadable:
    """Say why the reader ended; to be asked when it did not end well."""
    assert process.stderr is not None
    if process.wait() == -signal.SIGALRM:
        return _unreadable("late")
    return _unreadable(process.stderr.read().decode("ascii", "replace").strip())


def _unreadable(reason: str) -> Unreadable:
    """Return what a reader told as the class of a fault; anything else it wrote is not repeated."""
    shown = reason if reason.isidentifier() else "-"
    words = _REASONS.get(reason) or Text(
        f"数据库无法连接或读取（{shown}）", f"the database does not open or answer ({shown})"
    )
    return Unreadable(words.zh, words.en)
