"""Rows as columns: the Arrow IPC stream and Parquet, typed as the catalog says.

| the catalog's type | the column's |
|---|---|
| string, text, object | string, as CSV writes it |
| integer | int64 |
| number, currency | double |
| boolean | bool |
| date | date32 |
| datetime | timestamp[us], or timestamp[us, UTC] where the database knows instants |

This is imported when somebody asks for one of them: pyarrow takes more memory than all else in a worker.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from math import isfinite
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from gateway import objections as no
from gateway.formats import ARROW, Row, as_text
from gateway.objections import Refused

INSTANT = "instant"
"""A datetime of a database that knows instants."""
GROUP_ROWS = 65_536
GROUP_BYTES = 8 * 1024 * 1024
"""A row group of Parquet ends with either of these; that much is held in memory."""

_TYPES: Mapping[str, pa.DataType] = {
    "integer": pa.int64(),
    "number": pa.float64(),
    "currency": pa.float64(),
    "boolean": pa.bool_(),
    "date": pa.date32(),
    "datetime": pa.timestamp("us"),
    INSTANT: pa.timestamp("us", "UTC"),
}


class ColumnFile:
    """Rows as an Arrow IPC stream or as a Parquet file, written as they come."""

    def __init__(self, media: str, fields: Sequence[str], types: Sequence[str]) -> None:
        """`types` are the catalog's, or INSTANT."""
        self._types = types
        columns = zip(fields, types, strict=True)
        self._schema = pa.schema([(name, _TYPES.get(kind, pa.string())) for name, kind in columns])
        self._out = _Out()
        self._sink = pa.PythonFile(self._out, "w")
        self._stream = media == ARROW
        self._batches: list[pa.RecordBatch] = []
        self._writer: Any = None

    def start(self) -> bytes:
        """Return the schema, or the first bytes of Parquet."""
        if self._stream:
            self._writer = pa.ipc.new_stream(self._sink, self._schema)
        else:
            self._writer = pq.ParquetWriter(self._sink, self._schema, compression="zstd")
        return self._out.taken()

    def rows(self, rows: Sequence[Row]) -> bytes:
        """Return a record batch, or a row group when there is enough for one. Raises Refused."""
        if not rows:
            return b""
        batch = _batch(self._schema, self._types, rows)
        if self._stream:
            self._writer.write_batch(batch)
        else:
            self._batches.append(batch)
            many = sum(b.num_rows for b in self._batches) >= GROUP_ROWS
            if many or sum(b.nbytes for b in self._batches) >= GROUP_BYTES:
                self._write_group()
        return self._out.taken()

    def _write_group(self) -> None:
        self._writer.write_table(pa.Table.from_batches(self._batches, self._schema))
        self._batches = []

    def end(self) -> bytes:
        """Return the end of the stream, or the last row group and the footer."""
        if self._batches:
            self._write_group()
        self._writer.close()
        return self._out.taken()


class _Out:
    """A file that is taken away as it is written."""

    closed = False

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._at = 0

    def write(self, data: Any) -> int:
        self._parts.append(bytes(data))
        self._at += len(data)
        return len(data)

    def tell(self) -> int:
        return self._at

    def flush(self) -> None:
        """Everything is where it belongs at once."""

    def close(self) -> None:
        """There is nothing to close."""

    def taken(self) -> bytes:
        parts, self._parts = self._parts, []
        return b"".join(parts)


# --- values ---------------------------------------------------------------------------------------


def _batch(schema: pa.Schema, types: Sequence[str], rows: Sequence[Row]) -> pa.RecordBatch:
    try:
        columns = zip(types, zip(*rows, strict=True), schema.types, strict=True)
        return pa.record_batch([_array(kind, values, to) for kind, values, to in columns], schema=schema)
    except (pa.ArrowException, ValueError, TypeError, OverflowError) as wrong:
        raise Refused(no.VALUE_NOT_TYPED) from wrong


def _array(kind: str, values: Sequence[Any], to: pa.DataType) -> pa.Array:
    convert: Callable[[Any], Any] = _CONVERT.get(kind, as_text)
    classes = {type(v) for v in values} - {type(None)}
    if not classes <= _AS_IT_IS.get(kind, _TEXT):
        values = [None if v is None else convert(v) for v in values]
    if to == pa.float64():
        values = [None if v is None or not isfinite(v) else v for v in values]
    return pa.array(values, to)


_TEXT = frozenset({str})
_AS_IT_IS: Mapping[str, frozenset[type]] = {
    "integer": frozenset({int}),
    "number": frozenset({float}),
    "currency": frozenset({float}),
    "boolean": frozenset({bool}),
    "date": frozenset({date}),
    "datetime": frozenset(),
    INSTANT: frozenset({datetime}),
}
"""The classes of values that need no conversion."""


def _integer(value: Any) -> int:
    if isinstance(value, int | float | Decimal) and value == int(value):
        return int(value)
    raise ValueError("no integer")


def _number(value: Any) -> float:
    if isinstance(value, int | float | Decimal):
        return float(value)
    raise ValueError("no number")


def _date(value: Any) -> date:
    if type(value) is date:
        return value
    return date.fromisoformat(value)


def _datetime(value: Any) -> datetime:
    found = value if isinstance(value, datetime) else datetime.fromisoformat(value)
    if found.tzinfo is not None:
        raise ValueError("an instant among local times")
    return found


_CONVERT: Mapping[str, Callable[[Any], Any]] = {
    "integer": _integer,
    "number": _number,
    "currency": _number,
    "boolean": bool,
    "date": _date,
    "datetime": _datetime,
    INSTANT: lambda value: value,
}
