"""Making blocks, from the bodies or sixteen smaller ones into one: written aside, then renamed into place."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from audit.bodies import PER_FILE, Line, read_bodies
from audit.columns.blocks import SUFFIX, Block
from audit.columns.footers import NEXT_KEY, VERSION_KEY, footer_of
from audit.columns.hot import envelopes_of
from audit.columns.schema import SCHEMA, VERSION, table_of
from audit.files import TEMPORARY
from audit.segments import sync_folder

GROUP = 32_768
"""Rows of a row group: what one thread reads at a time, and what a look-up by id reads."""
_PIECE = 4_096
"""Bodies that are read at a time, and rows of a page: what is read at least for one row that is found."""
_HASH_BYTES = 1024 * 1024

_WHOLE = ("log_index", "at", "offset", "length")
"""Whole numbers that differ little from row to row; they are kept as differences."""
_PLAIN = ("id", "trace", "case", "ticket", "subject", "intent", *("ms", "bytes"), *_WHOLE)
"""Columns in which hardly a value comes twice."""
_QUICK = ("id", "case", "ticket", "subject")
"""Columns that are looked through for a value and shrink little: to read them costs more than their space."""
_MANY = ("case", "ticket", "trace", "subject", "actor", "address")
_FEW = ("grant", "client", "dataset", "operation", "consumer", "provider", "department", "kind", "reason")
_BLOOM = {
    **{name: {"ndv": GROUP, "fpp": 0.01} for name in _MANY},
    **{name: {"ndv": 2_048, "fpp": 0.01} for name in _FEW},
}
"""Filters that tell from a few bytes that a row group does not hold a value (Parquet, split block)."""


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
    *,
    from_bodies: bool = False,
) -> Made:
    """Make a block of a log of `size` records and put it in place, durably, once it has been announced.

    It is made of the smaller ones where all of them are there, unless `from_bodies`. Raises OSError,
    ValueError, Stopped where `stop` says so, and what `announce` raises.
    """
    path = block.path(folder)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    aside = path.with_name(f"{TEMPORARY}{path.name}")
    try:
        tables, end = _source(folder, block, size, from_bodies)
        rows = _write(aside, _until(stop, tables), end)
        made = Made(block, rows, digest(aside))
        announce(made)
        os.rename(aside, path)
    finally:
        aside.unlink(missing_ok=True)
    sync_folder(path.parent)
    return made


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


def _source(folder: Path, block: Block, size: int, from_bodies: bool) -> tuple[Iterator[pa.Table], _End]:
    """Return the rows of a block in pieces, and where it ends once they have been taken."""
    parts, end = [] if from_bodies else block.parts(), _End()
    footers = [footer_of(part.path(folder)) for part in parts]
    last = footers[-1] if footers else None
    if last is not None and None not in footers:
        end.offset = last.next_offset
        return (_rows(part.path(folder)) for part in parts), end
    return _from_bodies(folder, block, size, end), end


def _until(stop: Callable[[], bool], tables: Iterator[pa.Table]) -> Iterator[pa.Table]:
    for table in tables:
        if stop():
            raise Stopped
        yield table


def _rows(path: Path) -> pa.Table:
    with pq.ParquetFile(path) as file:
        return file.read(use_threads=False)


def _from_bodies(folder: Path, block: Block, size: int, end: _End) -> Iterator[pa.Table]:
    lines = (end.passed(line) for line in read_bodies(folder / "bodies", block.first, block.end))
    while piece := list(islice(lines, _PIECE)):
        yield table_of(piece, envelopes_of(folder, piece, size))


def _write(path: Path, tables: Iterator[pa.Table], end: _End) -> int:
    """Write rows as row groups of GROUP and return their number."""
    rows = 0
    with open(path, "wb", opener=_private) as file:
        with pq.ParquetWriter(file, SCHEMA, **_OPTIONS) as writer:
            for group in _groups(tables):
                writer.write_table(group, row_group_size=GROUP)
                rows += group.num_rows
            keys: Mapping[bytes, bytes] = {VERSION_KEY: VERSION, NEXT_KEY: str(end.offset).encode()}
            writer.add_key_value_metadata(keys)
        file.flush()
        os.fdatasync(file.fileno())
    return rows


def _groups(tables: Iterator[pa.Table]) -> Iterator[pa.Table]:
    """Put pieces together until there are GROUP rows."""
    held: list[pa.Table] = []
    for table in tables:
        held.append(table)
        if sum(t.num_rows for t in held) >= GROUP:
            yield pa.concat_tables(held)
            held = []
    if held:
        yield pa.concat_tables(held)


_OPTIONS = {
    "compression": {name: "lz4_raw" if name in _QUICK else "zstd" for name in SCHEMA.names},
    "use_dictionary": [name for name in SCHEMA.names if name not in _PLAIN and name != "erased"],
    "column_encoding": dict.fromkeys(_WHOLE, "DELTA_BINARY_PACKED"),
    "max_rows_per_page": _PIECE,
    "bloom_filter_options": _BLOOM,
    "write_page_checksum": True,
    "store_schema": False,
}


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CLOEXEC, 0o600)


def unfinished(folder: Path) -> list[Path]:
    """Return what a process left that was ended while it wrote blocks."""
    return list(folder.glob(f"columns/*/{TEMPORARY}*{SUFFIX}"))
