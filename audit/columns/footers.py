"""What the footer of a block says, read once for each state of the file."""

from __future__ import annotations

from collections.abc import Collection
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from audit.columns.blocks import Block, kept_from, present
from audit.columns.schema import SCHEMA, VERSION

VERSION_KEY = b"shuxiang.columns"
NEXT_KEY = b"shuxiang.next_offset"
"""Where in its file the body behind the last of the block begins."""
_ID, _LOG_INDEX = (SCHEMA.names.index(name) for name in ("id", "log_index"))


class Group(NamedTuple):
    """A row group: its rows, the log index of the first, and the least and greatest id, None without any."""

    rows: int
    first: int
    least: str | None
    greatest: str | None


class Footer(NamedTuple):
    """What a block holds."""

    rows: int
    groups: tuple[Group, ...]
    next_offset: int
    metadata: pq.FileMetaData

    @property
    def least(self) -> str:
        """The least id; greater than any when no row has one."""
        return min((g.least for g in self.groups if g.least is not None), default="~")

    @property
    def is_ours(self) -> bool:
        """Whether the version of Arrow that made it is the one that runs."""
        return bool(self.metadata.created_by == f"parquet-cpp-arrow version {pa.cpp_version}")

    @property
    def greatest(self) -> str:
        """The greatest id; less than any when no row has one."""
        return max((g.greatest for g in self.groups if g.greatest is not None), default="")


def footer_of(path: Path) -> Footer | None:
    """Return what a block's footer says; None when it is gone, damaged or of another version."""
    try:
        stat = path.stat()
    except OSError:
        return None
    return _read(path, stat.st_mtime_ns, stat.st_size, stat.st_ino)


@lru_cache(maxsize=4096)
def _read(path: Path, *_state: int) -> Footer | None:
    try:
        metadata = pq.read_metadata(path)
    except (OSError, pa.ArrowException):
        return None
    keys = metadata.metadata or {}
    if keys.get(VERSION_KEY) != VERSION or metadata.schema.names != SCHEMA.names:
        return None
    groups = (metadata.row_group(i) for i in range(metadata.num_row_groups))
    bounds = tuple(
        Group(group.num_rows, _bounds(group.column(_LOG_INDEX))[0], *_bounds(group.column(_ID)))
        for group in groups
    )
    return Footer(metadata.num_rows, bounds, int(keys[NEXT_KEY]), metadata)


def _bounds(column: pq.ColumnChunkMetaData) -> tuple[Any, Any]:
    known = column.statistics
    return (known.min, known.max) if known is not None and known.has_min_max else (None, None)


def sound(folder: Path) -> list[Block]:
    """Return the blocks to go by, as `blocks.present` does: they can be read and hold what is kept.

    The smallest count only as this version of Arrow makes them, so that a check can make them again and
    compare: their digests are on record nowhere.
    """
    kept = kept_from(folder)
    return [block for block in present(folder) if block.end > kept and _is_sound(folder, block)]


def _is_sound(folder: Path, block: Block) -> bool:
    footer = footer_of(block.path(folder))
    return footer is not None and (block.is_recorded or footer.is_ours)


def find_ids(folder: Path, block: Block, ids: Collection[str]) -> pa.Table:
    """Return id, log_index, offset and length of those of `ids` that lie in a block.

    Pages are read until all are found. Raises FileNotFoundError when the block is gone.
    """
    path = block.path(folder)
    footer = footer_of(path)
    if footer is None:
        raise FileNotFoundError(path)
    groups = [i for i, g in enumerate(footer.groups) if _may_hold(g, ids)]
    wanted, found = pa.array(ids, pa.string()), []
    with pq.ParquetFile(path, metadata=footer.metadata, memory_map=True) as file:
        for batch in file.iter_batches(_PAGE, groups, _PLACE, use_threads=False) if groups else ():
            found.append(batch.filter(pc.is_in(batch.column("id"), wanted)))
            if sum(rows.num_rows for rows in found) == len(ids):
                break
    return pa.Table.from_batches(found, pa.schema([SCHEMA.field(name) for name in _PLACE]))


_PAGE = 4_096
_PLACE = ["id", "log_index", "offset", "length"]


def _may_hold(group: Group, ids: Collection[str]) -> bool:
    return group.least is not None and any(group.least <= i <= (group.greatest or "") for i in ids)
