"""Who does the keeping: a thread beside the sealer, and the commands; at any time one of them.

Erasures are attended to at every turn, archive and retention once a day, each turn one small step, of closed
logs before the one that runs. Whatever goes into the log goes by way of the outbox; nothing here holds the
sealer up. What does not succeed is put down, as an alarm.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import date, datetime

from audit.columns.maker import Maker, announcing, behind, outdated
from audit.columns.renewal import requests
from audit.keeping.archive import make_unit, missing_units
from audit.keeping.covered import Keeping, all_logs, covered
from audit.keeping.erasing import carry_out
from audit.keeping.retention import begin_pruning, go_on_pruning, pruning
from audit.keeping.second import complete_copy
from audit.keeping.trouble import tell_trouble
from core.db import Database
from core.errors import Unavailable
from core.locks import alone
from core.settings import Settings
from core.times import SHANGHAI, utc_now

_TURN_SECONDS = 2.0
_RETRY_SECONDS = 30.0
_JOIN_SECONDS = 30.0
_log = logging.getLogger(__name__)


class Keeper:
    """Keeps the logs of a deployment, a step at a time."""

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
            logs = [] if covered(self._keeping) is None else all_logs(self._keeping)
            for log in logs:
                renew_columns(log, now)
            if any(prune_step(log, now, begin=False) for log in logs):
                return True
            today = now.astimezone(SHANGHAI).date()
            if self._attended == today:
                return False
            if any(archive_step(log, now) or prune_step(log, now) for log in logs):
                return True
            for log in logs:
                complete_copy(log)
            if all(pruning(log) is None for log in logs):
                self._attended = today
            return False

    def attend(self, now: datetime) -> float:
        """Take one step and return the seconds until the next; what goes wrong is put down as an alarm."""
        try:
            pause = 0.0 if self.turn(now) else _TURN_SECONDS
            tell_trouble(self._keeping.root, None)
        except Unavailable:
            return _TURN_SECONDS
        except Exception as wrong:
            _log.exception("keeping the log failed; it is tried again")
            tell_trouble(self._keeping.root, str(wrong) or type(wrong).__name__)
            return _RETRY_SECONDS
        return pause


def renew_columns(keeping: Keeping, now: datetime) -> None:
    """Make the blocks of a closed log again in which bodies are gone; the sealer sees to those of its own.

    Of those that are of an earlier version one is made at a time.
    """
    asked = keeping.closed is not None and bool(requests(keeping.folder))
    if keeping.closed is None or not (asked or behind(keeping.folder) or any(outdated(keeping.folder))):
        return
    maker = Maker(keeping.folder, announcing(keeping.database, lambda: now, keeping.log), grace=0)
    while maker.step() and asked:
        pass


def archive_step(keeping: Keeping, now: datetime) -> bool:
    """Make the oldest unit that is missing from a configured archive; tell whether there was one."""
    reach = None if keeping.settings.audit.archive is None else covered(keeping)
    missing = [] if reach is None else missing_units(keeping, reach, keeping.archive)
    if reach is None or not missing:
        return False
    make_unit(keeping, missing[0], reach, keeping.archive, now)
    return True


def prune_step(keeping: Keeping, now: datetime, *, begin: bool = True) -> bool:
    """Go on with what retention is about, or begin; tell whether anything moved.

    While a deletion waits for its record to be covered nothing moves.
    """
    job = pruning(keeping)
    reach = covered(keeping) if begin or job is not None else None
    if reach is None:
        return False
    if job is not None:
        return go_on_pruning(keeping, job, reach)
    return begin_pruning(keeping, reach, now) is not None


def keeping_lock(keeping: Keeping) -> AbstractContextManager[None]:
    """Be the only one who keeps these logs. Raises Unavailable while somebody else does."""
    held = Unavailable("另一进程正在归档或清理日志", "another process archives or prunes the log")
    return alone(keeping.root / "keeping.lock", held)


@contextmanager
def keeping_up(
    settings: Settings, database: Database, clock: Callable[[], datetime] = utc_now
) -> Iterator[None]:
    """Keep the logs in a thread for as long as the context lasts."""
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
            pause = keeper.attend(clock())
        except Exception:
            _log.exception("what is wrong with keeping the log cannot be put down; it is tried again")
            pause = _RETRY_SECONDS
        stop.wait(pause)
