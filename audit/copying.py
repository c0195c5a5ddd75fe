"""The second copy: the sealed log in a folder on another disk, itself a log folder that can be checked.

It is written in the order of a step: bodies, bundles and tiles, state, checkpoint. The state in the copy is
the commit, so copying goes on where it was cut off, and memory is bounded however much there is to copy.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from audit.bodies import PER_FILE, bodies_path
from audit.checkpoint import Checkpoint
from audit.files import tile_reader, write_file, write_files
from audit.note import split_note
from audit.recovery import drop_beyond, drop_partials
from audit.segments import sync_folder
from audit.state import State, copied_path, load_state, save_state
from audit.tiles import ENTRIES, WIDTH, hashes_at, levels_of, tile_path, tiles_of

_PIECE = 1024 * 1024
_TILES = 256
"""Tiles that are written at a time."""


def open_copy(target: Path) -> State:
    """Bring the copy in order, or begin one; return how far it goes.

    Raises OSError, and Inconsistent when it is damaged: then it is to be checked, and made anew if need be.
    """
    (target / "log" / ".state").mkdir(mode=0o755, parents=True, exist_ok=True)
    (target / "bodies").mkdir(mode=0o700, exist_ok=True)
    if not copied_path(target).exists():
        write_file(copied_path(target), b"the second copy of a log\n")
    state = load_state(target)
    drop_beyond(target, state)
    return state


def copy_log(source: Path, target: Path, old: State, new: State, note: str) -> None:
    """Copy what the log in `source` holds from the state `old` to `new`, and the checkpoint `note` of `new`.

    `old` is what the copy holds, from `open_copy` or the call before.
    """
    _copy_bodies(source / "bodies", target / "bodies", old, new)
    files: dict[str, bytes] = {}
    for name, tile in _tiles(source / "log", old.size, new.size):
        files[name] = tile
        if len(files) == _TILES:
            write_files(target / "log", files)
            files = {}
    write_files(target / "log", files)
    save_state(target, new)
    _write_new(target / "log" / "checkpoint", note.encode())
    drop_partials(target / "log", old.size, new.size)
    _copy_notes(source, target, new.size)


def _copy_bodies(source: Path, target: Path, old: State, new: State) -> None:
    """Copy the bodies behind those of `old`; a file of which none is left (retention) is left out."""
    start, offset = old.size, old.bodies_end
    while start < new.size:
        path, end = bodies_path(source, start), (start // PER_FILE + 1) * PER_FILE
        if path.exists():
            _append(path, target / path.name, offset, new.bodies_end if end > new.size else None)
        start, offset = end, 0


def _append(source: Path, target: Path, offset: int, end: int | None) -> None:
    """Copy from `offset` to `end`, or all that is there; what the target has behind `offset` goes."""
    with source.open("rb") as read, open(target, "ab", opener=_private) as write:
        write.truncate(offset)
        read.seek(offset)
        while piece := read.read(_PIECE if end is None else min(_PIECE, end - read.tell())):
            write.write(piece)
        write.flush()
        os.fdatasync(write.fileno())
    sync_folder(target.parent)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CLOEXEC, 0o600)


def _tiles(log: Path, old: int, new: int) -> Iterator[tuple[str, bytes]]:
    read = tile_reader(log)
    for level in (ENTRIES, *range(levels_of(new))) if new > old else ():
        for index, width in tiles_of(level, new, hashes_at(level, old) // WIDTH):
            yield tile_path(level, index, width), read(level, index, width)


def _copy_notes(source: Path, target: Path, size: int) -> None:
    """Copy the newest cosigned checkpoint and the anchors, as far as the copy covers them."""
    cosigned = source / "log" / "cosigned"
    if cosigned.exists():
        note = cosigned.read_bytes()
        if Checkpoint.parse(split_note(note.decode())[0]).size <= size:
            _write_new(target / "log" / "cosigned", note)
    for path in (source / "anchors").glob("[0-9]*"):
        there = target / "anchors" / path.name
        if not there.exists() and int(path.name.partition(".")[0]) <= size:
            there.parent.mkdir(mode=0o755, exist_ok=True)
            write_file(there, path.read_bytes())


def _write_new(path: Path, content: bytes) -> None:
    if not path.exists() or path.read_bytes() != content:
        write_file(path, content)
