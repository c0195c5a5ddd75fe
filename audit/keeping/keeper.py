"""Who does the keeping: a thread beside the sealer, and the commands; at any time one of them.

Erasures are attended to at every turn, archive and retention once a day, each turn one small step. Whatever
goes into the log goes by way of the outbox; nothing here holds the sealer up.
"""

from __future__ import annotations

import fcntl
import logging
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, datetime

from audit.keeping.archive import make_unit, missing_units
from audit.keeping.covered import Keeping, covered
from audit.keeping.erasing import carry_out
from audit.keeping.retention import begin_pruning, go_on_pruning, pruning
from core.db import Database
from core.errors import Unavailable
from core.settings import Settings
from core.times import SHANGHAI, utc_now

_TURN_SECONDS = 2.0
_RETRY_SECONDS = 30.0
_JOIN_SECONDS = 30.0
_log = logging.getLogger(__name__)


class Keeper:
    """Keeps one log, a step at a time."""

    def __init__(self, keeping: Keeping) -> None:
        self._keeping = keeping
        self._attended: date | None = None
        """The last day on which archive and retention came to an end."""

    def turn(self, now: datetime) -> bool:
        """Take one step; tell whether another one may follow at once.

        Raises Unavailable while a command keeps the same log, and what the steps raise.
        """
        with keeping_lock(self._keeping):
            carry_out(self._keeping, now)
            if prune_step(self._keeping, now, begin=False):
                return True
            today = now.astimezone(SHANGHAI).date()
            if self._attended == today:
                return False
            if archive_step(self._keeping, now) or prune_step(self._keeping, now):
                return True
            if pruning(self._keeping) is None:
                self._attended = today
            return False


def archive_step(keeping: Keeping, now: datetime) -> bool:
    """Make the oldest unit that is missing from a configured archive; tell whether there was one."""
    reach = None if keeping.settings.audit.archive is None else covered(keeping.settings)
    missing = [] if reach is None else missing_units(keeping, reach, keeping.archive)
    if reach is None or not missing:
        return False
    make_unit(keeping, missing[0], reach, keeping.archive, now)
    return True


def prune_step(keeping: Keeping, now: datetime, *, begin: bool = True) -> bool:
    """Go on with what retention is about, or begin; tell whether anything moved.

    While a deletion waits for its record to be covered nothing moves.
    """
    reach, job = covered(keeping.settings), pruning(keeping)
    if reach is None:
        return False
    if job is not None:
        return go_on_pruning(keeping, job, reach)
    return begin and begin_pruning(keeping, reach, now) is not None


@contextmanager
def keeping_lock(keeping: Keeping) -> Iterator[None]:
    """Be the only one who keeps this log. Raises Unavailable while somebody else does."""
    fd = os.open(keeping.folder / "keeping.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as held:
        raise Unavailable(
            "另一进程正在归档或清理日志", "another process archives or prunes the log"
        ) from held
    finally:
        os.close(fd)


@contextmanager
def keeping_up(
    settings: Settings, database: Database, clock: Callable[[], datetime] = utc_now
) -> Iterator[None]:
    """Keep the log in a thread for as long as the context lasts."""
    stop = threading.Event()
    keeper = Keeper(Keeping(settings, database))
    thread = threading.Thread(target=_run, args=(keeper, stop, clock), name="keeping", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(_JOIN_SECONDS)


def _run(keeper: Keeper, stop: threading.Event, clock: Callable[[], datetime]) -> None:
    while not stop.is_set():
        try:
            pause = 0.0 if keeper.turn(clock()) else _TURN_SECONDS
        except Unavailable:
            pause = _TURN_SECONDS
        except Exception:
            _log.exception("keeping the log failed; it is tried again")
            pause = _RETRY_SECONDS
        stop.wait(pause)
