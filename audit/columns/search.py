"""Finding rows, the newest first, without reading more of the log than it takes.

Records are ordered by their id, a UUID of version 7. What lies in no block is looked through as it is; of a
block the index says which rows may be wanted, and of these those with the greatest ids are taken, group by
group, until no group can hold a newer one than was found. A block without an index, which an earlier release
made, is read by row groups in the same order until it is made again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from audit.bodies import read_body
from audit.columns.asked import Asked, bound_of
from audit.columns.blocks import Block
from audit.columns.engine import Lost
from audit.columns.footers import Footer, footer_of, opened
from audit.columns.index import CODED, Group, Index, Place
from audit.columns.schema import completed
from audit.columns.tail import Snapshot
from audit.columns.wanted import Wanted, fits, rows_wanted


class Search:
    """One search through one log."""

    def __init__(self, snapshot: Snapshot, wanted: Wanted) -> None:
        self._snapshot = snapshot
        self._wanted = wanted

    def newest(self, most: int) -> list[Place]:
        """Return the `most` newest rows that are wanted, by id descending. Raises Lost.

        FileNotFoundError too says that a block was replaced meanwhile.
        """
        found = _Newest(most)
        found.take(rows_wanted(self._snapshot.hot, self._wanted))
        blocks = [(self._footer(block), block) for block in self._snapshot.blocks]
        for footer, block in sorted(blocks, key=lambda one: one[0].greatest, reverse=True):
            if not found.may_gain(footer.greatest):
                break
            self._look_into(block, footer, found)
        return found.places

    def _footer(self, block: Block) -> Footer:
        footer = footer_of(block.path(self._snapshot.folder))
        if footer is None:
            raise Lost(block.name)
        return footer

    def _look_into(self, block: Block, footer: Footer, found: _Newest) -> None:
        path, wanted = block.path(self._snapshot.folder), self._wanted
        bounds = [number for text in (wanted.first, wanted.before) if (number := bound_of(text)) is not None]
        if footer.directory is None or len(bounds) < 2 or not set(wanted.columns) <= set(CODED):
            _look_into_rows(path, footer, wanted, found)
            return
        with opened(path, footer) as file, _understood(block):
            asked = Asked(Index(file, footer.directory), footer.directory, wanted)
            if asked.is_possible:
                holds = partial(_holds, self._snapshot.folder, wanted) if asked.is_doubtful else None
                for n in _in_turn(footer.groups, wanted, found):
                    places = asked.newest(n, bounds)
                    found.take(places if holds is None else filter(holds, places))


@contextmanager
def _understood(block: Block) -> Iterator[None]:
    """Say of an index that nobody can read, since somebody altered it, that its block is not there."""
    try:
        yield
    except (IndexError, ValueError) as wrong:
        raise Lost(block.name) from wrong


class _Newest:
    """The newest rows that were found so far; each id counts once."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._found: dict[str, Place] = {}

    @property
    def places(self) -> list[Place]:
        """The rows, by id descending."""
        return [self._found[own] for own in sorted(self._found, reverse=True)]

    def may_gain(self, greatest: str) -> bool:
        """Tell whether a row with this id would be one of the newest."""
        return len(self._found) < self._most or greatest > min(self._found)

    def take(self, places: Iterable[Place]) -> None:
        """Take rows in, by id descending; no more of them than may be among the newest."""
        for place in places:
            if not self.may_gain(place.id):
                break
            self._found.setdefault(place.id, place)
            if len(self._found) > self._most:
                del self._found[min(self._found)]


def _in_turn(groups: Sequence[Group], wanted: Wanted, found: _Newest) -> Iterator[int]:
    """Yield the numbers of groups, the newest first, as long as they may hold what is newer."""
    some = [(group.greatest or "", n) for n, group in enumerate(groups) if wanted.may_lie_in(group)]
    for greatest, n in sorted(some, reverse=True):
        if not found.may_gain(greatest):
            break
        yield n


def _holds(folder: Path, wanted: Wanted, place: Place) -> bool:
    """Tell whether a body is what is wanted, where the index could tell by a checksum only.

    One that was erased or deleted meanwhile says nothing of itself any more.
    """
    index, offset, length = place.log_index, place.offset, place.length
    if index is None or offset is None or length is None:
        return False
    try:
        return wanted.is_in(orjson.loads(read_body(folder / "bodies", index, offset, length)))
    except (FileNotFoundError, ValueError):
        return False


def _look_into_rows(path: Path, footer: Footer, wanted: Wanted, found: _Newest) -> None:
    """Take in what is wanted of a block without an index."""
    with opened(path, footer) as raw, pq.ParquetFile(raw, metadata=footer.metadata) as file:
        for n in _in_turn(footer.groups, wanted, found):
            if not wanted.columns or pc.any(fits(_read(file, n, wanted.columns), wanted)).as_py():
                found.take(rows_wanted(_read(file, n, [*wanted.columns, *Place._fields]), wanted))


def _read(file: pq.ParquetFile, group: int, columns: Sequence[str]) -> pa.Table:
    return completed(file.read_row_group(group, list(dict.fromkeys(columns)), use_threads=False))
