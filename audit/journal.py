"""The journal of one gateway worker: a record is acknowledged only when it is on the disk.

Records that arrive within one turn of the event loop are handed over together and written by a thread with
one O_DSYNC write (group commit). The first write that fails poisons the journal for good, since nobody can
tell what the disk holds afterwards (a failed fsync must not be tried again); the worker then refuses calls
until it could open a new journal in new files.
"""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import zip_longest
from pathlib import Path
from queue import Empty, SimpleQueue

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
_CLOCK_TOLERANCE = timedelta(seconds=5)
_NAME = re.compile(r"[A-Za-z0-9_-]{1,32}")


class JournalFailed(Unavailable):
    """The record is not known to be durable, so what it tells of must not happen."""

    code = "journal_failed"

    def __init__(self, reason: str) -> None:
        super().__init__(f"访问记录无法写入：{reason}", f"the access record cannot be written: {reason}")
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Position:
    """Where a durable record lies."""

    journal: str
    seq: int

    @property
    def source(self) -> str:
        """Return ``journal/seq``, as the receipt names it."""
        return f"{self.journal}/{self.seq}"


class _NoSpare(Exception):
    """The segment is full and there is no next one."""


_Waiting = tuple[Record, "asyncio.Future[int]"]


class Journal:
    """One writer, one process. `name` is unique to this opening; records should carry it as their source."""

    def __init__(self, name: str, key: bytes, active: Segment, spare: Segment, reserve: int) -> None:
        """Use `Journal.open`."""
        self.name = name
        self._key = key
        self._folder = active.path.parent
        self._active = active
        self._spare: Segment | None = spare
        self._reserve = reserve
        self._number = 2
        self._seq = 0
        self._latest: datetime | None = None
        self._failure: str | None = None
        self._spare_error: str | None = None
        self._closing = False
        self._lag: Callable[[], float] | None = None
        self._tick: list[_Waiting] = []
        self._queue: SimpleQueue[list[_Waiting] | None] = SimpleQueue()
        self._spare_wanted = threading.Event()
        self._spare_made = threading.Event()
        self._spare_made.set()
        self._loop = asyncio.get_running_loop()
        self._writer = threading.Thread(target=self._write_batches, name="journal-writer", daemon=True)
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
        now: datetime | None = None,
    ) -> Journal:
        """Open a new journal in `folder` with one segment to write and one to spare.

        By `secret`, a key of the platform, the sealer knows that the records are ours. `reserve_bytes` stay
        free on the disk; `lag` tells the seconds that the sealer is behind. Raises
        JournalFailed when the segments cannot be made, ValueError for a name with other than ASCII letters,
        digits, hyphen and underscore.
        """
        if not _NAME.fullmatch(name):
            raise ValueError(f"not a journal name: {name!r}")
        unique = f"{name}.{millis(now or utc_now()):x}"
        try:
            active, spare = await asyncio.to_thread(_first_two, folder, unique, segment_bytes, reserve_bytes)
        except OSError as wrong:
            raise JournalFailed(f"no segment: {wrong}") from wrong
        journal = cls(unique, journal_key(secret, unique), active, spare, reserve_bytes)
        journal._lag = lag
        journal._writer.start()
        journal._filler.start()
        return journal

    async def append(self, record: Record) -> Position:
        """Write `record` and return once it is durable. Raises JournalFailed when that is not certain."""
        if self._failure is not None or self._closing:
            raise JournalFailed(self._failure or "closed")
        size = FRAME_BYTES + len(record.envelope) + len(record.body)
        if size > self._active.size - HEADER_BYTES or len(record.envelope) > ENVELOPE_MAX:
            raise JournalFailed(f"a record of {size} bytes does not fit into a segment")
        self._latest = max(self._latest or record.at, record.at)
        done = self._loop.create_future()
        if not self._tick:
            self._loop.call_soon(self._hand_over)
        self._tick.append((record, done))
        return Position(self.name, await done)

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
        """Tell whether a write failed, so that only a new journal helps."""
        return self._failure is not None

    async def close(self) -> None:
        """Write what waits, let go of the segments and remove the unused spare.

        It stays when the live segment is gone, so that the sealer puts on record what is missing.
        """
        if self._closing:
            return
        self._hand_over()
        self._closing = True
        self._queue.put(None)
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

    def _hand_over(self) -> None:
        if self._tick:
            self._queue.put(self._tick)
            self._tick = []

    def _settle(self, batch: Sequence[_Waiting], durable: Sequence[int], reason: str) -> None:
        """Tell the callers whose records got the numbers `durable`, and the rest why theirs got none."""
        for (_, done), seq in zip_longest(batch, durable):
            if done.done():  # a caller that was cancelled has its record all the same
                continue
            if seq is not None:
                done.set_result(seq)
            else:
                done.set_exception(JournalFailed(reason))

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

    # --- in the writer thread ---------------------------------------------------------------------

    def _write_batches(self) -> None:
        while (batch := self._next_batch()) is not None:
            before, reason = self._seq, self._failure or ""
            try:
                if self._failure is None:
                    self._write(batch)
            except _NoSpare as wrong:  # nothing was written, so nothing is in doubt
                reason = str(wrong)
            except Exception as wrong:  # whatever it was, nothing after it may be acknowledged
                reason = self._failure = f"a write failed: {wrong}"
            try:
                self._loop.call_soon_threadsafe(self._settle, batch, range(before + 1, self._seq + 1), reason)
            except RuntimeError:  # the loop is closed: nobody waits any more
                return

    def _next_batch(self) -> list[_Waiting] | None:
        batch = self._queue.get()
        while batch is not None:
            try:
                more = self._queue.get_nowait()
            except Empty:
                break
            if more is None:
                self._queue.put(None)
                break
            batch += more
        return batch

    def _write(self, batch: Sequence[_Waiting]) -> None:
        pending: list[bytes] = []
        seq, room = self._seq, self._active.free()
        for record, _ in batch:
            frame = encode_frame(seq + 1, record.envelope, record.body, self._key)
            if len(frame) + HEADER_BYTES > room:
                self._flush(pending, seq)
                self._rotate()
                pending, room = [], self._active.free()
            if self._active.offset == 0 and not pending:
                pending.append(encode_header(seq + 1))
                room -= HEADER_BYTES
            pending.append(frame)
            seq, room = seq + 1, room - len(frame)
        self._flush(pending, seq)

    def _flush(self, pending: Sequence[bytes], seq: int) -> None:
        """Write what is pending, which ends with the record `seq`."""
        if pending:
            self._active.write(b"".join(pending))
        self._seq = seq

    def _rotate(self) -> None:
        self._spare_made.wait(_ROTATE_SECONDS)
        if self._spare is None:
            raise _NoSpare(f"no spare segment: {self._spare_error or 'not ready in time'}")
        done, self._active = self._active, self._spare
        self._spare = None
        self._spare_made.clear()
        self._spare_wanted.set()
        done.close()

    # --- in the filler thread ---------------------------------------------------------------------

    def _make_spares(self) -> None:
        while True:
            self._spare_wanted.wait(_RETRY_SECONDS if self._spare_error else None)
            if self._closing:
                return
            self._spare_wanted.clear()
            path = segment_path(self._folder, self.name, self._number + 1)
            try:
                self._spare = create_segment(path, self._active.size, self._reserve, _FILL_PAUSE)
            except OSError as wrong:
                self._spare_error = str(wrong)
            else:
                self._number += 1
                self._spare_error = None
            self._spare_made.set()


def _first_two(folder: Path, name: str, size: int, reserve: int) -> tuple[Segment, Segment]:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    active = create_segment(segment_path(folder, name, 1), size, reserve)
    try:
        return active, create_segment(segment_path(folder, name, 2), size, reserve)
    except BaseException:
        active.close()
        active.path.unlink(missing_ok=True)
        raise
