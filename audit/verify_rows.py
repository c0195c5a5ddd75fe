"""Comparing the rows of a block of columns with the bodies that they stand for."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from audit.bodies import PER_FILE, Line, bodies_path, read_bodies
from audit.columns.blocks import Block
from audit.columns.hot import envelopes_of
from audit.columns.schema import SCHEMA, completed, table_of
from audit.files import tile_reader
from audit.tiles import ENTRIES, WIDTH, decode_bundle
from audit.verify_spelled import Sealed, in_doubt

_ROWS = PER_FILE
"""Rows that are compared at a time."""
_MOST_BYTES = 1 << 31
"""What places of 32 bits are enough for."""


def rows_fit(folder: Path, block: Block, size: int, pruned: int, gone: Collection[int]) -> bool:
    """Tell whether a block of a log of `size` records holds a row for each of its bodies, and no other.

    Records below `pruned` and those in `gone` have no body any more; they are left aside. Raises OSError and
    ValueError.
    """
    with pq.ParquetFile(block.path(folder)) as file:
        compared = _Comparison(folder, block, size, pruned, gone)
        return all(map(compared.goes_on, file.iter_batches(_ROWS, use_threads=False))) and compared.is_over()


class _Comparison:
    """Bodies and rows of a block, side by side."""

    def __init__(self, folder: Path, block: Block, size: int, pruned: int, gone: Collection[int]) -> None:
        self._folder = folder
        self._block = block
        self._size = size
        self._pruned = pruned
        self._gone = gone
        self._file = _File(folder, block.first)
        self._next = block.first

    def goes_on(self, rows: pa.RecordBatch) -> bool:
        """Tell whether the next rows are those of the next bodies, up to the last of these rows."""
        rows = completed(rows)
        if rows.schema.names != SCHEMA.names:
            return False
        indexes = rows["log_index"].to_pylist()
        if not indexes or None in indexes:
            return not indexes
        first, self._next = self._next, max(self._next, indexes[-1] + 1)
        sealed = self._sealed(first, rows) if indexes == list(range(first, self._next)) else None
        doubtful = None if sealed is None else in_doubt(sealed, rows)
        if doubtful == []:
            return True
        lines = list(read_bodies(self._folder / "bodies", first, self._next))
        if doubtful is not None and len(lines) == len(rows):
            rows, lines = rows.take(pa.array(doubtful)), [lines[i] for i in doubtful]
            indexes = [line.at for line in lines]
        return self._fit(rows, indexes, lines)

    def is_over(self) -> bool:
        """Tell whether no body is left that should have a row."""
        rest = read_bodies(self._folder / "bodies", self._next, self._block.end)
        return all(self._is_gone(line.at) for line in rest)

    def _sealed(self, first: int, rows: pa.RecordBatch) -> Sealed | None:
        """Return the records of these rows, None when their bodies are not where the rows say."""
        if self._file.first != first // PER_FILE * PER_FILE:
            self._file = _File(self._folder, first)
        offsets = self._file.offsets(first - self._file.first, rows)
        if offsets is None:
            return None
        return Sealed(first, self._file.raw, offsets, _entries(self._folder, first, self._next, self._size))

    def _fit(self, rows: pa.RecordBatch, indexes: Sequence[int | None], lines: Sequence[Line]) -> bool:
        """Tell whether the rows are what these bodies give when they are read."""
        table, made = pa.Table.from_batches([rows]), SCHEMA.empty_table()
        if lines:
            made = table_of(lines, envelopes_of(self._folder, lines, self._size))
        if made.equals(table):
            return True
        due, there = self._among(made, [line.at for line in lines]), self._among(table, indexes)
        return bool(due.equals(there))

    def _among(self, rows: pa.Table, indexes: Sequence[int | None]) -> pa.Table:
        return rows.filter(pa.array([not self._is_gone(at) for at in indexes], pa.bool_()))

    def _is_gone(self, at: int | None) -> bool:
        return at is not None and (at < self._pruned or at in self._gone)


class _File:
    """A file of bodies; nothing is in it where there is none, or a far too large one."""

    def __init__(self, folder: Path, index: int) -> None:
        path = bodies_path(folder / "bodies", index)
        self.first = index // PER_FILE * PER_FILE
        self.raw = path.read_bytes() if path.exists() and path.stat().st_size < _MOST_BYTES else b""

    def offsets(self, begin: int, rows: pa.RecordBatch) -> pa.Array | None:
        """Return where lines begin and the last one ends, as the rows say; None when line `begin` does not.

        To look for line ends costs far more. Whether there are others between is for the caller to see.
        """
        starts = rows["offset"]
        said = pa.concat_arrays(
            [starts[:1], pc.add(pc.add(starts, rows["length"]), pa.scalar(1, pa.int64()))]
        )
        if said.null_count or not said[:-1].equals(starts) or not pc.all(pc.less(starts, said[1:])).as_py():
            return None
        first, last = said[0].as_py(), said[-1].as_py()
        if first < 0 or last > len(self.raw) or self.raw.count(b"\n", 0, first) != begin:
            return None
        codes = pa.Array.from_buffers(pa.uint8(), len(self.raw), [None, pa.py_buffer(self.raw)])
        ends = codes.take(pc.subtract(said[first == 0 :], 1))
        return said.cast(pa.int32()) if pc.all(pc.equal(ends, ord("\n"))).as_py() else None


def _entries(folder: Path, first: int, end: int, size: int) -> list[bytes]:
    """Return the envelopes of neighbouring records in a log of `size`."""
    read, begin = tile_reader(folder / "log"), first // WIDTH
    bundles = (read(ENTRIES, i, min(WIDTH, size - i * WIDTH)) for i in range(begin, -(-end // WIDTH)))
    entries = [entry for bundle in bundles for entry in decode_bundle(bundle)]
    return entries[first - begin * WIDTH : end - begin * WIDTH]
