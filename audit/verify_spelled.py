"""Showing that rows are those of their bodies without reading JSON: the bodies are spelled from the rows.

To read a body costs more than all the hashes of its record. But a body is canonical JSON, so that it follows
from its row, but for the fields that no column holds: those are taken from the body as it stands, where it
has them. What comes out must be the body, byte for byte; then to read it could give no other row, since no
text in it needs an escape. The same goes for the envelope. Thousands of rows are spelled at a time.

A row of which this cannot be shown is not wrong yet: its body is to be read, as it was when the row was made.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, reduce
from itertools import groupby
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from audit.bodies import Line, is_erased
from audit.columns.schema import NUMBERS, TEXTS, several_of
from audit.record import VERSION, canonical

_SHAPES = 8
"""So many sorts of bodies are looked for among the rows that are compared at a time."""
_OWN = {"k": "kind", "t": "at", "id": "id"}
"""Fields of every body, by the names of their columns."""
_COLUMNS = {**_OWN, **{name: name for name in (*TEXTS, *NUMBERS)}}
_NAME = re.compile(r"[a-z_]+")
_TEXT = r'"[^"\\\x00-\x1f]*"'
_VALUE = rf"(?:{_TEXT}|0|[1-9][0-9]*|null|true|false|\[(?:{_TEXT}(?:,{_TEXT})*)?\])"
"""Values that are taken from a body: nothing in them can be taken for another field."""
_FIELD = rf'(?:"%s":{_VALUE},)?'
_LAST, _END = "v", f'"v":{VERSION}}}\n'
"""The last field of a body by its name, which is the same in all of them."""
_DIGEST = slice(6, 50)
"""Where the digest lies in an envelope."""
_DIGITS = b"0123456789"


@dataclass(frozen=True, slots=True)
class Sealed:
    """Neighbouring records as the log holds them."""

    first: int
    raw: bytes
    """The file that holds their bodies, one a line."""
    offsets: pa.Array
    """Where in it each line begins, and where the last one ends (int32); each ends with a line feed."""
    entries: Sequence[bytes]

    def line(self, number: int) -> Line:
        """Return one of the bodies and where it lies."""
        start, end = self.offsets[number].as_py(), self.offsets[number + 1].as_py()
        return Line(self.first + number, start, self.raw[start : end - 1])

    def bodies(self) -> pa.Array:
        """Return the bodies, each with its line feed."""
        buffers = [None, self.offsets.buffers()[1], pa.py_buffer(self.raw)]
        return pa.Array.from_buffers(pa.binary(), len(self.entries), buffers, offset=self.offsets.offset)


def in_doubt(sealed: Sealed, rows: pa.RecordBatch) -> list[int]:
    """Return the numbers of the rows that could not be shown to be those of these records.

    The rows are one for each record, in order, by their log indexes.
    """
    if not _is_plain(sealed, rows):
        return list(range(len(rows)))
    bodies, doubtful = sealed.bodies(), set(_misplaced(sealed, rows))
    left = [i for i in range(len(rows)) if i not in doubtful]
    for _ in range(_SHAPES):
        if not left:
            break
        shape = _shape_of(sealed.line(left[0]).body)
        unlike = left if shape is None else _unlike(sealed, bodies, rows, left, shape)
        if unlike[:1] == left[:1]:
            doubtful.add(left[0])
            unlike = unlike[1:]
        left = unlike
    return sorted(doubtful | set(left))


# --- where the records lie, and their envelopes -----------------------------------------------------


def _is_plain(sealed: Sealed, rows: pa.RecordBatch) -> bool:
    """Tell whether no text needs an escape, so that what is spelled can be read in one way only."""
    lines = sealed.raw[sealed.offsets[0].as_py() : sealed.offsets[-1].as_py()]
    try:
        if not lines.isascii():
            lines.decode()
    except UnicodeDecodeError:
        return False
    texts = lines.replace(b"\n", b"")
    if len(lines) - len(texts) != len(rows) or not _needs_no_escape(texts):
        return False
    columns = (column.buffers()[2] for column in rows.columns if pa.types.is_string(column.type))
    raw = b"".join([text for text in columns if text is not None])
    return b'"' not in raw and _needs_no_escape(raw)


def _needs_no_escape(text: bytes) -> bool:
    codes = pa.Array.from_buffers(pa.uint8(), len(text), [None, pa.py_buffer(text)])
    return b"\\" not in text and (not text or pc.min(codes).as_py() >= ord(" "))


def _misplaced(sealed: Sealed, rows: pa.RecordBatch) -> list[int]:
    """Return the rows that do not say where their bodies lie, or not what their envelopes do."""
    entries = pa.array(sealed.entries, pa.binary())
    starts, ends = sealed.offsets[:-1], sealed.offsets[1:]
    digests = pc.binary_slice(entries, _DIGEST.start, _DIGEST.stop)
    if any(mark in digests.buffers()[2].to_pybytes() for mark in (b'"', b"\\")):
        return list(range(len(rows)))
    envelopes = _joined(
        [
            '{"b":"',
            digests,
            '","k":"',
            rows["kind"],
            '","s":"',
            rows["source"],
            '","t":',
            _text(rows, "at"),
            "}",
        ]
    )
    fits = (
        pc.equal(rows["offset"], starts),
        pc.equal(rows["length"], pc.subtract(pc.subtract(ends, starts), 1)),
        pc.equal(envelopes, entries),
        pc.invert(rows["erased"]),
        _same(rows["several"], several_of(rows["subject"])),
    )
    return _false_in(reduce(pc.and_, fits))


def _same(one: pa.Array, other: pa.Array) -> pa.Array:
    """Tell row by row whether two texts are equal, or both null."""
    neither = pc.and_(pc.is_null(one), pc.is_null(other))
    return pc.or_(pc.fill_null(pc.equal(one, other), False), neither)


def _false_in(fits: pa.Array) -> list[int]:
    """Return the numbers of what is false or null."""
    numbers: list[int] = pc.indices_nonzero(pc.invert(pc.fill_null(fits, False))).to_pylist()
    return numbers


# --- the shape of bodies ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Apart:
    """Neighbouring fields of a body that are in no column."""

    sample: bytes
    """What they are in one body."""
    allowed: tuple[tuple[int, bytes], ...]
    """Which bytes may be where in bodies like that one; elsewhere it is text."""
    pattern: re.Pattern[bytes]
    """What they may be in any body."""

    def are_all(self, pieces: pa.Array) -> bool:
        """Tell whether what was cut out of bodies without escapes is the like of the sample each time."""
        joined, width, count = pieces.buffers()[2].to_pybytes(), len(self.sample), len(pieces)
        return (
            len(joined) == count * width
            and joined.count(b'"') == count * self.sample.count(b'"')
            and not any(joined[i::width].translate(None, those) for i, those in self.allowed)
        )


@dataclass(frozen=True, slots=True)
class _Shape:
    """The fields of a body in order, those in columns by name."""

    parts: tuple[str | _Apart, ...]
    nulls: frozenset[str]
    """The fields that are said to be null where they are."""
    whole: frozenset[str]
    """Those whose numbers are written as whole ones."""


def _shape_of(body: bytes) -> _Shape | None:
    """Return the shape of a body, None of one that is not spelled as all are."""
    try:
        document = orjson.loads(body)
    except ValueError:
        return None
    if not isinstance(document, dict) or is_erased(body) or canonical(document) != body:
        return None
    names = sorted({*document, *_COLUMNS})
    if names.pop() != _LAST or not all(map(_NAME.fullmatch, document)):
        return None
    nulls = frozenset(name for name, value in document.items() if value is None)
    whole = frozenset(name for name, value in document.items() if isinstance(value, int))
    return _Shape(tuple(_parts(names, document)), nulls, whole)


def _parts(names: Sequence[str], document: Mapping[str, Any]) -> Iterator[str | _Apart]:
    """Yield the columns by name, and what is between them."""
    for has_column, run in groupby(names, _COLUMNS.__contains__):
        if has_column:
            yield from run
        else:
            yield _apart({name: document[name] for name in run})


def _apart(fields: Mapping[str, Any]) -> _Apart:
    marks = [mark for name, value in fields.items() for mark in (*_marks(name, value), b",")]
    sample = b",".join([canonical({name: value})[1:-1] for name, value in fields.items()]) + b","
    pattern = "".join([_FIELD % name for name in fields])
    allowed = tuple((i, those) for i, those in enumerate(marks) if those)
    return _Apart(sample, allowed, re.compile(pattern.encode()))


def _marks(name: str, value: Any) -> list[bytes]:
    """Return which bytes may be where in a field, nothing where it is text."""
    spelled = canonical({name: value})[1:-1]
    begin = len(name) + 3
    marks = [spelled[i : i + 1] for i in range(len(spelled))]
    if isinstance(value, str):
        marks[begin + 1 : -1] = [b""] * (len(spelled) - begin - 2)
    elif type(value) is int and value >= 0:
        marks[begin:] = [_DIGITS] * (len(spelled) - begin)
        marks[begin] = _DIGITS if value < 10 else _DIGITS[1:]  # a number does not begin with a nought
    return marks


# --- spelling ---------------------------------------------------------------------------------------


def _unlike(
    sealed: Sealed, bodies: pa.Array, rows: pa.RecordBatch, left: Sequence[int], shape: _Shape
) -> list[int]:
    """Return those of the rows `left` that do not give their bodies when they are spelled in this shape."""
    starts, ends = sealed.offsets[:-1], sealed.offsets[1:]
    if len(left) < len(rows):
        wanted = pa.array(left)
        rows, bodies = rows.take(wanted), bodies.take(wanted)
        starts, ends = starts.take(wanted), ends.take(wanted)
    spelled = _spell(sealed.raw, starts, ends, rows, shape)
    return [left[i] for i in _false_in(pc.equal(spelled, bodies))]


def _spell(raw: bytes, starts: pa.Array, ends: pa.Array, rows: pa.RecordBatch, shape: _Shape) -> pa.Array:
    """Return the lines that lie between `starts` and `ends` as the rows would have them."""
    at, pieces = pc.add(starts, 1), list[Any](["{"])
    for part in shape.parts:
        fresh = _field(part, rows, shape) if isinstance(part, str) else [_taken(part, raw, at, ends)]
        at = reduce(pc.add, map(_length, fresh), at)
        pieces += fresh
    return _joined([*pieces, _END])


def _length(piece: Any) -> Any:
    return len(piece) if isinstance(piece, str) else pc.binary_length(piece)


def _taken(apart: _Apart, raw: bytes, places: pa.Array, ends: pa.Array) -> pa.Array:
    """Return what the bodies that end at `ends` hold, at these places, of fields that are in no column."""
    pieces = _cut(raw, pc.min_element_wise(places, ends), ends, len(apart.sample))
    if apart.are_all(pieces):
        return pieces
    match = apart.pattern.match
    found = [match(raw, at) for at in places.to_pylist()]
    return pa.array([b"" if one is None else one[0] for one in found], pa.binary())


def _cut(raw: bytes, places: pa.Array, ends: pa.Array, width: int) -> pa.Array:
    """Return `width` bytes from each place on, fewer where an end comes first; all are in order."""
    count = len(places)
    both = pa.concat_arrays([places, pc.min_element_wise(pc.add(places, width), ends)])
    in_turn = both.take(_in_turn(count)).cast(pa.int32())
    # Pieces and what lies between them follow each other; every other one of all these is asked for.
    all_of_it = pa.Array.from_buffers(
        pa.binary(), 2 * count - 1, [None, in_turn.buffers()[1], pa.py_buffer(raw)]
    )
    return all_of_it.take(_every_other(count))


@lru_cache(maxsize=4)
def _in_turn(count: int) -> pa.Array:
    return pa.array([place for i in range(count) for place in (i, count + i)], pa.int32())


@lru_cache(maxsize=4)
def _every_other(count: int) -> pa.Array:
    return pa.array(range(0, 2 * count, 2), pa.int32())


def _field(name: str, rows: pa.RecordBatch, shape: _Shape) -> list[Any]:
    """Return what is to be joined for a field that is in a column."""
    text = _text(rows, _COLUMNS[name], is_whole=name in shape.whole)
    is_quoted = pa.types.is_string(rows[_COLUMNS[name]].type)
    pieces = [f'"{name}":' + '"' * is_quoted, text, '"' * is_quoted + ","]
    null = f'"{name}":null,' * (name in shape.nulls)
    if text.null_count == len(text):
        return [null]
    return [pc.fill_null(_joined(pieces, "emit_null"), null.encode())] if text.null_count else pieces


def _text(rows: pa.RecordBatch, name: str, *, is_whole: bool = True) -> pa.Array:
    """Return a column as texts, null where there is nothing that a body could say."""
    column = rows[name]
    if pa.types.is_string(column.type):
        return column
    if pa.types.is_timestamp(column.type):
        micros = column.cast(pa.int64())
        millis = pc.divide(micros, 1000)
        column = pc.if_else(pc.equal(pc.multiply(millis, 1000), micros), millis, None)
    text = column.cast(pa.string()).cast(pa.binary())
    if is_whole or not pa.types.is_floating(column.type):
        return text
    return pc.if_else(pc.equal(pc.floor(column), column), _joined([text, ".0"], "emit_null"), text)


def _joined(pieces: Sequence[Any], nulls: str = "replace") -> pa.Array:
    """Return texts put together row by row."""
    parts: list[Any] = []
    for piece in pieces:
        if not isinstance(piece, str):
            parts.append(piece.cast(pa.binary()))
        elif parts and isinstance(parts[-1], str):
            parts[-1] += piece
        else:
            parts.append(piece)
    some = [pa.scalar(part.encode()) if isinstance(part, str) else part for part in parts]
    return pc.binary_join_element_wise(*some, pa.scalar(b""), null_handling=nulls)
