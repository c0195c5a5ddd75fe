"""A snapshot of the logs for one question: of each the blocks to read, and all rows that lie in none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import Connection

from audit.columns.blocks import Block, chosen, kept_from, uncovered
from audit.columns.footers import find_ids, footer_of, sound
from audit.columns.hot import Waiting, waiting, waiting_rows
from audit.columns.logs import closed_folders
from audit.columns.remembered import tail_rows
from audit.columns.schema import SCHEMA
from audit.state import load_state
from core.errors import Unavailable

MOST = 1_048_576
"""How many sealed records may lie in no block before a question is refused: they are held in memory."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What a question sees of the log in an audit folder: `size` sealed records, in `blocks` and in `hot`.

    `hot` holds those too that are not sealed yet. `closed` names a log that was closed by a rotation.
    """

    folder: Path
    size: int
    blocks: tuple[Block, ...]
    hot: pa.Table
    waiting: Waiting
    closed: str | None = None


Logs = tuple[Snapshot, ...]
"""All logs of a deployment, the closed ones first, in the order of time; the one that runs is the last."""


def take_all(folder: Path, tx: Connection | None) -> Logs:
    """Take stock of the log that runs and of those closed before it. Raises Unavailable as `take` does."""
    running = take(folder, tx)
    return (*(replace(take(past, None), closed=past.name) for past in closed_folders(folder)), running)


def take(folder: Path, tx: Connection | None) -> Snapshot:
    """Take stock of one log, each record once. Raises Unavailable while too much of it lies in no block."""
    found = waiting(tx, folder)  # before the sealed ones: see `hot`
    size = load_state(folder).size
    blocks = tuple(chosen(sound(folder), size))
    sealed = _tail(folder, blocks, size)
    rest = _not_sealed(folder, found, blocks, sealed)
    return Snapshot(folder, size, blocks, pa.concat_tables([sealed, rest]), found)


def _tail(folder: Path, blocks: tuple[Block, ...], size: int) -> pa.Table:
    ranges = outside_blocks(folder, blocks, size, MOST)
    tables = [
        tail_rows(folder, first, end, size, next_offset(folder, blocks, first)) for first, end in ranges
    ]
    return pa.concat_tables([SCHEMA.empty_table(), *tables])


def outside_blocks(folder: Path, blocks: Sequence[Block], size: int, most: int) -> list[tuple[int, int]]:
    """Return the ranges (first, end) of kept records that lie in none of the blocks.

    Raises Unavailable (`columns_being_made`) for more than `most` records, and how many lie in blocks.
    """
    kept = kept_from(folder)
    ranges = uncovered(blocks, size, kept)
    missing = sum(end - first for first, end in ranges)
    if missing > most:
        raise _being_made(size - kept - missing, size - kept)
    return ranges


def _being_made(done: int, size: int) -> Unavailable:
    share = 100 * done // size
    return Unavailable(
        f"日志的列文件正在建立：{size:,} 条记录中已写入 {done:,} 条（{share}%）。平台运行时自动继续，"
        "平台停止时可运行 shuxiang audit columns。请稍后再试",
        f"the columns of the log are being made: {done:,} of {size:,} records ({share} %) lie in them. The "
        "running platform goes on with it; while it is stopped, `shuxiang audit columns` does. Try again",
        code="columns_being_made",
    )


def next_offset(folder: Path, blocks: Sequence[Block], first: int) -> int | None:
    """Return where the body `first` begins in its file, if one of the blocks ends there and knows it."""
    for block in reversed(blocks):
        if block.end == first:
            footer = footer_of(block.path(folder))
            return footer.next_offset if footer is not None and footer.next_offset >= 0 else None
    return None


def _not_sealed(folder: Path, found: Waiting, blocks: tuple[Block, ...], sealed: pa.Table) -> pa.Table:
    """Return the rows that wait, without those that were sealed while we looked or since `tx` began."""
    rows = waiting_rows(found)
    if rows.num_rows == 0:
        return rows
    ids = pc.unique(rows.column("id").drop_null()).to_pylist()
    found_too = set(sealed.column("id").to_pylist()) & set(ids)
    for block in blocks:
        footer = footer_of(block.path(folder))
        if ids and footer is not None and footer.least <= max(ids) and footer.greatest >= min(ids):
            found_too |= {place.id for place in find_ids(folder, block, ids)}
    twice = pa.array(sorted(found_too), pa.string())
    return rows.filter(pc.invert(pc.is_in(rows.column("id"), twice)))
