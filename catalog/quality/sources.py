"""What a check reads from: tables, files or rows in hand, each as pieces of columns of text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, NamedTuple

import orjson
import pyarrow as pa

from core.text import Text

PIECE = 20_000
"""The most rows of one piece."""
PIECE_CHARACTERS = 2_000_000
"""Characters (up to 8 MB) with which a piece is full, however few its rows are."""


class Unreadable(Exception):
    """A source cannot be read, or not to its end; `reason` says why without quoting what it holds."""

    def __init__(self, zh: str, en: str) -> None:
        super().__init__(en)
        self.reason = Text(zh, en)


class Piece(NamedTuple):
    """Some rows: the number of the first, and one array of texts for each attribute that is there."""

    first: int
    size: int
    columns: dict[int, pa.Array]


@dataclass
class Source:
    """One table or file; `pieces` may raise Unreadable. What is found out on the way is noted here."""

    name: str
    columns: tuple[int, ...]
    """The attributes that have a column, by their place in the entry."""
    pieces: Iterable[Piece] = ()
    bytes: int | None = None
    modified: datetime | None = None
    encoding: str | None = None
    read: bool = True
    """False for a file whose content is none of the forms that are read."""
    rows: int = 0
    malformed: int = 0
    """Lines that are no rows."""
    fault: Text | None = None


def pieces_of(rows: Iterable[Sequence[Any]], columns: Sequence[int]) -> Iterator[Piece]:
    """Yield rows as pieces; a row has one value for each of `columns`."""
    first = 1
    for some in _cut(rows):
        by_column = list(zip(*some, strict=True))
        arrays = {i: _array(values) for i, values in zip(columns, by_column, strict=True)}
        yield Piece(first, len(some), arrays)
        first += len(some)


def _cut(rows: Iterable[Sequence[Any]]) -> Iterator[list[Sequence[Any]]]:
    some: list[Sequence[Any]] = []
    size = 0
    for row in rows:
        some.append(row)
        size += sum([len(v) if type(v) is str else _length(v) for v in row])
        if len(some) >= PIECE or size >= PIECE_CHARACTERS:
            yield some
            some, size = [], 0
    if some:
        yield some


def _length(value: Any) -> int:
    """Return about how many characters a value takes that is no text."""
    return len(as_text(value) or "") if isinstance(value, Mapping | list | bytes) else 20


def _array(values: Sequence[Any]) -> pa.Array:
    try:
        return pa.array(values, pa.string())  # mostly they are texts already
    except (pa.ArrowInvalid, pa.ArrowTypeError, UnicodeEncodeError):
        return pa.array([as_text(v) for v in values], pa.string())


def as_text(value: Any) -> str | None:
    """Return a value in the form of text in which it is served."""
    match value:
        case None:
            return None
        case str():
            return value.encode("utf-8", "replace").decode()  # half of a surrogate pair is no character
        case bool():
            return "true" if value else "false"
        case date():
            return value.isoformat()
        case bytes():
            return value.decode("utf-8", "replace")
        case Mapping() | list():
            return orjson.dumps(value, default=str).decode()
    return str(value)


def rows_in_hand(names: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> Source:
    """Return rows that somebody has already, such as the records of an answer, as a source.

    An attribute that no row names has no column; one that only some rows name is missing in the others.
    """
    kept = list(rows)
    present = tuple(i for i, name in enumerate(names) if not kept or any(name in row for row in kept))
    values = ([row.get(names[i]) for i in present] for row in kept)
    return Source("", present, pieces_of(values, present))
