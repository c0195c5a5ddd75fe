"""Which part of the log an answer rests on, and whether that is all of it.

All of it means: every entry of the log in that part has its row, and the blocks of 65,536 rows and more are
those, bit for bit, that the log itself holds the digests of (`segment.sealed`, the newest for each block).
Smaller blocks and the hot tail are counted only. `shuxiang audit verify` trusts none of this and reads all.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import chain
from pathlib import Path

import orjson
import pyarrow.parquet as pq
from sqlalchemy import Connection

from audit.bodies import read_bodies, read_body
from audit.columns.blocks import Block, chosen, uncovered
from audit.columns.engine import Engine, engine_at
from audit.columns.footers import Footer, footer_of, sound
from audit.columns.hot import envelope_at
from audit.columns.make import digest
from audit.columns.maker import SEALED
from audit.columns.tail import Snapshot
from audit.proofs import published_checkpoint
from audit.state import load_state
from core.errors import NotFound
from core.times import instant_of

_MARGIN = timedelta(hours=1)
"""How much later than it happened something may have been sealed; the data plane stops after a minute."""

Range = tuple[int, int]
"""The first log index, and the one behind the last."""


@dataclass(frozen=True, slots=True)
class Coverage:
    """The entries `first` to `last` were looked at, of `size` that are sealed; both -1 where none was.

    `checkpoint` is the log's newest signed note, empty before the first. `blocks` were compared with their
    recorded digests, those in `altered` differ. Of `missing` entries, from first to last, there is no body
    any more, by rule or not.
    """

    first: int
    last: int
    size: int
    checkpoint: str
    blocks: tuple[str, ...]
    altered: tuple[str, ...]
    missing: tuple[Range, ...]

    @property
    def complete(self) -> bool:
        """Whether nothing that happened in the period is left out, erased bodies aside."""
        return not self.missing and not self.altered


def coverage(
    folder: Path,
    since: datetime | None = None,
    until: datetime | None = None,
    *,
    tx: Connection | None = None,
    engine: Engine | None = None,
) -> Coverage:
    """Return what an answer about a period rests on; `until` is exclusive.

    Without `tx`, a block that was made this very second counts as altered: its record is in the outbox.
    """
    size = load_state(folder).size
    blocks = chosen(sound(folder), size)
    period = _Period(folder, size, since, until)
    spans = [s for s in [*((b.first, b.end) for b in blocks), *uncovered(blocks, size)] if period.may_hold(s)]
    looked = [block for block in blocks if (block.first, block.end) in spans]
    known = _recorded(folder, size, engine or engine_at(folder), tx)
    large = [block for block in looked if block.is_recorded]
    return Coverage(
        min((first for first, _ in spans), default=-1),
        max((end - 1 for _, end in spans), default=-1),
        size,
        _checkpoint(folder),
        tuple(block.name for block in large),
        tuple(block.name for block in large if known.get(block.name) != _digest(block.path(folder))),
        tuple(
            (first, end - 1)
            for first, end in _joined(chain.from_iterable(_missing(folder, s, looked) for s in sorted(spans)))
            if period.may_hold((first, end))
        ),
    )


def _checkpoint(folder: Path) -> str:
    try:
        return published_checkpoint(folder)[0]
    except NotFound:
        return ""


@dataclass(frozen=True, slots=True)
class _Period:
    """A period of a log of `size` records."""

    folder: Path
    size: int
    since: datetime | None
    until: datetime | None

    def may_hold(self, span: Range) -> bool:
        """Tell whether a stretch of the log may hold records of the period, by the times of its ends."""
        begins, ends = self._time_of(span[0]), self._time_of(span[1] - 1)
        late = self.since is None or ends + _MARGIN >= self.since
        return late and (self.until is None or begins - _MARGIN < self.until)

    def _time_of(self, index: int) -> datetime:
        return instant_of(orjson.loads(envelope_at(self.folder, index, self.size))["t"])


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


# --- what is on record ----------------------------------------------------------------------------


def _digest(path: Path) -> str:
    stat = path.stat()
    return _digest_of(path, stat.st_mtime_ns, stat.st_size, stat.st_ino)


@lru_cache(maxsize=4096)
def _digest_of(path: Path, *_state: int) -> str:
    return digest(path)


@dataclass(slots=True)
class _Known:
    """Digests on record among the first `size` entries of a log."""

    size: int
    digests: dict[str, str]


_known: dict[tuple[Path, str], _Known] = {}
"""By audit folder and origin: a rotation puts another log into the folder."""


def _recorded(folder: Path, size: int, engine: Engine, tx: Connection | None) -> dict[str, str]:
    """Return the newest digest on record of each block; those of entries seen before are remembered."""
    place = folder, _checkpoint(folder).partition("\n")[0]
    known = _known.get(place, _Known(0, {}))
    if known.size > size:  # another log has taken its place
        known = _Known(0, {})

    def read(snapshot: Snapshot) -> list[bytes]:
        sql = f"""SELECT log_index, "offset", length FROM records
                  WHERE kind = ? AND log_index >= {known.size} ORDER BY log_index"""
        rows = engine.select(sql, snapshot, [SEALED]).to_pylist()
        sealed = [read_body(folder / "bodies", r["log_index"], r["offset"], r["length"]) for r in rows]
        waits = snapshot.waiting
        return [*sealed, *(raw for _, raw in (*waits.journals, *waits.outbox) if SEALED.encode() in raw)]

    bodies = [orjson.loads(raw) for raw in engine.attempt(tx, read)]
    own = (b for b in bodies if b.get("k") == SEALED and "log" not in b)  # others are of closed logs
    digests = {**known.digests, **{b["block"]: b["sha256"] for b in own}}
    _known[place] = _Known(size, digests)
    return digests
