"""Finding the record that somebody without a name asks about, at a cost that nobody can drive up.

Whoever has no record's id can make ids up. The time that an id bears says which log could hold it, most often
none; and only so much is looked through at a time.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from uuid import UUID

import orjson
from sqlalchemy import Connection

from audit.columns.blocks import chosen
from audit.columns.footers import sound
from audit.columns.tail import outside_blocks
from audit.keeping.ids import kept_index
from audit.keeping.past import past_logs
from audit.proofs import entry_at
from audit.query import record_by_id
from audit.state import load_state
from core.errors import Conflict, NotFound, TooMany
from core.times import millis

SLACK_MS = 86_400_000
"""By how much a record's time may lie outside its log's: clocks differ, and some were sealed late."""
UNCOVERED_MOST = 65_536
"""Bodies outside of all blocks that are looked through for one question."""
AT_ONCE = 2
_WAIT_SECONDS = 2.0
_turns = threading.BoundedSemaphore(AT_ONCE)


def public_place(tx: Connection, folder: Path, record_id: str, now: datetime) -> tuple[Path, int | None]:
    """Return the audit folder of the log that holds a record, and its log index; its body may be gone.

    The index is None until the record is sealed. Raises NotFound, TooMany while others ask, Unavailable while
    too much of the log lies in no block.
    """
    made_at = _time_of(record_id)
    if made_at is None:
        raise _unknown()
    with _turn():
        for place in _logs_of(folder, made_at, now):
            try:
                return place, _index(tx if place == folder else None, place, record_id)
            except NotFound:
                continue
    raise _unknown()


def _unknown() -> NotFound:
    return NotFound("没有这条记录", "no such record")


def _time_of(record_id: str) -> int | None:
    """Return the milliseconds that an id of ours bears; None for what is no UUID of version 7."""
    try:
        known = UUID(record_id)
    except ValueError:
        return None
    return known.int >> 80 if known.version == 7 and str(known) == record_id else None


@contextmanager
def _turn() -> Iterator[None]:
    if not _turns.acquire(timeout=_WAIT_SECONDS):
        raise TooMany("请求过多，请稍后再试", "too many ask at once; try again in a moment", retry_after=2)
    try:
        yield
    finally:
        _turns.release()


def _logs_of(folder: Path, made_at: int, now: datetime) -> Iterator[Path]:
    """Yield the folders of the logs that could hold a record of this time, the one that runs first."""
    closed = sorted((_begin(log.folder), log.folder) for log in past_logs(folder))
    starts = [*closed, (_begin(folder), folder)]
    ends = [*(begin for begin, _ in starts[1:]), millis(now)]
    for (begin, place), end in reversed(list(zip(starts, ends, strict=True))):
        if begin - SLACK_MS <= made_at < end + SLACK_MS:
            yield place


def _begin(folder: Path) -> int:
    """Return the time of a log's first entry; before its first checkpoint any time could be."""
    try:
        return int(orjson.loads(entry_at(folder, 0))["t"])
    except (NotFound, Conflict):
        return 0


def _index(tx: Connection | None, place: Path, record_id: str) -> int | None:
    kept = kept_index(place, record_id)
    if kept is not None:
        return kept
    size = load_state(place).size
    outside_blocks(place, chosen(sound(place), size), size, UNCOVERED_MOST)
    return record_by_id(tx, place, record_id).log_index
