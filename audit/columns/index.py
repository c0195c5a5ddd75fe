"""The index of a block: for each column that a search may ask for a small number a row, one behind the other.

A search compares a column of numbers with one number: a million of them take less than a millisecond, while
to read as many texts takes a hundred. In a column with few values the number stands for one of them, so that
a block without the value is passed over at once; in one with many it is a checksum, and whoever finds a row
by it looks into the body whether the value is there. Ids and places lie beside them, each as wide as its
greatest, so that single rows can be read.

The index lies in the block's own file, between rows and footer, where readers of Parquet pass it over: the
digest that is on record covers it, and a check makes it again from the rows (`indexing`).
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, BinaryIO, NamedTuple
from uuid import UUID

import numpy as np
import orjson

KEY = b"shuxiang.index"
"""Where the footer of a block says what lies where in the index."""
CODED = (
    *("kind", "consumer", "provider", "department", "client", "grant", "dataset", "operation"),
    *("decision", "reason", "case", "ticket", "actor", "subject", "intent"),
)
"""The columns that have an index."""
NULL = 0
"""The number of a row without a value."""
AT_ONCE = 64
"""Rows whose places are read at a time."""
LOWER = (1 << 64) - 1
"""The bits of the lower half of an id."""

_OTHER_LENGTH = ("values", "several")
"""Parts that do not have a number for each row."""

Numbers = np.ndarray[Any, np.dtype[Any]]
Mask = Numbers | np.bool_
"""Which rows of a stretch: one truth for each, or one for all."""


class Place(NamedTuple):
    """A row that was found, and where its body lies unless the record waits to be sealed."""

    id: str
    log_index: int | None
    offset: int | None
    length: int | None


class Group(NamedTuple):
    """Some rows that follow each other: how many, and the least and greatest id, None without any."""

    rows: int
    least: str | None
    greatest: str | None

    def may_hold(self, own: str) -> bool:
        """Tell whether an id lies between its bounds."""
        return self.least is not None and self.least <= own <= (self.greatest or "")


def checksum(value: str) -> int:
    """Return the number that stands for a value in a column with many."""
    return zlib.crc32(value.encode()) or 1


def number_of(text: str) -> int | None:
    """Return the number that an id is, None for what is not spelled as ids are."""
    try:
        found = UUID(text)
    except ValueError:
        return None
    return found.int if str(found) == text else None


@dataclass(frozen=True)
class Directory:
    """What lies where: by name the place in the file, the type and how many."""

    groups: tuple[Group, ...]
    parts: Mapping[str, tuple[int, str, int]]
    first: int
    """What log indexes are counted from."""

    @staticmethod
    def parse(raw: bytes) -> Directory:
        """Read what a footer says. Raises ValueError, KeyError and TypeError for anything else."""
        said = orjson.loads(raw)
        groups = tuple(Group(*group) for group in said["groups"])
        parts = {name: (int(at), np.dtype(kind).str, int(n)) for name, (at, kind, n) in said["parts"].items()}
        return Directory(groups, parts, int(said["first"]))

    def text(self) -> bytes:
        """Return what `parse` reads."""
        groups = [tuple(group) for group in self.groups]
        return orjson.dumps({"first": self.first, "groups": groups, "parts": self.parts})

    def is_of(self, rows: int, size: int) -> bool:
        """Tell whether this can be the index of a block of `rows` rows in a file of `size` bytes."""
        needed = {"id.upper", "id.lower", "offset", "length", "several.row", "several.person"}
        lengths = {n for name, (_, _, n) in self.parts.items() if name.split(".")[0] not in _OTHER_LENGTH}
        ends = (at + np.dtype(kind).itemsize * n for at, kind, n in self.parts.values())
        known = all({f"code.{name}", f"values.{name}"} & set(self.parts) for name in CODED)
        inside = all(at > 0 and n >= 0 for at, _, n in self.parts.values()) and max(ends) <= size
        return known and inside and needed <= set(self.parts) and {rows} == {self.starts[-1], *lengths}

    @cached_property
    def starts(self) -> tuple[int, ...]:
        """The number of each group's first row, and of what would follow the last."""
        found = [0]
        for group in self.groups:
            found.append(found[-1] + group.rows)
        return tuple(found)


class Index:
    """The index of one block, in the open file that the directory is of."""

    def __init__(self, file: BinaryIO, directory: Directory) -> None:
        self._file = file
        self._directory = directory

    # --- values -----------------------------------------------------------------------------------

    def number(self, name: str, value: str) -> int | None:
        """Return the number that stands for a value in the column `name`, None when no row has it."""
        values = self._values(name)
        if values is None:
            return checksum(value)
        return values.index(value) + 1 if value in values else None

    def is_sure(self, name: str) -> bool:
        """Tell whether a number of the column `name` stands for one value only."""
        return f"values.{name}" in self._directory.parts

    def having(self, name: str, number: int | None, begin: int, end: int) -> Mask:
        """Tell of the rows from `begin` up to `end` which have a number in the column `name`."""
        if number is None:
            return np.bool_(False)
        if f"code.{name}" not in self._directory.parts:  # the same in every row
            return np.bool_((number == NULL) == (not self._values(name)))
        found: Numbers = self.part(f"code.{name}", begin, end) == number
        return found

    def several(self, value: str) -> Numbers:
        """Return the numbers of the rows in which `subject` may name this person and others."""
        found: Numbers = self.part("several.row")[self.part("several.person") == checksum(value)]
        return found

    def _values(self, name: str) -> list[str] | None:
        """Return the values that the numbers 1 and so on of a column stand for, None where it has many."""
        if not self.is_sure(name):
            return None
        values: list[str] = orjson.loads(self.part(f"values.{name}").tobytes())
        return values

    # --- rows -------------------------------------------------------------------------------------

    def ids(self, group: int) -> tuple[Numbers, Numbers]:
        """Return the upper and the lower halves of the ids of a group's rows; both 0 for a row without."""
        bounds = self._directory.starts[group : group + 2]
        return self.part("id.upper", *bounds), self.part("id.lower", *bounds)

    def places(self, rows: Sequence[int], ids: Sequence[str]) -> list[Place]:
        """Return where the bodies of rows lie; `ids` are theirs."""
        found = (self._of(name, rows) for name in ("log_index", "offset", "length"))
        return [Place(*place) for place in zip(ids, *found, strict=True)]

    def _of(self, name: str, rows: Sequence[int]) -> list[int]:
        base = self._directory.first if name == "log_index" else 0
        if name not in self._directory.parts:  # a row for each record
            return [base + row for row in rows]
        return [base + int(self.part(name, row, row + 1)[0]) for row in rows]

    def find(self, ids: Collection[str]) -> list[Place]:
        """Return the rows with these ids."""
        found = []
        for n, group in enumerate(self._directory.groups):
            numbers = [number for i in ids if group.may_hold(i) and (number := number_of(i)) is not None]
            found += self._find(n, numbers) if numbers else []
        return found

    def _find(self, group: int, numbers: Sequence[int]) -> list[Place]:
        upper, lower = self.ids(group)
        begin, places = self._directory.starts[group], list[Place]()
        for number in numbers:
            rows = np.flatnonzero((upper == number >> 64) & (lower == number & LOWER)).tolist()
            places += self.places([begin + row for row in rows], [spelled(number)] * len(rows))
        return places

    def part(self, name: str, begin: int = 0, end: int | None = None) -> Numbers:
        """Return the numbers of a part from `begin` up to `end`. Raises FileNotFoundError without them."""
        at, kind, count = self._directory.parts[name]
        dtype, end = np.dtype(kind), count if end is None else end
        size = (end - begin) * dtype.itemsize
        raw = os.pread(self._file.fileno(), size, at + begin * dtype.itemsize)
        if len(raw) != size:
            raise FileNotFoundError(self._file.name)
        return np.frombuffer(raw, dtype)


def spelled(number: int) -> str:
    """Return an id as records have it."""
    return str(UUID(int=number))
