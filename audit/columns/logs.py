"""The logs that questions go through: the closed ones beside the log that runs, each a folder of its own."""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from pathlib import Path

import orjson

from audit.keeping.past import PAST
from audit.note import Checkpoint, split_note
from audit.proofs import entry_at, published_checkpoint
from core.errors import NotFound
from core.times import instant_of


def closed_folders(folder: Path) -> list[Path]:
    """Return the folders of the closed logs, in the order in which the logs began."""
    found = (checkpoint.parent.parent for checkpoint in (folder / PAST).glob("*/log/checkpoint"))
    return sorted(found, key=lambda closed: _first_entry(closed, _state(closed))[0])


def began_at(folder: Path) -> datetime | None:
    """Return the time of a log's first record; None while nothing is sealed."""
    try:
        return instant_of(_first_entry(folder, _state(folder))[0])
    except (NotFound, FileNotFoundError):
        return None


def predecessor(folder: Path) -> Checkpoint | None:
    """Return the checkpoint that the log before ended with, as entry 0 says; None for a first log."""
    try:
        note = _first_entry(folder, _state(folder))[1]
    except (NotFound, FileNotFoundError):  # nothing is sealed yet
        return None
    return None if note is None else Checkpoint.parse(split_note(note)[0])


def newest_note(folder: Path) -> str:
    """Return a log's newest signed note, empty before the first."""
    try:
        return published_checkpoint(folder)[0]
    except NotFound:
        return ""


def origin_of(note: str) -> str:
    """Return the name of the log that a signed note is about, empty for an empty note."""
    return note.partition("\n")[0]


def _state(folder: Path) -> int:
    """Return a number that is another one once another log lies in the folder."""
    return (folder / "log").stat().st_ino


@lru_cache(maxsize=256)
def _first_entry(folder: Path, _state: int) -> tuple[int, str | None]:
    """Return the time of a log's first entry, and the note that it carries of the log before."""
    entry = orjson.loads(entry_at(folder, 0))
    return entry["t"], entry.get("p")
