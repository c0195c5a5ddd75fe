"""How the log stands, from outside: figures for the terminal, metrics and alarms; nothing is changed."""

from __future__ import annotations

import math
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from audit import store
from audit.beat import beat_path
from audit.drain import unsealed_frames
from audit.files import Inconsistent
from audit.note import Checkpoint, split_note
from audit.place import log_folder
from audit.segments import free_bytes, segments_in
from audit.state import load_state
from audit.witness.memory import Known, Memory, load_memory
from core.db import Database
from core.settings import Settings
from core.times import instant_of, local_iso, utc_now

UNREADABLE = (OSError, ValueError, Inconsistent)
"""What looking at a log raises whose files are damaged."""
TORN_DAYS = 7
FIGURES = (
    *("size", "checkpoint_size", "checkpoint_at", "sealed_to", "waiting_in_journals", "journals_bytes"),
    *("free_disk_bytes", "witnessed_size", "witnessed_at", "stamped_size", "stamped_at"),
)


@dataclass(frozen=True, slots=True)
class Standing:
    """Figures of the log at one instant; seconds and bytes."""

    sealed: int
    """Records that the sealer has committed to."""
    size: int | None
    """Records under the published checkpoint; None before the first."""
    lag: float
    """How long ago everything was sealed; infinite when no sealer ever ran."""
    free: int
    """What may still be written to the log's disk."""
    journals: int
    """What the journals take, sealed or not."""
    torn: tuple[str, ...]
    """Segments whose tail could not be read, until TORN_DAYS after the log has said so for good."""
    memory: Memory

    def since(self, ms: int | None, now: datetime) -> float | None:
        """Return the seconds from an instant of the memory until `now`."""
        return None if ms is None else (now - instant_of(ms)).total_seconds()


def standing(settings: Settings, now: datetime) -> Standing:
    """Look at the log's files; a few dozen system calls. Raises Inconsistent when they cannot be read."""
    folder = log_folder(settings)
    torn = [path.name for path in sorted((folder / "journal" / "torn").glob("*")) if _is_news(path, now)]
    return Standing(
        load_state(folder).size,
        published_size(folder),
        _lag(folder, now),
        free_bytes(folder if folder.is_dir() else settings.data),
        sum(_bytes_of(path) for path in segments_in(folder / "journal")),
        tuple(torn),
        load_memory(folder),
    )


def _is_news(torn: Path, now: datetime) -> bool:
    """Tell whether somebody must still look at a torn segment.

    Its first name goes once its records, and the `journal.gap` about it, are sealed, witnessed and copied as
    the deployment's rules ask; the inode's time of change is then.
    """
    try:
        found = torn.stat()
    except FileNotFoundError:  # pruned meanwhile
        return False
    return found.st_nlink > 1 or now.timestamp() - found.st_ctime < TORN_DAYS * 86_400


def status(settings: Settings, now: datetime | None = None) -> dict[str, Any]:
    """Return how far the log has come, what waits to be sealed, and who has witnessed and stamped it.

    Figures are None while the log's files cannot be read; `trouble` says why.
    """
    with closing(Database(settings.log_database_url)) as database, database.read() as tx:
        outbox = store.count_outbox(tx)
    trouble: str | None = None
    try:
        found = _figures(settings, now or utc_now())
    except UNREADABLE as wrong:
        found, trouble = {}, str(wrong)
    known = {name: found.get(name) for name in FIGURES}
    witnesses = found.get("witnesses", {})
    origin = settings.platform.log_origin
    return {
        "origin": origin,
        **known,
        "waiting_in_outbox": outbox,
        "witnesses": witnesses,
        "trouble": trouble,
    }


def waiting(settings: Settings, database: Database) -> int:
    """Return how many records wait to be sealed. Raises as reading the log's files does (UNREADABLE)."""
    folder = log_folder(settings)
    with database.read() as tx:
        outbox = store.count_outbox(tx)
    return outbox + sum(1 for _ in unsealed_frames(folder / "journal", load_state(folder).journals))


def _figures(settings: Settings, now: datetime) -> dict[str, Any]:
    folder = log_folder(settings)
    stands, state = standing(settings, now), load_state(folder)
    memory, frames = stands.memory, unsealed_frames(folder / "journal", state.journals)
    sealed_to = None if math.isinf(stands.lag) else now - timedelta(seconds=stands.lag)
    return {
        "size": stands.sealed,
        "checkpoint_size": stands.size,
        "checkpoint_at": _changed_at(folder / "log" / "checkpoint"),
        "sealed_to": None if sealed_to is None else local_iso(sealed_to),
        "waiting_in_journals": sum(1 for _ in frames),
        "journals_bytes": stands.journals,
        "free_disk_bytes": stands.free,
        "witnessed_size": memory.witnessed if settings.audit.witnesses.needed else None,
        "witnessed_at": _when(memory.witnessed_at),
        "witnesses": {
            w.name: _known(memory.witnesses.get(w.name, Known())) for w in settings.audit.witnesses.of
        },
        "stamped_size": memory.stamped if settings.audit.timestamps else None,
        "stamped_at": _when(memory.stamped_at),
    }


def _known(known: Known) -> dict[str, Any]:
    return {"size": known.size, "at": _when(known.at), "trouble": known.trouble}


def _when(ms: int | None) -> str | None:
    return None if ms is None else local_iso(instant_of(ms))


def _changed_at(path: Path) -> str | None:
    return _when(int(path.stat().st_mtime * 1000)) if path.exists() else None


def published_size(folder: Path) -> int | None:
    """Return the size of the published checkpoint, None before the first."""
    try:
        note = (folder / "log" / "checkpoint").read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    return Checkpoint.parse(split_note(note)[0]).size


def _lag(folder: Path, now: datetime) -> float:
    try:
        return now.timestamp() - beat_path(folder).stat().st_mtime
    except FileNotFoundError:
        return math.inf


def _bytes_of(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:  # sealed and deleted meanwhile
        return 0
