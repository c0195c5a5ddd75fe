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

from audit.bodies import read_bodies, read_body
from audit.columns.blocks import SIZES, Block, chosen, kept_from, uncovered
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
"""First and last log index."""


@dataclass(frozen=True, slots=True)
class Coverage:
    """The entries `first` to `last` were looked at, of `size` that are sealed; both -1 where none was.

    `checkpoint` is the log's newest signed note, empty before the first. `blocks` were compared with their
    recorded digests, those in `altered` differ. Of `missing` entries there is no body any more, by rule or
    not.
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
    folder: Path, since: datetime | None = None, until: datetime | None = None, engine: Engine | None = None
) -> Coverage:
    """Return what an answer about a period rests on; `until` is exclusive."""
    size = load_state(folder).size
    blocks = chosen(sound(folder), size)
    kept = kept_from(folder)
    spans = [(b.first, b.end) for b in blocks] + uncovered(blocks, size, kept) + [(0, kept)]
    spans = [span for span in spans if span[0] < span[1] and _concerns(folder, span, size, since, until)]
    looked = [block for block in blocks if (block.first, block.end) in spans]
    known = _recorded(folder, size, engine or engine_at(folder))
    large = [block for block in looked if block.rows > SIZES[-1]]
    return Coverage(
        min((first for first, _ in spans), default=-1),
        max((end - 1 for _, end in spans), default=-1),
        size,
        _checkpoint(folder),
        tuple(block.name for block in large),
        tuple(block.name for block in large if known.get(block.name) != _digest(block.path(folder))),
        tuple(_joined(chain.from_iterable(_missing(folder, span, looked) for span in sorted(spans)))),
    )


def _checkpoint(folder: Path) -> str:
    try:
        return published_checkpoint(folder)[0]
    except NotFound:
        return ""


def _concerns(folder: Path, span: Range, size: int, since: datetime | None, until: datetime | None) -> bool:
    """Tell whether a stretch of the log may hold records of the period, by the times of its ends."""
    begins, ends = (_time_of(folder, index, size) for index in (span[0], span[1] - 1))
    return (since is None or ends + _MARGIN >= since) and (until is None or begins - _MARGIN < until)


def _time_of(folder: Path, index: int, size: int) -> datetime:
    return instant_of(orjson.loads(envelope_at(folder, index, size))["t"])


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
            yield at, index - 1
        at = index + 1
    if at < end:
        yield at, end - 1


def _indexes(folder: Path, span: Range, block: Block | None, footer: Footer | None) -> Iterator[int]:
    """Yield the log indexes that a stretch holds, in order."""
    if block is None or footer is None:
        return (line.at for line in read_bodies(folder / "bodies", *span))
    with pq.ParquetFile(block.path(folder)) as file:
        return iter(file.read(columns=["log_index"]).column(0).to_pylist())


def _joined(runs: Iterator[Range]) -> Iterator[Range]:
    """Yield runs with those that touch put together."""
    held: Range | None = None
    for first, last in runs:
        if held is not None and held[1] == first - 1:
            held = held[0], last
            continue
        if held is not None:
            yield held
        held = first, last
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


_known: dict[Path, _Known] = {}


def _recorded(folder: Path, size: int, engine: Engine) -> dict[str, str]:
    """Return the newest digest on record of each block; those of entries seen before are remembered."""
    known = _known.get(folder, _Known(0, {}))
    if known.size > size:  # another log has taken its place
        known = _Known(0, {})

    def read(snapshot: Snapshot) -> list[bytes]:
        sql = f"""SELECT log_index, "offset", length FROM records
                  WHERE kind = ? AND log_index >= {known.size} ORDER BY log_index"""
        rows = engine.select(sql, snapshot, [SEALED]).to_pylist()
        sealed = [read_body(folder / "bodies", r["log_index"], r["offset"], r["length"]) for r in rows]
        waits = snapshot.waiting
        return [*sealed, *(raw for _, raw in (*waits.journals, *waits.outbox) if SEALED.encode() in raw)]

    bodies = [orjson.loads(raw) for raw in engine.attempt(None, read)]
    digests = {**known.digests, **{b["block"]: b["sha256"] for b in bodies if b.get("k") == SEALED}}
    _known[folder] = _Known(size, digests)
    return digests
