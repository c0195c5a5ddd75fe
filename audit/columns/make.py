"""Making blocks, always from the bodies: written aside, then renamed into place.

The same bodies give the same file, bit for bit, with the same version of Arrow. So whoever doubts a block
makes it again and compares.
"""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq

from audit.bodies import PER_FILE, Line, read_bodies
from audit.columns.blocks import SUFFIX, Block
from audit.columns.footers import NEXT_KEY, VERSION_KEY
from audit.columns.hot import envelopes_of
from audit.columns.index import KEY
from audit.columns.indexing import Indexing, Unindexed
from audit.columns.pruning import FEW, FILTERS, GROUP
from audit.columns.schema import SCHEMA, VERSION, table_of
from audit.files import TEMPORARY
from audit.segments import sync_folder

_PIECE = 4_096
"""Bodies that are read at a time, and rows of a page: what is read at least for one row that is found."""
_HASH_BYTES = 1024 * 1024

_WHOLE = ("log_index", "at", "offset", "length")
"""Whole numbers that differ little from row to row; they are kept as differences."""
_PLAIN = ("id", "trace", "case", "ticket", "subject", "several", "intent", *("ms", "bytes"), *_WHOLE)
"""Columns in which hardly a value comes twice."""
_QUICK = ("id", "case", "ticket", "subject", "several", *FEW)
"""Columns that are looked through for a value: to read them costs more than the space of a quick codec."""


@dataclass(frozen=True, slots=True)
class Made:
    """A block as it lies on the disk: its rows, and the SHA-256 of its file in hexadecimal."""

    block: Block
    rows: int
    sha256: str


class Stopped(Exception):
    """The block was not finished because somebody asked to stop."""


Announce = Callable[[Made], None]


def make(
    folder: Path,
    block: Block,
    size: int,
    announce: Announce,
    stop: Callable[[], bool] = lambda: False,
) -> Made:
    """Make a block of a log of `size` records and put it in place, durably, once it has been announced.

    Raises OSError, ValueError, Stopped where `stop` says so, and what `announce` raises.
    """
    path = block.path(folder)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    aside = path.with_name(f"{TEMPORARY}{path.name}")
    try:
        with open(aside, "wb", opener=_private) as file:
            rows = _write(file, folder, block, size, stop)
            file.flush()
            os.fdatasync(file.fileno())
        made = Made(block, rows, digest(aside))
        announce(made)
        os.rename(aside, path)
    finally:
        aside.unlink(missing_ok=True)
    sync_folder(path.parent)
    return made


def as_made(folder: Path, block: Block, size: int) -> Made:
    """Return what `make` would put in place, without doing so. Raises OSError and ValueError."""
    sink = _Summed()
    rows = _write(sink, folder, block, size, lambda: False)
    return Made(block, rows, sink.found.hexdigest())


class _Summed(io.RawIOBase):
    """A file of which only the SHA-256 is kept."""

    def __init__(self) -> None:
        self.found = hashlib.sha256()
        self._size = 0

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._size

    def write(self, data: Any, /) -> int:
        self.found.update(data)
        self._size += len(data)
        return len(data)


def digest(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal."""
    found = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_HASH_BYTES):
            found.update(piece)
    return found.hexdigest()


class _End:
    """Where the body behind the last one that went by begins in its file; -1 when nobody knows."""

    offset = -1

    def passed(self, line: Line) -> Line:
        ends = (line.at + 1) % PER_FILE == 0
        self.offset = 0 if ends else line.offset + len(line.body) + 1
        return line


def _until(stop: Callable[[], bool], tables: Iterator[pa.Table]) -> Iterator[pa.Table]:
    for table in tables:
        if stop():
            raise Stopped
        yield table


def _from_bodies(folder: Path, block: Block, size: int, end: _End) -> Iterator[pa.Table]:
    lines = (end.passed(line) for line in read_bodies(folder / "bodies", block.first, block.end))
    while piece := list(islice(lines, _PIECE)):
        yield table_of(piece, envelopes_of(folder, piece, size))


def _write(sink: IO[bytes] | _Summed, folder: Path, block: Block, size: int, stop: Callable[[], bool]) -> int:
    """Write a block as row groups of GROUP and return the number of its rows."""
    rows, end, indexing = 0, _End(), _Indexing(block.first)
    file = pa.PythonFile(sink, "w")
    with pq.ParquetWriter(file, SCHEMA, **_OPTIONS) as writer:
        for group in _groups(_until(stop, _from_bodies(folder, block, size, end))):
            writer.write_table(group, row_group_size=GROUP)
            indexing.add(group)
            rows += group.num_rows
        keys: Mapping[bytes, bytes] = {VERSION_KEY: VERSION, NEXT_KEY: str(end.offset).encode()}
        writer.add_key_value_metadata({**keys, **indexing.finish(file)})
    return rows


class _Indexing:
    """The index of a block, where its rows give one."""

    def __init__(self, first: int) -> None:
        self._made: Indexing | None = Indexing(first)

    def add(self, rows: pa.Table) -> None:
        try:
            if self._made is not None:
                self._made.add(rows)
        except Unindexed:
            self._made = None

    def finish(self, file: pa.NativeFile) -> Mapping[bytes, bytes]:
        """Write it behind the rows, and return what goes into the footer."""
        if self._made is None or self._made.is_empty:
            return {}
        return {KEY: self._made.finish(file.tell(), file.write)}


def _groups(tables: Iterator[pa.Table]) -> Iterator[pa.Table]:
    """Put pieces together until there are GROUP rows, and take those apart that have more."""
    held: list[pa.Table] = []
    for table in tables:
        held.append(table)
        if sum(t.num_rows for t in held) >= GROUP:
            yield from _of_a_group(held)
            held = []
    yield from _of_a_group(held)


def _of_a_group(tables: list[pa.Table]) -> Iterator[pa.Table]:
    whole = pa.concat_tables([SCHEMA.empty_table(), *tables])
    return (whole.slice(at, GROUP) for at in range(0, whole.num_rows, GROUP))


_OPTIONS = {
    "compression": {name: "lz4_raw" if name in _QUICK else "zstd" for name in SCHEMA.names},
    "use_dictionary": [name for name in SCHEMA.names if name not in _PLAIN and name != "erased"],
    "column_encoding": dict.fromkeys(_WHOLE, "DELTA_BINARY_PACKED"),
    "max_rows_per_page": _PIECE,
    "bloom_filter_options": FILTERS,
    "write_page_checksum": True,
    "store_schema": False,
}


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CLOEXEC, 0o600)


def unfinished(folder: Path) -> list[Path]:
    """Return what a process left that was ended while it wrote blocks."""
    return list(folder.glob(f"columns/*/{TEMPORARY}*{SUFFIX}"))
