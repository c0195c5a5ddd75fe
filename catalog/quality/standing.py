"""The process that checks published data again and again, one distribution after the other."""

from __future__ import annotations

import signal
import sys
import time

from catalog.quality.runs import Begin, check_next
from core.errors import TooMany
from core.settings import Settings

PAUSE_SECONDS = 60.0


def check_until_stopped(begin: Begin, settings: Settings) -> None:
    """Check whatever is due until SIGTERM, which ends a check under way and leaves nothing of it."""
    for ends in (signal.SIGTERM, signal.SIGINT):
        signal.signal(ends, lambda *_: sys.exit(0))
    while True:
        if not _checked(begin, settings):
            time.sleep(PAUSE_SECONDS)


def _checked(begin: Begin, settings: Settings) -> bool:
    try:
        return check_next(begin, settings) is not None
    except TooMany:  # somebody else checks just now
        return False
    except Exception as wrong:  # what it says might quote a value
        print(f"quality: {type(wrong).__name__}", file=sys.stderr, flush=True)
        return False
