"""The process that checks published data again and again, one distribution after the other."""

from __future__ import annotations

import os
import signal
import sys
import time
from contextlib import suppress
from datetime import datetime, timedelta

from catalog.quality.runs import Begin, check_now, due_for_quality
from catalog.quality.store import Due
from core.errors import TooMany
from core.settings import Settings

PAUSE_SECONDS = 60.0
LEFT_ALONE = timedelta(hours=1)
"""How long a distribution waits whose check ended in a fault of ours, so that the others get their turn."""

Failed = dict[Due, datetime]
_ENDS = (signal.SIGTERM, signal.SIGINT)


def check_until_stopped(begin: Begin, settings: Settings) -> None:
    """Check whatever is due until SIGTERM, which ends a check under way and leaves nothing of it."""
    for ends in _ENDS:
        signal.signal(ends, lambda *_: _end())
    failed: Failed = {}
    try:
        while True:
            if not _checked(begin, settings, failed):
                time.sleep(PAUSE_SECONDS)
    finally:
        _wait_for_children()


def _end() -> None:
    """End the check under way; a second signal (Ctrl+C, a supervisor) does not disturb its cleaning up."""
    for ends in _ENDS:
        signal.signal(ends, signal.SIG_IGN)
    sys.exit(0)


def _wait_for_children() -> None:
    """Leave no process behind: a reader whose start was cut short lost its request, and ends by itself."""
    with suppress(ChildProcessError):
        while True:
            os.waitpid(-1, 0)


def _checked(begin: Begin, settings: Settings, failed: Failed) -> bool:
    try:
        return check_next(begin, settings, failed) is not None
    except TooMany:  # somebody else checks just now
        return False
    except Exception as wrong:  # the database, which is needed to find out what is due
        _tell(wrong)
        return False


def check_next(begin: Begin, settings: Settings, failed: Failed) -> str | None:
    """Check the distribution that has waited longest; return its dataset's code, or None when none is due.

    What a check raises unexpectedly is noted in `failed`, and the distribution left alone for an hour. Raises
    TooMany while another check is under way.
    """
    with begin() as work:
        now = work.now
        leave = {due for due, at in failed.items() if now - at < LEFT_ALONE}
        due = due_for_quality(work.tx, now, settings.platform.quality_every_days, leave)
    if due is None:
        return None
    try:
        check_now(begin, settings, *due)
    except TooMany:
        raise
    except Exception as wrong:
        failed[due] = now
        _tell(wrong, due.code)
    return due.code


def _tell(wrong: Exception, code: str = "") -> None:
    """Print what went wrong by its class only: what it says might quote a value."""
    print(f"quality: {code} {type(wrong).__name__}", file=sys.stderr, flush=True)
