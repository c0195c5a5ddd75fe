"""Who keeps the second copy: a thread beside the sealer, which holds nothing up but the journals.

A second disk that fails or hangs is an alarm. Sealing goes on; journals are deleted only when what they hold
is in the copy, so they pile up until the disk's reserve stops the calls.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import orjson

from audit.copying import copy_log, open_copy
from audit.drain import earlier
from audit.files import Inconsistent, write_file
from audit.place import log_folder
from audit.sealing import Sealer
from audit.state import Place, State, load_state
from core.settings import Settings
from core.text import Text
from core.times import instant_of, local_iso, millis, utc_now

_RETRY_SECONDS = 5.0
_JOIN_SECONDS = 30.0
_LATE = timedelta(minutes=5)
_log = logging.getLogger(__name__)


def standing_path(folder: Path) -> Path:
    """Return the file of the audit folder that says how copying stands."""
    return folder / "log" / ".state" / "copying.json"


class Copier:
    """Copies one log; `turn` may be called from a thread of its own."""

    def __init__(self, source: Path, target: Path) -> None:
        self._source = source
        self._target = target
        self._copied: State | None = None
        self._offered: tuple[State, str] | None = None
        self._told: str | None = None

    @property
    def journals(self) -> Mapping[str, Place]:
        """How far the journals are in the copy."""
        copied = self._copied
        return {} if copied is None else copied.journals

    def offer(self, state: State) -> None:
        """Tell what the sealer has committed to and signed; only the newest counts."""
        if self._offered is None or self._offered[0] is not state:
            note = (self._source / "log" / "checkpoint").read_text(encoding="utf-8")
            self._offered = state, note

    def turn(self, now: datetime) -> bool:
        """Copy what was offered last; tell whether that went well. What went wrong is put down.

        Raises OSError when it cannot be put down, on a disk that is full: call it again then.
        """
        if self._offered is None or self._offered[0] is self._copied:
            return True
        state, note = self._offered
        try:
            if self._copied is None:
                self._copied = open_copy(self._target)
            if self._copied.size > state.size:
                raise Inconsistent(f"the copy holds {self._copied.size} entries, the log {state.size}")
            copy_log(self._source, self._target, self._copied, state, note)
            self._tell(None, {"size": state.size, "at": millis(now)})
        except Exception as wrong:
            self._copied = None  # it is read again from its files
            self._tell(str(wrong) or type(wrong).__name__, {})
            return False
        self._copied = state
        return True

    def _tell(self, trouble: str | None, facts: Mapping[str, Any]) -> None:
        if trouble is not None and trouble != self._told:
            _log.error("the second copy of the log cannot be written: %s", trouble)
        self._told = trouble
        before = _read(self._source)
        document = {**{"size": 0, "at": None}, **before, **facts, "trouble": trouble}
        if document != before:
            write_file(standing_path(self._source), orjson.dumps(document))


@contextmanager
def copying(
    settings: Settings, sealer: Sealer, clock: Callable[[], datetime] = utc_now
) -> Iterator[Callable[[], None]]:
    """Keep the second copy in a thread, where there is to be one; yield what is called after each step."""
    copier, wake, stop = attached(settings, sealer), threading.Event(), threading.Event()
    if copier is None:
        yield lambda: None
        return
    thread = threading.Thread(target=_run, args=(copier, wake, stop, clock), name="copying", daemon=True)
    thread.start()

    def after_step() -> None:
        copier.offer(sealer.state)
        wake.set()

    try:
        yield after_step
    finally:
        stop.set()
        wake.set()
        thread.join(_JOIN_SECONDS)


def attached(settings: Settings, sealer: Sealer) -> Copier | None:
    """Return what copies, for which the journals of `sealer` wait from now on; None where nothing is to."""
    target = settings.audit.copy_to
    if target is None:
        return None
    copier, before = Copier(log_folder(settings), target), sealer.deletable
    sealer.deletable = lambda state: earlier(before(state), copier.journals)
    return copier


def _run(copier: Copier, wake: threading.Event, stop: threading.Event, clock: Callable[[], datetime]) -> None:
    went_well = True
    while not stop.is_set():
        wake.wait(None if went_well else _RETRY_SECONDS)
        wake.clear()
        try:
            went_well = copier.turn(clock())
        except Exception:
            _log.exception("how the second copy stands cannot be put down; it is tried again")
            went_well = False


def _read(folder: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = orjson.loads(standing_path(folder).read_bytes())
    except (OSError, ValueError):
        return {}
    return found


def copying_alarms(settings: Settings, now: datetime) -> Iterator[Text]:
    """Say what is wrong with the second copy: it cannot be written, or stays behind. Raises Inconsistent."""
    folder, target = log_folder(settings), settings.audit.copy_to
    if target is None:
        return
    told = _read(folder)
    if not told:
        if load_state(folder).size:
            yield Text(
                f"日志副本 {target} 从未写完，日记段予以保留",
                f"the log's second copy {target} was never finished, journals are kept",
            )
        return
    last = "—" if told["at"] is None else local_iso(instant_of(told["at"]))
    if told["trouble"] is not None:
        yield Text(
            f"日志副本 {target} 无法写入，上次 {last}，日记段予以保留：{told['trouble']}",
            f"the log's second copy {target} cannot be written, last {last}, "
            f"journals are kept: {told['trouble']}",
        )
    elif told["size"] < load_state(folder).size and now - instant_of(told["at"]) > _LATE:
        yield Text(
            f"日志副本 {target} 落后，上次 {last}，日记段予以保留",
            f"the log's second copy {target} stays behind, last {last}; journals are kept",
        )
