"""The process that keeps the statistics up: calls summed up, applications worked out, data looked at."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Callable, Sequence
from datetime import datetime

from sqlalchemy import Connection

from audit.place import log_folder
from core.db import Database
from core.settings import Settings
from core.times import utc_now
from matters.maintenance import stopped_at
from rules.rulebook import Rulebooks
from supervision.lines import keep_lines
from supervision.probes import probe
from supervision.rollup import roll_up

CALLS_SECONDS, LINES_SECONDS, LOOKS_SECONDS = 2.0, 10.0, 5.0
"""How often each is attended to; how often data are looked at is a setting."""
Job = tuple[Callable[[], object], float]
"""What is attended to again and again, and after how many seconds."""
_log = logging.getLogger(__name__)


def run(
    settings: Settings,
    database: Database,
    rulebooks: Rulebooks,
    clock: Callable[[], datetime] = utc_now,
    more: Sequence[Job] = (),
) -> None:
    """Attend to all three until SIGTERM or SIGINT, and to `more`. What fails is logged and tried again."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())

    def excused(tx: Connection, at: datetime) -> Callable[[str], bool]:
        return stopped_at(tx, rulebooks.current("sharing"), at).covers

    folder, origin = log_folder(settings), settings.platform.log_origin
    jobs: list[Job] = [
        *more,
        (lambda: roll_up(database, folder, origin), CALLS_SECONDS),
        (lambda: _keep_all(database, rulebooks, stop), LINES_SECONDS),
    ]
    if settings.platform.probe_seconds:
        jobs.append((lambda: probe(database, settings, clock(), excused), LOOKS_SECONDS))
    threads = [threading.Thread(target=_again_and_again, args=(stop, *job), daemon=True) for job in jobs]
    for thread in threads:
        thread.start()
    stop.wait()
    for thread in threads:
        thread.join()


def _again_and_again(stop: threading.Event, job: Callable[[], object], seconds: float) -> None:
    while not stop.is_set():
        try:
            job()
        except Exception:
            _log.exception("the statistics could not be brought up to date; trying again")
        stop.wait(seconds)


def _keep_all(database: Database, rulebooks: Rulebooks, stop: threading.Event) -> None:
    while not stop.is_set() and keep_lines(database, rulebooks):
        pass
