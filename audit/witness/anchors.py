"""Anchors: cosigned or stamped checkpoints that are kept for ever, at most one an hour and two ends of a day.

anchors/<size>.checkpoint   the note
anchors/<size>.tsr          the response of RFC 3161 over SHA-256 of exactly those bytes, where there is one
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import datetime, timedelta
from pathlib import Path

from audit.files import TEMPORARY, Inconsistent, tile_reader, write_file
from audit.note import Checkpoint, NoteVerifier, open_note, split_note
from audit.recovery import check_past
from audit.state import State
from core.times import SHANGHAI

EVERY = timedelta(hours=1)


def anchor_path(folder: Path, size: int, suffix: str = "checkpoint") -> Path:
    """Return the file of the anchor of `size` entries, or of its stamp with the suffix ``tsr``."""
    return folder / "anchors" / f"{size}.{suffix}"


def is_due(last: datetime | None, now: datetime) -> bool:
    """Tell whether a checkpoint of `now` becomes an anchor: an hour after the last, or first of its day."""
    return last is None or now - last >= EVERY or is_new_day(last, now)


def is_new_day(last: datetime, now: datetime) -> bool:
    """Tell whether `now` is of another day than `last`, in the platform's time zone."""
    return last.astimezone(SHANGHAI).date() != now.astimezone(SHANGHAI).date()


def write_anchor(folder: Path, size: int, content: bytes, suffix: str = "checkpoint") -> None:
    """Keep an anchor or its stamp, durably; one that is there stays as it is, since it may be stamped."""
    path = anchor_path(folder, size, suffix)
    path.parent.mkdir(mode=0o755, exist_ok=True)
    if not path.exists():
        write_file(path, content)


def anchored_sizes(folder: Path) -> list[int]:
    """Return the sizes of the anchors, in order."""
    names = (path.stem for path in (folder / "anchors").glob("*.checkpoint"))
    return sorted(int(name) for name in names if name.isdecimal())


def check_anchors(folder: Path, state: State, verifiers: Collection[NoteVerifier], origin: str) -> None:
    """Hold the log against its newest anchor and its cosigned checkpoint. Raises Inconsistent.

    They may have stayed where the rest of the log was put back.
    """
    for path in (folder / "anchors").glob(f"{TEMPORARY}*"):
        path.unlink()
    for path in _kept(folder):
        try:
            note = path.read_text(encoding="utf-8")
            known = Checkpoint.parse(split_note(note)[0])
            if known.origin != origin:
                continue  # of the log before
            open_note(note, verifiers)
        except ValueError as wrong:
            raise Inconsistent(f"{path.name} cannot be trusted: {wrong}") from wrong
        check_past(f"file {path.name}", known.size, known.root, state, tile_reader(folder / "log"))


def _kept(folder: Path) -> Iterator[Path]:
    yield from (anchor_path(folder, size) for size in anchored_sizes(folder)[-1:])
    cosigned = folder / "log" / "cosigned"
    if cosigned.exists():
        yield cosigned
