"""Comparing the rows of a block of columns with the bodies that they stand for."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from audit.bodies import Line, read_bodies
from audit.columns.blocks import Block
from audit.columns.hot import envelopes_of
from audit.columns.schema import SCHEMA, table_of

_ROWS = 4_096
"""Rows that are compared at a time."""


def rows_fit(folder: Path, block: Block, size: int, pruned: int, gone: Collection[int]) -> bool:
    """Tell whether a block of a log of `size` records holds a row for each of its bodies, and no other.

    Records below `pruned` and those in `gone` have no body any more; they are left aside. Raises OSError and
    ValueError.
    """
    with pq.ParquetFile(block.path(folder)) as file:
        compared = _Comparison(folder, block, size, pruned, gone)
        pieces = (pa.Table.from_batches([batch]) for batch in file.iter_batches(_ROWS, use_threads=False))
        return all(compared.goes_on(rows) for rows in pieces) and compared.is_over()


class _Comparison:
    """Bodies and rows of a block, side by side."""

    def __init__(self, folder: Path, block: Block, size: int, pruned: int, gone: Collection[int]) -> None:
        self._folder = folder
        self._size = size
        self._pruned = pruned
        self._gone = gone
        self._lines = read_bodies(folder / "bodies", block.first, block.end)
        self._next = next(self._lines, None)

    def goes_on(self, rows: pa.Table) -> bool:
        """Tell whether the next rows are those of the next bodies, up to the last of these rows."""
        if rows.schema.names != SCHEMA.names:
            return False
        indexes = rows.column("log_index").to_pylist()
        lines = self._up_to(indexes[-1]) if indexes and indexes[-1] is not None else []
        made = self._made(lines)
        if made.equals(rows):
            return True
        due, there = self._among(made, [line.at for line in lines]), self._among(rows, indexes)
        return bool(due.equals(there))

    def is_over(self) -> bool:
        """Tell whether no body is left that should have a row."""
        return all(self._is_gone(line.at) for line in ([self._next] if self._next else []) + [*self._lines])

    def _up_to(self, last: int) -> list[Line]:
        taken: list[Line] = []
        while self._next is not None and self._next.at <= last:
            taken.append(self._next)
            self._next = next(self._lines, None)
        return taken

    def _made(self, lines: Sequence[Line]) -> pa.Table:
        if not lines:
            return SCHEMA.empty_table()
        return table_of(lines, envelopes_of(self._folder, lines, self._size))

    def _among(self, rows: pa.Table, indexes: Sequence[int | None]) -> pa.Table:
        return rows.filter(pa.array([not self._is_gone(at) for at in indexes], pa.bool_()))

    def _is_gone(self, at: int | None) -> bool:
        return at is not None and (at < self._pruned or at in self._gone)
