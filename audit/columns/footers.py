"""What the footer of a block says, read once for each state of the file."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, cast

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from audit.columns.blocks import Block, kept_from, present
from audit.columns.index import KEY, Directory, Group, Index, Place
from audit.columns.schema import EARLIER, SCHEMA, VERSION

VERSION_KEY = b"shuxiang.columns"
NEXT_KEY = b"shuxiang.next_offset"
"""Where in its file the body behind the last of the block begins."""
_ID = SCHEMA.names.index("id")


class Footer(NamedTuple):
    """What a block holds."""

    rows: int
    groups: tuple[Group, ...]
    next_offset: int
    metadata: pq.FileMetaData
    version: bytes
    directory: Directory | None
    """Of the index, None without one."""
    state: tuple[int, int, int]
    """Time, size and number of the file that says this."""

    @property
    def least(self) -> str:
        """The least id; greater than any when no row has one."""
        return min((g.least for g in self.groups if g.least is not None), default="~")

    @property
    def is_current(self) -> bool:
        """Whether it is as this release makes blocks."""
        return self.version == VERSION

    @property
    def has_all_columns(self) -> bool:
        """Whether no column of today's is missing."""
        return bool(self.metadata.schema.names == SCHEMA.names)

    @property
    def is_ours(self) -> bool:
        """Whether this release, with the version of Arrow that runs, would make the same."""
        arrow = f"parquet-cpp-arrow version {pa.cpp_version}"
        return self.is_current and bool(self.metadata.created_by == arrow)

    @property
    def greatest(self) -> str:
        """The greatest id; less than any when no row has one."""
        return max((g.greatest for g in self.groups if g.greatest is not None), default="")


def footer_of(path: Path) -> Footer | None:
    """Return what a block's footer says; None when it is gone, damaged or of a version that is not known."""
    try:
        stat = path.stat()
    except OSError:
        return None
    return _read(path, _state(stat))


@lru_cache(maxsize=4096)
def _read(path: Path, state: tuple[int, int, int]) -> Footer | None:
    try:
        metadata = pq.read_metadata(path)
        keys = metadata.metadata or {}
        version, index = keys[VERSION_KEY], keys.get(KEY)
        if metadata.schema.names != {**EARLIER, VERSION: SCHEMA.names}.get(version):
            return None
        directory = None if index is None else Directory.parse(index)
        if directory is not None and not directory.is_of(metadata.num_rows, state[1]):
            return None
        groups = _groups(metadata) if directory is None else directory.groups
        offset = int(keys[NEXT_KEY])
        return Footer(metadata.num_rows, groups, offset, metadata, version, directory, state)
    except (OSError, pa.ArrowException, ValueError, KeyError, TypeError):
        return None


def _groups(metadata: pq.FileMetaData) -> tuple[Group, ...]:
    groups = (metadata.row_group(i) for i in range(metadata.num_row_groups))
    return tuple(Group(group.num_rows, *_bounds(group.column(_ID))) for group in groups)


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


def find_ids(folder: Path, block: Block, ids: Collection[str]) -> list[Place]:
    """Return where those of `ids` lie that lie in a block. Raises FileNotFoundError without it."""
    path = block.path(folder)
    footer = footer_of(path)
    if footer is None:
        raise FileNotFoundError(path)
    if footer.directory is not None:
        with opened(path, footer) as file:
            return Index(file, footer.directory).find(ids)
    return list(_find_in_rows(path, footer, ids))


@contextmanager
def opened(path: Path, footer: Footer) -> Iterator[BinaryIO]:
    """Open the file that a footer was read from. Raises FileNotFoundError when another has its place."""
    with path.open("rb", buffering=0) as file:
        if _state(os.fstat(file.fileno())) != footer.state:
            raise FileNotFoundError(path)
        yield cast(BinaryIO, file)


def _state(stat: os.stat_result) -> tuple[int, int, int]:
    return stat.st_mtime_ns, stat.st_size, stat.st_ino


def _find_in_rows(path: Path, footer: Footer, ids: Collection[str]) -> Iterator[Place]:
    """Yield the rows with these ids, page by page, until each is found."""
    groups = [i for i, g in enumerate(footer.groups) if any(map(g.may_hold, ids))]
    wanted, left = pa.array(ids, pa.string()), len(ids)
    with opened(path, footer) as raw, pq.ParquetFile(raw, metadata=footer.metadata) as file:
        for batch in file.iter_batches(_PAGE, groups, Place._fields, use_threads=False) if groups else ():
            found = batch.filter(pc.is_in(batch.column("id"), wanted)).to_pylist()
            yield from (Place(**row) for row in found)
            left -= len(found)
            if left <= 0:
                return


_PAGE = 4_096
