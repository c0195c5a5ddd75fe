"""Keeping the blocks behind the log: in the sealer's process a thread that never holds a step up.

Each turn makes one block, the oldest that is wanted and not there; once all are, one of those that an earlier
release made, which are read meanwhile. A larger block replaces sixteen smaller
ones; these stay for a while, for questions that have begun. Blocks of 65,536 rows and more are put on record
with the digest of their file (`segment.sealed`) before they are in place, so that a report can show that it
counted over just what was recorded; of several records for one block the newest counts.
"""

from __future__ import annotations

import logging
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

from audit import store
from audit.columns.blocks import Block, kept_from, present, wanted
from audit.columns.footers import footer_of, sound
from audit.columns.make import Announce, Made, Stopped, make, unfinished
from audit.columns.renewal import Range, concerns, requests, settled
from audit.record import make_record
from audit.state import load_state
from core.db import Database

SEALED = "segment.sealed"
"""Kind of the record that holds the digest of a block."""
GRACE_SECONDS = 120.0
"""How long blocks stay after a larger one took their place."""
_TURN_SECONDS = 1.0
_RETRY_SECONDS = 30.0
_NICE = 10
_log = logging.getLogger(__name__)


class Maker:
    """Makes the blocks of one log; at most one at a time, which the holder of the log's lock runs."""

    def __init__(
        self,
        folder: Path,
        announce: Announce,
        stop: Callable[[], bool] = lambda: False,
        grace: float = GRACE_SECONDS,
    ) -> None:
        """`announce` puts a block on record; where `stop` says so, `step` raises Stopped half-way."""
        self._folder = folder
        self._announce = announce
        self._stop = stop
        self._grace = grace
        self._replaced: dict[Block, float] = {}
        for path in unfinished(folder):
            path.unlink()
        # The index of an earlier version, which would outlive the bodies that it was made from.
        shutil.rmtree(folder / "query", ignore_errors=True)

    def step(self) -> Block | None:
        """Make the next block that is due, and return it; None when there is none.

        Raises OSError, ValueError, and what `announce` raises: no block has changed then.
        """
        size = load_state(self._folder).size
        asked = requests(self._folder)
        if asked:
            self._renew(asked, size)
        there = set(sound(self._folder))
        due = wanted(size, kept_from(self._folder))
        block = next((b for b in due if b not in there), None) or next(outdated(self._folder, due), None)
        if block is not None:
            self._make(block, size)
        self._drop(size)
        return block

    def _make(self, block: Block, size: int) -> None:
        make(self._folder, block, size, self._tell, self._stop)

    def _tell(self, made: Made) -> None:
        if made.block.is_recorded:
            self._announce(made)

    def _renew(self, asked: list[Range], size: int) -> None:
        """Make blocks again from the bodies; those that others took the place of go at once."""
        keep = wanted(size, kept_from(self._folder))
        for block in present(self._folder):
            if concerns(asked, block) and block in keep:
                self._make(block, size)
            elif concerns(asked, block):
                block.path(self._folder).unlink()
        settled(self._folder, asked)

    def _drop(self, size: int) -> None:
        """Remove blocks that hold nothing any more, and in time those that larger ones took the place of."""
        kept = kept_from(self._folder)
        there = set(sound(self._folder))
        ready = [block for block in wanted(size, kept) if block in there]
        for block in present(self._folder):
            if block.end > size or block.end <= kept or (_within(block, ready) and self._is_over(block)):
                block.path(self._folder).unlink()
                self._replaced.pop(block, None)

    def _is_over(self, block: Block) -> bool:
        since = self._replaced.setdefault(block, time.monotonic())
        return time.monotonic() - since >= self._grace


def _within(block: Block, others: Sequence[Block]) -> bool:
    return any(other.first <= block.first and block.end <= other.end for other in others if other != block)


def behind(folder: Path) -> int:
    """Return how many sealed records should lie in a block and do not yet."""
    there = set(sound(folder))
    missing = (b for b in wanted(load_state(folder).size, kept_from(folder)) if b not in there)
    return sum(block.rows for block in missing)


def outdated(folder: Path, blocks: Sequence[Block] | None = None) -> Iterator[Block]:
    """Yield the blocks that an earlier release made, the newest first; searches read them meanwhile."""
    due = wanted(load_state(folder).size, kept_from(folder)) if blocks is None else blocks
    footers = ((block, footer_of(block.path(folder))) for block in reversed(due))
    return (block for block, footer in footers if footer is not None and not footer.is_current)


def announcing(database: Database, clock: Callable[[], datetime], log: str | None = None) -> Announce:
    """Return what puts a block on record, by way of the outbox; `log` is the name of a closed log."""

    def announce(made: Made) -> None:
        block = made.block
        body = {"block": block.name, "first": block.first, "last": block.end - 1}
        found = {"rows": made.rows, "sha256": made.sha256, **({} if log is None else {"log": log})}
        record = make_record(SEALED, clock(), "sealer", {**body, **found})
        with database.begin() as tx:
            store.insert_outbox(tx, record)

    return announce


@contextmanager
def making(folder: Path, database: Database, clock: Callable[[], datetime]) -> Iterator[None]:
    """Make blocks in a thread for as long as the context lasts."""
    stop = threading.Event()
    maker = Maker(folder, announcing(database, clock), stop.is_set)
    thread = threading.Thread(target=_run, args=(maker, stop), name="columns")
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _run(maker: Maker, stop: threading.Event) -> None:
    with suppress(OSError, AttributeError):  # Linux gives each thread a priority of its own
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)
    while not stop.is_set():
        try:
            pause = 0.0 if maker.step() else _TURN_SECONDS
        except Stopped:
            return
        except Exception:
            _log.exception("a block of the log's columns cannot be made; it is tried again")
            pause = _RETRY_SECONDS
        stop.wait(pause)
