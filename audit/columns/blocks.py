"""Which blocks a log is kept in: full ones of 2^20 rows, behind them of 2^16, behind those of 2^12.

    columns/<rows>/<first:012d>.parquet

A block takes the place of sixteen of the size below it, so each row is written three times at most, and a
log of any size lies in few files. Every block is made from the bodies alone, whatever blocks are there. What
lies behind the last one is read from the bodies.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from audit.bodies import first_of
from audit.state import load_state

SIZES = (1_048_576, 65_536, 4_096)
"""Rows of a block, the largest first; each divides the one before it."""
FOLDER = "columns"
SUFFIX = ".parquet"


@dataclass(frozen=True, slots=True, order=True)
class Block:
    """The records from `first` on, `rows` of them; fewer where bodies of the range are gone."""

    first: int
    rows: int

    @property
    def end(self) -> int:
        """The log index behind the last."""
        return self.first + self.rows

    @property
    def name(self) -> str:
        """Its path below the folder of the columns, which stands for it in `segment.sealed`."""
        return f"{self.rows}/{self.first:012d}{SUFFIX}"

    def path(self, folder: Path) -> Path:
        """Return its file in the audit folder."""
        return folder / FOLDER / self.name

    @property
    def is_recorded(self) -> bool:
        """Whether its digest goes on record; the smallest are too many and too short-lived."""
        return self.rows > SIZES[-1]


def wanted(size: int, kept_from: int = 0) -> list[Block]:
    """Return the blocks that a log of `size` records should lie in, in order.

    Bodies below `kept_from` are gone for good, and so are the blocks that would hold nothing else.
    """
    blocks, at = [], 0
    for rows in SIZES:
        blocks += [Block(first, rows) for first in range(at, size - rows + 1, rows)]
        at = size // rows * rows
    return [block for block in blocks if block.end > kept_from]


def present(folder: Path) -> list[Block]:
    """Return the blocks whose files are there, in order; a smaller one behind a larger that holds it too."""
    found = (_found(folder / FOLDER / str(rows), rows) for rows in SIZES)
    return sorted((block for blocks in found for block in blocks), key=lambda b: (b.first, -b.rows))


def _found(folder: Path, rows: int) -> Iterator[Block]:
    for name in _names(folder):
        digits = name.removesuffix(SUFFIX)
        if not (name.endswith(SUFFIX) and digits.isascii() and digits.isdecimal() and len(digits) < 19):
            continue
        block = Block(int(digits), rows)
        if block.name == f"{rows}/{name}" and block.first % rows == 0:
            yield block


def _names(folder: Path) -> list[str]:
    """Return the names in a folder, which may hold thousands: `glob` would take longer than a search."""
    try:
        return os.listdir(folder)
    except FileNotFoundError:
        return []


def chosen(blocks: Iterable[Block], size: int) -> list[Block]:
    """Return, of blocks in the order of `present`, those that hold each record of the log once at most."""
    found: list[Block] = []
    for block in blocks:
        if block.end <= size and (not found or block.first >= found[-1].end):
            found.append(block)
    return found


def uncovered(blocks: Sequence[Block], size: int, kept_from: int = 0) -> list[tuple[int, int]]:
    """Return the ranges (first, end) of kept records that lie in none of the blocks."""
    ranges, at = [], kept_from
    for block in [*blocks, Block(size, 0)]:
        if block.first > at:
            ranges.append((at, block.first))
        at = max(at, block.end)
    return ranges


def kept_from(folder: Path) -> int:
    """Return the first log index of which the audit folder may still hold a body (files go oldest first).

    Of a closed log all may be gone.
    """
    for name in sorted(_names(folder / "bodies")):
        first = first_of(name)
        if first is not None:
            return first
    return load_state(folder).size
