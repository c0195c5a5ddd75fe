"""How the log stands, from outside: figures for the terminal, metrics and alarms; nothing is changed."""

from __future__ import annotations

import math
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from audit import store
from audit.beat import beat_path
from audit.note import Checkpoint, split_note
from audit.segments import free_bytes, segments_in
from audit.witness.memory import Memory, load_memory
from core.db import Database
from core.settings import Settings
from core.times import instant_of


@dataclass(frozen=True, slots=True)
class Standing:
    """Figures of the log at one instant; seconds and bytes."""

    size: int
    """Records under the published checkpoint."""
    lag: float
    """How long ago everything was sealed; infinite when no sealer ever ran."""
    free: int
    """What may still be written to the log's disk."""
    journals: int
    """What the journals take, sealed or not."""
    torn: tuple[str, ...]
    """Segments that are kept because their tail could not be read."""
    memory: Memory

    def since(self, ms: int | None, now: datetime) -> float | None:
        """Return the seconds from an instant of the memory until `now`."""
        return None if ms is None else (now - instant_of(ms)).total_seconds()


def standing(settings: Settings, now: datetime) -> Standing:
    """Look at the log's files; a few dozen system calls. Raises Inconsistent when they cannot be read."""
    folder = settings.data / "audit"
    torn = sorted(path.name for path in (folder / "journal" / "torn").glob("*"))
    return Standing(
        published_size(folder),
        _lag(folder, now),
        free_bytes(folder if folder.is_dir() else settings.data),
        sum(_bytes_of(path) for path in segments_in(folder / "journal")),
        tuple(torn),
        load_memory(folder),
    )


def published_size(folder: Path) -> int:
    """Return the size of the published checkpoint, 0 before the first."""
    try:
        note = (folder / "log" / "checkpoint").read_text(encoding="utf-8")
    except FileNotFoundError:
        return 0
    return Checkpoint.parse(split_note(note)[0]).size


def waiting_in_outbox(settings: Settings) -> int:
    """Return how many records of the control plane wait to be sealed."""
    with closing(Database(settings.database_url)) as database, database.read() as tx:
        return store.count_outbox(tx)


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
