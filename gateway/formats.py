"""The shapes in which rows leave: a JSON page, JSON lines, CSV. Arrow and Parquet: gateway/columns.py. Pure.

A number that is not finite has no JSON, and leaves as null in every format.
"""

from __future__ import annotations

import base64
import csv
import io
import re
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from functools import lru_cache
from itertools import starmap
from typing import Any, Protocol

import msgspec
import orjson

from gateway import objections as no
from gateway.objections import Refused

JSON = "application/json"
NDJSON = "application/x-ndjson"
CSV = "text/csv"
ARROW = "application/vnd.apache.arrow.stream"
PARQUET = "application/vnd.apache.parquet"
FORMATS = (JSON, NDJSON, CSV, ARROW, PARQUET)
CONTENT_TYPE = {**{media: media for media in FORMATS}, CSV: "text/csv; charset=utf-8; header=present"}

Row = Sequence[Any]
Converters = Mapping[int, Callable[[Any], Any]]
"""What is done to the values of some columns, by their place, before they are written; never to None."""


class Encoder(Protocol):
    """Writes rows down in one format."""

    def start(self) -> bytes:
        """Return what stands before the first row."""

    def rows(self, rows: Sequence[Row]) -> bytes:
        """Return some rows, or nothing yet. Raises Refused when a value does not fit."""

    def end(self) -> bytes:
        """Return what stands behind the last row."""


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


# --- values ---------------------------------------------------------------------------------------


def plain(value: Any) -> Any:
    """Return a value as JSON can hold it; what JSON has no form for becomes text."""
    if isinstance(value, Decimal):
        return value if value.is_finite() else None
    if isinstance(value, bytes | memoryview):
        return base64.b64encode(value).decode()
    return value.isoformat() if isinstance(value, date) else str(value)


_ENCODER = msgspec.json.Encoder(enc_hook=plain, decimal_format="number")


def as_text(value: Any) -> str:
    """Return a value, which is not None, as the text that stands for it in CSV."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict | list):
        return orjson.dumps(value, default=plain).decode()
    return str(plain(value) if isinstance(value, bytes | memoryview | date) else value)


@lru_cache(256)
def _record(fields: tuple[str, ...], array: bool) -> Callable[..., Any]:
    """Return a type for rows: an object of these members, or an array."""
    members: list[tuple[str, Any]] = [(f"f{i}", Any) for i in range(len(fields))]
    names = {f"f{i}": name for i, name in enumerate(fields)}
    return msgspec.defstruct("Row", members, rename=None if array else names, array_like=array, gc=False)


def _records(make: Callable[..., Any], rows: Iterable[Row], converters: Converters) -> list[Any]:
    made = list(starmap(make, rows))
    for i, convert in converters.items():
        member = f"f{i}"
        for record in made:
            value = getattr(record, member)
            if value is not None:
                setattr(record, member, convert(value))
    return made


# --- JSON lines -----------------------------------------------------------------------------------


class JsonLines:
    """One object a line."""

    def __init__(self, fields: tuple[str, ...], converters: Converters) -> None:
        self._make = _record(fields, False)
        self._converters = converters

    def start(self) -> bytes:
        """Nothing stands before the rows."""
        return b""

    def rows(self, rows: Sequence[Row]) -> bytes:
        """Return a line for each row."""
        return _ENCODER.encode_lines(_records(self._make, rows, self._converters))

    def end(self) -> bytes:
        """Nothing stands behind them."""
        return b""


# --- CSV ------------------------------------------------------------------------------------------

NULL = f"nothing-{secrets.token_hex(16)}"
"""What a reader of rows for CSV puts where there is nothing: a word that no value can be."""
_QUOTED_NULL = f'"{NULL}"'.encode()
_ESCAPE = re.compile(rb"\\(?:u([0-9a-f]{4})|(.))")
_ESCAPED = {b'"': b'""', b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"f": b"\f"}


def csv_line(cells: Sequence[str]) -> bytes:
    """Return one line of CSV (RFC 4180)."""
    out = io.StringIO()
    csv.writer(out).writerow(cells)
    return out.getvalue().encode()


class CsvLines:
    """CSV (RFC 4180) of rows in which `NULL` stands for nothing; texts are quoted, nothing is an empty cell.

    The rows are written as JSON arrays, which takes a tenth of the time of the csv module, and then turned
    into CSV as a whole: the two differ in the ends of lines, and in escapes, which few values have.
    """

    def __init__(self, fields: tuple[str, ...], converters: Converters) -> None:
        self._fields = fields
        self._make = _record(fields, True) if converters else None
        self._converters = {i: _unless_null(convert) for i, convert in converters.items()}
        self._nothing = b'""' if len(fields) == 1 else b""  # or the line were empty, and no row to most

    def start(self) -> bytes:
        """Return the line of names."""
        return csv_line(self._fields)

    def rows(self, rows: Sequence[Row]) -> bytes:
        """Return a line for each row."""
        if not rows:
            return b""
        lines = self._arrays(rows)
        if b"null" in lines:  # a text, or a number that is not finite
            lines = self._arrays([[NULL if v in _INFINITE else v for v in row] for row in rows])
        text = lines[1:-2].replace(b"]\n[", b"\r\n").replace(_QUOTED_NULL, self._nothing)
        if b"\\" in text and b"\\\\" not in text:  # most escapes are of quotes, and this is the faster way
            text = text.replace(b'\\"', b'""')
        if b"\\" in text:
            text = _ESCAPE.sub(_unescaped, text)
        return text + b"\r\n"

    def _arrays(self, rows: Sequence[Row]) -> bytes:
        made = rows if self._make is None else _records(self._make, rows, self._converters)
        return _ENCODER.encode_lines(made)

    def end(self) -> bytes:
        """Nothing stands behind the rows."""
        return b""


_INFINITE = (float("inf"), float("-inf"))


def _unless_null(convert: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: value if value == NULL else convert(value)


def _unescaped(found: re.Match[bytes]) -> bytes:
    if found[1] is not None:
        return chr(int(found[1], 16)).encode()
    return _ESCAPED.get(found[2], found[2])
