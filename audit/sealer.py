"""The sealer as a process of the deployment, and as one command."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Callable
from contextlib import closing
from datetime import datetime

from audit import store
from audit.columns.maker import Maker, announcing, making
from audit.columns.renewal import requests
from audit.copier import attached, copying
from audit.files import Inconsistent
from audit.frames import KEY_FILE
from audit.keeping.keeper import keeping_up
from audit.place import is_rotating, log_folder
from audit.record import make_record
from audit.sealing import Sealed, Sealer
from audit.signing import log_signers
from audit.witness.outside import asking
from core.db import Database
from core.errors import Unavailable
from core.settings import Settings
from core.times import utc_now

HEARTBEAT = "heartbeat"
"""Kind of the record that says that the sealer runs; `size` is the log's."""
_RETRY_SECONDS = 1.0
_log = logging.getLogger(__name__)


class Heart:
    """Puts a record of the sealer's own into the log now and then, so that silence differs from deletion."""

    def __init__(self, database: Database, seconds: float) -> None:
        """Beat every `seconds`; 0 is never."""
        self._database = database
        self._seconds = seconds
        self._last: datetime | None = None

    def beat(self, size: int, now: datetime) -> None:
        """Hand a record to the next step when it is time; a clock that was put back makes it time."""
        since = None if self._last is None else (now - self._last).total_seconds()
        if self._seconds and (since is None or not 0 <= since < self._seconds):
            with self._database.begin() as tx:
                store.insert_outbox(tx, make_record(HEARTBEAT, now, "sealer", {"size": size}))
            self._last = now


def open_sealer(settings: Settings, database: Database, now: datetime) -> Sealer:
    """Take over the deployment's log. Raises what `Sealer` raises, and ConfigError without its keys."""
    origin = settings.platform.log_origin
    if is_rotating(log_folder(settings)):
        raise Inconsistent("a rotation of the log is to be finished first: run shuxiang audit rotate")
    secret = settings.key(KEY_FILE)
    return Sealer(log_folder(settings), database, log_signers(settings), origin, now, secret=secret)


def run(settings: Settings, database: Database, clock: Callable[[], datetime] = utc_now) -> None:
    """Seal every `seal_seconds` until SIGTERM or SIGINT, then once more.

    A step that fails is tried again from the files. While another process holds the log, this one waits.
    Raises Inconsistent when the log must not be continued.
    """
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    heart = Heart(database, settings.audit.heartbeat_seconds)
    while not stop.is_set():
        try:
            sealer = open_sealer(settings, database, clock())
        except Unavailable:
            stop.wait(_RETRY_SECONDS)
            continue
        with closing(sealer):
            _seal(stop, sealer, settings, database, heart, clock)


def _seal(
    stop: threading.Event,
    sealer: Sealer,
    settings: Settings,
    database: Database,
    heart: Heart,
    clock: Callable[[], datetime],
) -> None:
    """Step by step until `stop` or until a step fails, with all that goes on around the sealer.

    None of it begins before the witnesses were asked: a log that was put back is left as it is.
    """
    with (
        asking(settings, database, sealer, clock) as outside,
        making(log_folder(settings), database, clock),
        keeping_up(settings, database, clock),
        copying(settings, sealer, clock) as copy,
    ):

        def step() -> bool:
            sealed = sealer.step(clock())
            outside.turn(clock())
            copy()
            heart.beat(sealer.size, clock())
            return sealed.more

        _step_until(stop, step, settings.platform.seal_seconds)


def _step_until(stop: threading.Event, step: Callable[[], bool], seconds: float) -> None:
    try:
        while True:
            last = stop.is_set()
            if step():
                continue
            if last:
                return
            stop.wait(seconds)
    except Exception:
        _log.exception("a step of the sealer failed; the log is read again from its files")
        stop.wait(_RETRY_SECONDS)


def renew_once(settings: Settings, database: Database, now: datetime) -> None:
    """Make the blocks of columns again in which bodies are gone, as the running sealer does by itself.

    Raises Unavailable while another process seals, Inconsistent when the log must not be continued.
    """
    folder = log_folder(settings)
    if requests(folder):
        with closing(open_sealer(settings, database, now)):
            Maker(folder, announcing(database, lambda: now)).step()


def seal_once(
    settings: Settings,
    database: Database,
    now: datetime | None = None,
    progress: Callable[[int], object] = lambda records: None,
) -> Sealed:
    """Seal all that waits and show it to the witnesses; tell `progress` after each step how many were sealed.

    Raises Unavailable while another process seals, Inconsistent when the log must not be continued.
    """
    instant = now or utc_now()
    with (
        closing(open_sealer(settings, database, instant)) as sealer,
        asking(settings, database, sealer, lambda: instant) as outside,
    ):
        copier = attached(settings, sealer)
        count, more = 0, True
        while more:
            sealed = sealer.step(instant)
            count, more = count + sealed.count, sealed.more
            progress(count)
        outside.finish(instant)
        if copier is not None:
            copier.offer(sealer.state)
            copier.turn(instant)
        return Sealed(count, sealer.size)
