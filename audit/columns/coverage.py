"""Which part of the logs an answer rests on, and whether that is all of it.

All of it means: every entry of each log in that part has its row; the blocks of 65,536 rows and more are
those, bit for bit, that the log itself holds the digests of (`segment.sealed`, the newest for each block);
the rows of smaller blocks and of the hot tail are those of bodies with the digests that the log holds; and
each log follows the one before it. What could not be compared is counted only, and said to be. That the
log's entries are those under its checkpoint is for `shuxiang audit verify`, which trusts none of this.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import chain
from pathlib import Path

import orjson
import pyarrow.compute as pc
import pyarrow.parquet as pq
from sqlalchemy import Connection

from audit.bodies import read_bodies
from audit.columns.blocks import Block, uncovered
from audit.columns.compare import block_agrees, block_digest, rows_agree
from audit.columns.engine import Engine
from audit.columns.footers import Footer, footer_of
from audit.columns.hot import envelope_at
from audit.columns.logs import newest_note, origin_of, predecessor
from audit.columns.recorded import Recorded
from audit.columns.tail import Logs, Snapshot
from core.times import instant_of

_MARGIN = timedelta(hours=1)
"""How much later than it happened something may have been sealed; the data plane stops after a minute."""
_TAIL_MOST = 65_536
"""Of a longer tail, which is about to go into blocks, the rows are counted only."""

Range = tuple[int, int]
"""The first log index, and the one behind the last."""


@dataclass(frozen=True, slots=True)
class Coverage:
    """The entries `first` to `last` of a log were looked at, of `size` that are sealed; both -1 for none.

    `checkpoint` is the log's newest signed note, empty before the first. `blocks` were compared with their
    recorded digests. Those in `altered` differ, or stretches of rows from their bodies. Of `missing` entries,
    from first to last, there is no body any more, by rule or not. `counted` entries were not compared.
    """

    first: int
    last: int
    size: int
    checkpoint: str
    blocks: tuple[str, ...]
    altered: tuple[str, ...]
    missing: tuple[Range, ...]
    counted: int = 0
    lost: tuple[str, ...] = ()
    """Closed logs that may hold something of the period and are not there, or not as the next one says."""
    closed: tuple[Coverage, ...] = field(default=())
    """The same of each closed log that was looked at."""

    @property
    def complete(self) -> bool:
        """Whether nothing that happened in the period is left out, erased bodies aside."""
        whole = not (self.missing or self.altered or self.lost)
        return whole and all(log.complete for log in self.closed)

    @property
    def origin(self) -> str:
        """The name of the log."""
        return origin_of(self.checkpoint)


def coverage(
    engine: Engine, logs: Logs, since: datetime | None = None, until: datetime | None = None
) -> Coverage:
    """Return what an answer that was given over `logs` about a period rests on; `until` is exclusive.

    A block that was made this very second counts as altered where `logs` were taken without a transaction:
    its record is in the outbox.
    """
    recorded = Recorded(engine, logs)
    each = [_of_one(log, _Period(log.folder, log.size, since, until), recorded) for log in logs]
    looked = tuple(one for one in each[:-1] if one.last >= 0)
    return replace(each[-1], closed=looked, lost=tuple(_lost(logs, since)))


def coverage_now(
    engine: Engine,
    tx: Connection | None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> Coverage:
    """Return what an answer that was given now would rest on. Raises Unavailable as the engine does."""
    return engine.attempt(tx, lambda logs: coverage(engine, logs, since, until))


def _of_one(log: Snapshot, period: _Period, recorded: Recorded) -> Coverage:
    stored = [(block.first, block.end) for block in log.blocks]
    whole = [*stored, *uncovered(log.blocks, log.size)]
    if log.closed is not None and not period.may_hold((0, log.size)):
        whole = []
    spans = [span for span in whole if period.may_hold(span)]
    looked = [block for block in log.blocks if (block.first, block.end) in spans]
    tail = [span for span in spans if span not in stored]
    note = newest_note(log.folder)
    compared = _Compared(log, recorded.of(origin_of(note)))
    for block in looked:
        compared.compare_block(block)
    for span in tail:
        compared.compare_tail(span)
    runs = _joined(chain.from_iterable(_missing(log.folder, span, looked) for span in sorted(spans)))
    return Coverage(
        min((first for first, _ in spans), default=-1),
        max((end - 1 for _, end in spans), default=-1),
        log.size,
        note,
        tuple(block.name for block in looked if block.is_recorded),
        tuple(compared.altered),
        tuple((first, end - 1) for first, end in runs if period.may_hold((first, end))),
        compared.counted,
    )


def _lost(logs: Logs, since: datetime | None) -> Iterator[str]:
    """Yield the closed logs that one of these says it follows, and that do not end where it says."""
    ends = {origin_of(newest_note(log.folder)): log for log in logs}
    for log in logs:
        before = predecessor(log.folder)
        if before is None or _fits(ends.get(before.origin), before.size):
            continue
        if since is None or _Period(log.folder, log.size, since, None).begins_after(0):
            yield before.origin


def _fits(log: Snapshot | None, size: int) -> bool:
    return log is not None and log.size == size


# --- the period -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Period:
    """A period of a log of `size` records."""

    folder: Path
    size: int
    since: datetime | None
    until: datetime | None

    def may_hold(self, span: Range) -> bool:
        """Tell whether a stretch of the log may hold records of the period, by the times of its ends."""
        if self.since is not None and self._time_of(span[1] - 1) + _MARGIN < self.since:
            return False
        return self.until is None or self._time_of(span[0]) - _MARGIN < self.until

    def begins_after(self, index: int) -> bool:
        """Tell whether the period reaches back beyond an entry."""
        return self.since is None or self._time_of(index) + _MARGIN >= self.since

    def _time_of(self, index: int) -> datetime:
        return instant_of(orjson.loads(envelope_at(self.folder, index, self.size))["t"])


# --- what is compared -----------------------------------------------------------------------------


class _Compared:
    """What of one log was compared with the digests that the logs hold."""

    def __init__(self, log: Snapshot, recorded: dict[str, str]) -> None:
        self._log = log
        self._recorded = recorded
        self.altered: list[str] = []
        self.counted = 0

    def compare_block(self, block: Block) -> None:
        """Compare a block; one that was replaced since the answer cannot be compared any more."""
        try:
            if not self._agrees(block):
                self.altered.append(block.name)
        except FileNotFoundError:
            self.counted += block.rows

    def _agrees(self, block: Block) -> bool:
        if block.is_recorded:
            return self._recorded.get(block.name) == block_digest(block.path(self._log.folder))
        return block_agrees(self._log.folder, block)

    def compare_tail(self, span: Range) -> None:
        """Compare the rows of a stretch that lies in no block."""
        first, end = span
        if end - first > _TAIL_MOST:
            self.counted += end - first
            return
        hot = self._log.hot
        index = hot.column("log_index")
        rows = hot.filter(pc.and_(pc.greater_equal(index, first), pc.less(index, end)))
        if not rows_agree(self._log.folder, first, end, self._log.size, rows):
            self.altered.append(f"{first}-{end - 1}")


# --- what is missing ------------------------------------------------------------------------------


def _missing(folder: Path, span: Range, blocks: Sequence[Block]) -> Iterator[Range]:
    """Yield the runs of entries in a stretch that have no row."""
    first, end = span
    block = next((b for b in blocks if (b.first, b.end) == span), None)
    footer = footer_of(block.path(folder)) if block is not None else None
    if footer is not None and footer.rows == end - first:
        return
    at = first
    for index in _indexes(folder, span, block, footer):
        if index > at:
            yield at, index
        at = index + 1
    if at < end:
        yield at, end


def _indexes(folder: Path, span: Range, block: Block | None, footer: Footer | None) -> Iterator[int]:
    """Yield the log indexes that a stretch holds, in order."""
    if block is None or footer is None:
        return (line.at for line in read_bodies(folder / "bodies", *span))
    with pq.ParquetFile(block.path(folder)) as file:
        return iter(file.read(columns=["log_index"]).column(0).to_pylist())


def _joined(runs: Iterator[Range]) -> Iterator[Range]:
    """Yield runs with those that touch put together."""
    held: Range | None = None
    for first, end in runs:
        if held is not None and held[1] == first:
            held = held[0], end
            continue
        if held is not None:
            yield held
        held = first, end
    if held is not None:
        yield held
