"""Rows of the columns compared with what they were made from: the bodies, and the digests that the log holds.

This is for the few rows that no recorded digest covers: those of the smallest blocks, and those behind them.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from audit.bodies import Line, is_erased, read_bodies
from audit.columns.blocks import Block
from audit.columns.footers import footer_of
from audit.columns.hot import envelope_at, envelopes_of
from audit.columns.indexing import index_fits
from audit.columns.make import digest
from audit.columns.schema import table_of
from audit.record import body_digest
from audit.state import load_state


def block_agrees(folder: Path, block: Block) -> bool:
    """Tell whether rows, index and footer of a block are those of the bodies that the log holds.

    Each state of the file is compared once. One that cannot be read is not. Raises FileNotFoundError when the
    block is gone.
    """
    state = _state(block.path(folder))
    try:
        return _block_agrees(folder, block, state)
    except FileNotFoundError:
        raise
    except (OSError, ValueError):
        return False


def block_digest(path: Path) -> str:
    """Return the SHA-256 of a block's file, read once for each state. Raises FileNotFoundError."""
    return _block_digest(path, _state(path))


def rows_agree(folder: Path, first: int, end: int, size: int, rows: pa.Table) -> bool:
    """Tell whether rows of the records from `first` up to `end` are those of the bodies that the log holds.

    What has no body any more or was erased, and what has no row, is left aside.
    """
    lines = list(read_bodies(folder / "bodies", first, end))
    if not lines:
        return True
    pairs = zip(lines, envelopes_of(folder, lines, size), strict=True)
    kept = [(line, envelope) for line, envelope in pairs if not is_erased(line.body)]
    if not all(is_that_of(line.body, envelope) for line, envelope in kept):
        return False
    made = _among(table_of([line for line, _ in kept], [envelope for _, envelope in kept]), rows)
    return bool(made.equals(_among(rows, made)))


def is_that_of(body: bytes, envelope: bytes) -> bool:
    """Tell whether a body is the one whose digest the envelope holds."""
    return bool(body_digest(body) == orjson.loads(envelope)["b"])


def is_in_log(folder: Path, line: Line, size: int) -> bool:
    """Tell whether a body is the one that the log of `size` records holds the digest of."""
    return is_that_of(line.body, envelope_at(folder, line.at, size))


def _among(rows: pa.Table, others: pa.Table) -> pa.Table:
    """Return the rows that the others hold too, by log index."""
    return rows.filter(pc.is_in(rows.column("log_index"), others.column("log_index").combine_chunks()))


def _state(path: Path) -> tuple[int, int, int]:
    stat = path.stat()
    return stat.st_mtime_ns, stat.st_size, stat.st_ino


@lru_cache(maxsize=4096)
def _block_digest(path: Path, _state: tuple[int, int, int]) -> str:
    return digest(path)


@lru_cache(maxsize=4096)
def _block_agrees(folder: Path, block: Block, _state: tuple[int, int, int]) -> bool:
    path = block.path(folder)
    with pq.ParquetFile(path) as file:
        rows = file.read(use_threads=False)
    footer = footer_of(path)
    if footer is None or not index_fits(path, block.first, footer.directory):
        return False
    return rows_agree(folder, block.first, block.end, load_state(folder).size, rows)
