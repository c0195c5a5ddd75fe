"""Providers' tables to read, and what their values must come out as, said here a second time."""

from __future__ import annotations

import base64
import csv
import io
import json
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any, cast

import pyarrow as pa
import pyarrow.parquet as pq

from gateway.formats import ARROW
from gateway.model import Permit
from gateway.readings import Database
from gateway.rows import read_row_query
from gateway.statements import Wanted


@dataclass
class Terms:
    """As much of a grant's terms as a statement looks at."""

    fields: tuple[str, ...]
    row_filter: dict[str, tuple[str, ...]] = field(default_factory=dict)
    row_limit: int | None = None


@dataclass
class Granted:
    """As much of a permit as a statement looks at."""

    terms: Terms
    attributes: tuple[dict[str, Any], ...]
    detail: dict[str, Any]
    consumer: str = "civil_affairs"


def permit(columns: dict[str, str], fields: Sequence[str] = (), **row_filter: tuple[str, ...]) -> Permit:
    """A grant of `fields`, or all, of a table `items` that has these columns, ordered by the first."""
    attributes = tuple({"name": name, "type": kind} for name, kind in columns.items())
    terms = Terms(tuple(fields or columns), row_filter)
    order = [next(iter(columns))]
    return cast(Permit, Granted(terms, attributes, {"table": "items", "order": order}))


def read(database: Database, granted: Permit, media: str, *query: tuple[str, str]) -> bytes:
    """The whole answer to a query, as a stream of it would be."""
    reading = database.reading(Wanted(granted, read_row_query(granted, query), None), media)
    parts = []
    try:
        while True:
            piece = reading.read(time.monotonic() + 30)
            parts.append(piece.data)
            if piece.last:
                return b"".join(parts)
    finally:
        reading.close()


def lines(body: bytes) -> list[dict[str, Any]]:
    """The records of JSON lines."""
    return [json.loads(line) for line in body.split(b"\n") if line]


def cells(body: bytes) -> list[dict[str, str]]:
    """The records of CSV."""
    return list(csv.DictReader(io.StringIO(body.decode(), newline="")))


def columns(body: bytes, media: str) -> list[dict[str, Any]]:
    """The records of an Arrow stream or of Parquet."""
    found = pa.ipc.open_stream(body).read_all() if media == ARROW else pq.read_table(pa.BufferReader(body))
    return cast(list[dict[str, Any]], found.to_pylist())


def as_json(value: Any, kind: str) -> Any:
    """What a value is in JSON."""
    if value is None or (isinstance(value, float | Decimal) and not math.isfinite(value)):
        return None
    if kind == "boolean":
        return bool(value)
    match value:
        case bytes():
            return base64.b64encode(value).decode()
        case Decimal():
            return json.loads(f"{value:f}")
        case date():
            return value.isoformat()
    return value


def as_cell(value: Any, kind: str) -> str | float | Decimal:
    """What a value is in CSV: a text, or a number whose digits may be spelt in more than one way."""
    found = as_json(value, kind)
    if found is None:
        return ""
    if isinstance(found, bool):
        return "true" if found else "false"
    if isinstance(value, Decimal):
        return value
    return found if isinstance(found, float) else str(found)


def same_cells(found: dict[str, str], row: Sequence[Any], kinds: Sequence[str]) -> bool:
    """Whether a line of CSV holds the row."""
    wanted = [as_cell(v, k) for v, k in zip(row, kinds, strict=True)]
    return all(
        (cell if isinstance(want, str) else type(want)(cell)) == want
        for cell, want in zip(found.values(), wanted, strict=True)
    )


def as_column(value: Any, kind: str) -> Any:
    """What a value of the catalog's type is in a column."""
    found = as_json(value, kind)
    if found is None:
        return None
    match kind:
        case "number" | "currency":
            return float(found)
        case "date":
            return date.fromisoformat(str(found))
        case "datetime":
            return value if isinstance(value, datetime) else datetime.fromisoformat(found)
        case "object":
            return found if isinstance(found, str) else json.dumps(found)
    return found
