"""The shapes in which rows leave: a JSON page, JSON lines, CSV. Pure."""

from __future__ import annotations

import base64
import csv
import io
from collections.abc import Callable, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

import orjson

from gateway import objections as no
from gateway.objections import Refused

JSON = "application/json"
NDJSON = "application/x-ndjson"
CSV = "text/csv"
FORMATS = (JSON, NDJSON, CSV)
CONTENT_TYPE = {JSON: JSON, NDJSON: NDJSON, CSV: "text/csv; charset=utf-8; header=present"}

Encode = Callable[[Sequence[Any]], bytes]


def choose_format(accept: str | None) -> str:
    """Return the media type that an Accept field asks for. Raises Refused (406)."""
    if not accept:
        return JSON
    for part in accept.split(","):
        media, _, parameters = part.partition(";")
        if "q=0" in parameters.replace(" ", "").replace("q=0.", "q="):
            continue
        media = media.strip().lower()
        if media in FORMATS:
            return media
        if media in ("*/*", "application/*"):
            return JSON
        if media == "text/*":
            return CSV
    raise Refused(no.NOT_ACCEPTABLE)


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() and abs(value) < 2**53 else float(value)
    if isinstance(value, bytes | memoryview):
        return base64.b64encode(value).decode()
    return str(value)


def json_lines(fields: Sequence[str], types: Sequence[str]) -> Encode:
    """Return an encoder of rows as JSON lines."""
    booleans = [i for i, kind in enumerate(types) if kind == "boolean"]

    def encode(rows: Sequence[Any]) -> bytes:
        lines = []
        for row in rows:
            values = list(row)
            for i in booleans:
                values[i] = None if values[i] is None else bool(values[i])
            lines.append(orjson.dumps(dict(zip(fields, values, strict=True)), default=_plain))
        return b"\n".join(lines) + b"\n" if lines else b""

    return encode


def csv_lines(types: Sequence[str]) -> Encode:
    """Return an encoder of rows as CSV (RFC 4180)."""

    booleans = [i for i, kind in enumerate(types) if kind == "boolean"]

    def cells(row: Sequence[Any]) -> Sequence[Any]:
        if not _WRITTEN_AS_IS.issuperset(map(type, row)):
            return [_cell(v, k) for v, k in zip(row, types, strict=True)]
        values = list(row)
        for i in booleans:
            values[i] = _cell(values[i], "boolean")
        return values

    def encode(rows: Sequence[Any]) -> bytes:
        out = io.StringIO()
        csv.writer(out).writerows(map(cells, rows))
        return out.getvalue().encode()

    return encode


_WRITTEN_AS_IS = frozenset({str, int, float, type(None)})
"""What the CSV writer puts down as we would; `bool` is not among them."""


def _cell(value: Any, kind: str) -> Any:
    if value is not None and kind == "boolean":
        return "true" if value else "false"
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, dict | list):
        return orjson.dumps(value).decode()
    return _plain(value) if isinstance(value, bytes | memoryview) else value
