"""The sealer as a process of the deployment, and as one command."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Callable
from contextlib import closing
from datetime import datetime
from pathlib import Path

from audit.columns.maker import making
from audit.keeping.keeper import keeping_up
from audit.sealing import Sealed, Sealer
from audit.signing import log_signers
from audit.witness.outside import Outside
from core.db import Database
from core.errors import Unavailable
from core.settings import Settings
from core.times import utc_now

_RETRY_SECONDS = 1.0
_log = logging.getLogger(__name__)


def log_folder(settings: Settings) -> Path:
    """Return the audit folder of a deployment."""
    return settings.data / "audit"


def open_sealer(settings: Settings, database: Database, now: datetime) -> Sealer:
    """Take over the deployment's log. Raises what `Sealer` raises, and ConfigError without its keys."""
    origin = settings.platform.log_origin
    return Sealer(log_folder(settings), database, log_signers(settings), origin, now)


def run(settings: Settings, database: Database, clock: Callable[[], datetime] = utc_now) -> None:
    """Seal every `seal_seconds` until SIGTERM or SIGINT, then once more.

    A step that fails is tried again from the files. While another process holds the log, this one waits.
    Raises Inconsistent when the log must not be continued.
    """
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    while not stop.is_set():
        try:
            sealer = open_sealer(settings, database, clock())
        except Unavailable:
            stop.wait(_RETRY_SECONDS)
            continue
        with (
            closing(sealer),
            making(log_folder(settings), database, clock),
            keeping_up(settings, database, clock),
            closing(Outside(settings, database, sealer)) as outside,
        ):
            outside.begin(clock())
            _seal_until(stop, sealer, outside, settings.platform.seal_seconds, clock)


def _seal_until(
    stop: threading.Event, sealer: Sealer, outside: Outside, seconds: float, clock: Callable[[], datetime]
) -> None:
    try:
        while True:
            last = stop.is_set()
            sealed = sealer.step(clock())
            outside.turn(clock())
            if sealed.more:
                continue
            if last:
                return
            stop.wait(seconds)
    except Exception:
        _log.exception("a step of the sealer failed; the log is read again from its files")
        stop.wait(_RETRY_SECONDS)


def seal_once(settings: Settings, database: Database, now: datetime | None = None) -> Sealed:
    """Seal all that waits and show it to the witnesses. Raises Unavailable while another process seals.

    Raises Inconsistent when the log must not be continued.
    """
    instant = now or utc_now()
    with (
        closing(open_sealer(settings, database, instant)) as sealer,
        closing(Outside(settings, database, sealer)) as outside,
    ):
        outside.begin(instant)
        sealed, count = sealer.step(instant), 0
        while sealed.more:
            count += sealed.count
            sealed = sealer.step(instant)
        outside.finish(instant)
        return Sealed(count + sealed.count, sealed.size)
