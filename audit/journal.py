"""The journal of one gateway worker: a record is acknowledged only when it is on the disk.

Records that arrive while a write is under way go out together with the next one (group commit): the event
loop owns everything and spells the frames, a thread does nothing but one O_DSYNC write after the other, and
the next begins before those who wait for the last are told. While the disk works, the loop signs the run's
receipts. A record that comes alone is written by the loop itself. The first write that fails poisons the
journal for good, since nobody can tell what the disk holds afterwards (a failed fsync must not be tried
again); the worker then refuses calls until it could open a new journal in new files.
"""

from __future__ import annotations

import asyncio
import logging
import re
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from typing import NamedTuple

from audit import segments
from audit.beat import LAG_BOUND
from audit.frames import (
    ENVELOPE_MAX,
    FRAME_BYTES,
    HEADER_BYTES,
    Frame,
    encode_frame,
    encode_header,
    journal_key,
    read_journal,
)
from audit.record import Record
from audit.segments import Segment, create_segment, segment_path
from core.errors import Unavailable
from core.times import millis, utc_now

__all__ = ["Frame", "Journal", "JournalFailed", "Position", "read_journal"]

_FILL_PAUSE = 0.005
_RETRY_SECONDS = 1.0
_ROTATE_SECONDS = 10.0
QUICK_SECONDS = 0.002
"""A write in the loop that takes longer is the last one there for a while: `_SLOW_SECONDS`."""
_SLOW_SECONDS = 10.0
RUN_MOST = 256
"""Records that one write takes, so that a receipt's path stays short."""
_CLOCK_TOLERANCE = timedelta(seconds=5)
_NAME = re.compile(r"[A-Za-z0-9_-]{1,32}")
_log = logging.getLogger(__name__)


class JournalFailed(Unavailable):
    """The record is not known to be durable, so what it tells of must not happen."""

    code = "journal_failed"

    def __init__(self, reason: str) -> None:
        super().__init__(f"访问记录无法写入：{reason}", f"the access record cannot be written: {reason}")
        self.reason = reason


class Position(NamedTuple):
    """Where a durable record lies, and the promise that goes with it."""

    journal: str
    seq: int
    receipt: str = ""

    @property
    def source(self) -> str:
        """Return ``journal/seq``, as the receipt names it."""
        return f"{self.journal}/{self.seq}"


Told = Callable[["Position | JournalFailed"], None]
"""What is done once it is known whether a record is durable; it is called in the event loop."""
_Waiting = tuple[Record, Told, int]
"""A record, who waits for it, and the bytes that it takes in a segment."""

Promise = Callable[[str, int, Sequence[Record]], Sequence[str]]
"""Gives the receipts of a run: of the journal of a name, from a sequence number on, of these records."""


def no_promise(journal: str, first: int, records: Sequence[Record]) -> Sequence[str]:
    """Promise nothing."""
    return [""] * len(records)


@dataclass(slots=True)
class _Run:
    """The records of one write."""

    first: int
    waiting: list[_Waiting]
    receipts: Sequence[str] = ()
    unsigned: str | None = None
    """Why there are no receipts."""


class Journal:
    """One writer, one process. `name` is unique to this opening; records should carry it as their source."""

    def __init__(
        self, name: str, key: bytes, active: Segment, spare: Segment, reserve: int, promise: Promise
    ) -> None:
        """Use `Journal.open`."""
        self.name = name
        self._key = key
        self._promise = promise
        self._folder = active.path.parent
        self._active = active
        self._spare: Segment | None = spare
        self._reserve = reserve
        self._number = 2
        self._seq = 0
        self._latest: datetime | None = None
        self._failure: str | None = None
        self._spare_error: str | None = None
        self._closing = self._ended = False
        self._slow_until = float("-inf")
        self._lag: Callable[[], float] | None = None
        self._waiting: deque[_Waiting] = deque()
        self._run: _Run | None = None
        self._patience: asyncio.TimerHandle | None = None
        self._idle = asyncio.Event()
        self._idle.set()
        self._writes: SimpleQueue[tuple[Segment, bytes] | None] = SimpleQueue()
        self._spare_wanted = threading.Event()
        self._loop = asyncio.get_running_loop()
        self._writer = threading.Thread(target=self._write_all, name="journal-writer", daemon=True)
        self._filler = threading.Thread(target=self._make_spares, name="journal-filler", daemon=True)

    @classmethod
    async def open(
        cls,
        folder: Path,
        name: str,
        *,
        secret: bytes,
        segment_bytes: int,
        reserve_bytes: int,
        lag: Callable[[], float] | None = None,
        promise: Promise = no_promise,
        now: datetime | None = None,
    ) -> Journal:
        """Open a new journal in `folder` with one segment to write and one to spare.

        By `secret`, a key of the platform, the sealer knows that the records are ours. `reserve_bytes` stay
        free on the disk; `lag` tells the seconds that the sealer is behind; `promise` makes the receipts.
        Raises JournalFailed when the segments cannot be made, ValueError for a name with other than ASCII
        letters, digits, hyphen and underscore.
        """
        if not _NAME.fullmatch(name):
            raise ValueError(f"not a journal name: {name!r}")
        unique = f"{name}.{millis(now or utc_now()):x}"
        try:
            active, spare = await asyncio.to_thread(_first_two, folder, unique, segment_bytes, reserve_bytes)
        except OSError as wrong:
            raise JournalFailed(f"no segment: {wrong}") from wrong
        journal = cls(unique, journal_key(secret, unique), active, spare, reserve_bytes, promise)
        journal._lag = lag
        journal._writer.start()
        journal._filler.start()
        return journal

    async def append(self, record: Record) -> Position:
        """Write `record` and return once it is durable. Raises JournalFailed when that is not certain."""
        done: asyncio.Future[Position] = self._loop.create_future()
        self.put(record, partial(_settle, done))
        return await done

    def put(self, record: Record, told: Told) -> None:
        """Write `record`, and tell later whether it is durable. Raises JournalFailed when it cannot be."""
        if self._failure is not None or self._closing:
            raise JournalFailed(self._failure or "closed")
        size = _size(record)
        if size > self._active.size - HEADER_BYTES or len(record.envelope) > ENVELOPE_MAX:
            raise JournalFailed(f"a record of {size} bytes does not fit into a segment")
        if self._latest is None or record.at > self._latest:
            self._latest = record.at
        if self._run is None and not self._waiting:
            self._idle.clear()
            self._loop.call_soon(self._begin, True)
        self._waiting.append((record, told, size))

    def trouble(self, now: datetime | None = None) -> str | None:
        """Return why no record should be trusted to this journal, or None. Costs a few system calls.

        The reasons: an earlier write failed; the live segment was removed or replaced; the folder is
        read-only; free space is below the reserve; no spare segment can be made; the sealer is too far
        behind; the clock stands before the latest record.
        """
        if self._failure is not None or self._closing:
            return self._failure or "closed"
        return self._disk_trouble() or self._time_trouble(now or utc_now())

    def is_poisoned(self) -> bool:
        """Tell whether a write or a signature failed, so that only a new journal helps."""
        return self._failure is not None

    async def close(self) -> None:
        """Write what waits, let go of the segments and remove the unused spare.

        It stays when the live segment is gone, so that the sealer puts on record what is missing.
        """
        if self._closing:
            return
        self._closing = True
        await self._idle.wait()
        self._ended = True
        self._writes.put(None)
        self._spare_wanted.set()
        await asyncio.to_thread(self._writer.join)
        await asyncio.to_thread(self._filler.join)
        is_whole = self._active.in_place()
        self._active.close()
        if self._spare is not None:
            if is_whole:  # else the spare shows that there was a segment before it
                self._spare.path.unlink(missing_ok=True)
            self._spare.close()

    # --- in the event loop ------------------------------------------------------------------------

    def _begin(self, from_rest: bool = False) -> None:
        """Write what waits, unless a write is under way or there is no room, and sign the receipts.

        The thread writes, but for a record that is alone `from_rest`: to hand that over would take longer
        than the disk does, and nothing else has begun to wait (docs/decisions/0051).
        """
        if self._run is not None or not self._waiting or not self._has_room():
            return
        self._be_patient_no_more()
        run = self._run = _Run(self._seq + 1, [])
        frames = self._take(run)
        is_alone = from_rest and len(run.waiting) == 1 and time.monotonic() >= self._slow_until
        if not is_alone:
            self._writes.put((self._active, frames))
        self._sign(run)
        if is_alone:
            self._write_here(frames)

    def _sign(self, run: _Run) -> None:
        """Make the receipts. Without them nothing may be acknowledged, and the write ends all the same."""
        try:
            run.receipts = self._promise(self.name, run.first, [record for record, _, _ in run.waiting])
        except Exception as wrong:
            run.unsigned = f"no receipt: {wrong}"

    def _write_here(self, frames: bytes) -> None:
        """Write in the loop; a disk that keeps it waiting for long is left to the thread for a while."""
        began = time.monotonic()
        failure = _write(self._active, frames)
        ended = time.monotonic()
        if ended - began > QUICK_SECONDS:
            self._slow_until = ended + _SLOW_SECONDS
        self._written(failure)

    def _has_room(self) -> bool:
        """Tell whether the next record fits, after taking the spare when it must be."""
        if self._waiting[0][2] + HEADER_BYTES <= self._active.free():
            return True
        if self._spare is not None:
            self._active.close()
            self._active, self._spare = self._spare, None
            self._spare_wanted.set()
            return True
        if self._spare_error is not None:  # nothing was written, so nothing is in doubt
            self._refuse(f"no spare segment: {self._spare_error}")
        elif self._patience is None:
            self._patience = self._loop.call_later(
                _ROTATE_SECONDS, self._refuse, "no spare segment: not ready in time"
            )
        return False

    def _take(self, run: _Run) -> bytes:
        """Move what fits into one write from those that wait into `run`, and return it as frames."""
        free = self._active.free()
        pieces = [] if self._active.offset else [encode_header(run.first)]
        while self._waiting and len(run.waiting) < RUN_MOST:
            record, _, size = self._waiting[0]
            if size + HEADER_BYTES > free:
                break
            seq = run.first + len(run.waiting)
            pieces.append(encode_frame(seq, record.envelope, record.body, self._key))
            free -= size
            run.waiting.append(self._waiting.popleft())
        return b"".join(pieces)

    def _written(self, failure: str | None) -> None:
        """Begin the next run, then tell those who wait for this one."""
        run, self._run = self._run, None
        if run is None:
            return
        failure = failure or run.unsigned
        if failure is not None:  # whatever it was, nothing after it may be acknowledged
            self._failure = failure
            self._waiting.extendleft(reversed(run.waiting))
            self._refuse(failure)
            return
        self._seq += len(run.waiting)
        self._begin()
        for seq, ((_, told, _), receipt) in enumerate(zip(run.waiting, run.receipts, strict=True), run.first):
            _tell(told, Position(self.name, seq, receipt))
        self._rest()

    def _be_patient_no_more(self) -> None:
        """Stop the time for which a spare segment is waited for."""
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _refuse(self, reason: str) -> None:
        """Tell those who wait that their records are not known to be durable."""
        self._be_patient_no_more()
        while self._waiting:
            _tell(self._waiting.popleft()[1], JournalFailed(reason))
        self._rest()

    def _rest(self) -> None:
        if self._run is None and not self._waiting:
            self._idle.set()

    def _disk_trouble(self) -> str | None:
        active = self._active
        if not active.in_place() and active is self._active:
            return "the live segment was removed or replaced"
        if not segments.is_writable(self._folder):
            return "the journal folder is read-only"
        if segments.free_bytes(self._folder) < self._reserve:
            return "free disk space is below the reserve"
        if self._spare is None and self._spare_error is not None:
            return f"no spare segment: {self._spare_error}"
        return None

    def _time_trouble(self, now: datetime) -> str | None:
        if self._latest is not None and now < self._latest - _CLOCK_TOLERANCE:
            return "the clock stands before the latest record"
        if self._lag is not None and self._lag() > LAG_BOUND:
            return f"the sealer is more than {LAG_BOUND:.0f} s behind"
        return None

    # --- in the threads ---------------------------------------------------------------------------

    def _write_all(self) -> None:
        while (write := self._writes.get()) is not None:
            if not self._tell(self._written, _write(*write)):
                return

    def _make_spares(self) -> None:
        while True:
            self._spare_wanted.wait(_RETRY_SECONDS if self._spare_error else None)
            self._spare_wanted.clear()
            if self._ended:
                return
            path = segment_path(self._folder, self.name, self._number + 1)
            try:
                spare = create_segment(path, self._active.size, self._reserve, _FILL_PAUSE)
            except OSError as wrong:
                self._spare_error = str(wrong)
            else:
                self._number += 1
                self._spare, self._spare_error = spare, None
            if not self._tell(self._begin):
                return

    def _tell(self, what: Callable[..., None], *args: object) -> bool:
        """Let the loop do something, and return whether there still is one."""
        try:
            self._loop.call_soon_threadsafe(what, *args)
        except RuntimeError:  # it is closed: nobody waits any more
            return False
        return True


def _write(segment: Segment, data: bytes) -> str | None:
    """Return what went wrong, or None."""
    try:
        segment.write(data)
    except Exception as wrong:
        return f"a write failed: {wrong}"
    return None


def _tell(told: Told, outcome: Position | JournalFailed) -> None:
    try:
        told(outcome)
    except Exception:  # whoever it was, the others are told
        _log.exception("what was to follow a record failed")


def _settle(done: asyncio.Future[Position], outcome: Position | JournalFailed) -> None:
    if done.done():  # a caller that was cancelled has its record all the same
        return
    if isinstance(outcome, JournalFailed):
        done.set_exception(outcome)
    else:
        done.set_result(outcome)


def _size(record: Record) -> int:
    return FRAME_BYTES + len(record.envelope) + len(record.body)


def _first_two(folder: Path, name: str, size: int, reserve: int) -> tuple[Segment, Segment]:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    active = create_segment(segment_path(folder, name, 1), size, reserve)
    try:
        return active, create_segment(segment_path(folder, name, 2), size, reserve)
    except BaseException:
        active.close()
        active.path.unlink(missing_ok=True)
        raise
