"""Bringing the log in order at start: what lies beyond the state goes, a contradiction stops the start."""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from audit.bodies import drop_bodies
from audit.files import TEMPORARY, Inconsistent
from audit.merkle import root
from audit.note import BadNote, Checkpoint, NoteVerifier, signatures_of, split_note
from audit.segments import NEW_SUFFIX, is_abandoned
from audit.state import State
from audit.tiles import ENTRIES, WIDTH, ReadTile, hash_reader, hashes_at, levels_of, parse_path, tile_path
from audit.tree import Edge, load_edge


def check_state(state: State, read_tile: ReadTile) -> Edge:
    """Return the right edge of the log. Raises Inconsistent unless its tiles have the root of the state."""
    try:
        edge = load_edge(state.size, read_tile)
    except (OSError, ValueError) as wrong:
        raise Inconsistent(f"the right edge of {state.size} entries cannot be read: {wrong}") from wrong
    if edge.root != state.root:
        raise Inconsistent(f"the tiles of {state.size} entries do not have the root of the state")
    return edge


def check_past(what: str, size: int, expected: bytes, state: State, read_tile: ReadTile) -> None:
    """Refuse a log that is shorter or other than `what` once saw it. Raises Inconsistent."""
    if size > state.size:
        raise Inconsistent(f"the {what} knows {size} entries, the log holds {state.size}: rolled back?")
    try:
        found = root(size, hash_reader(state.size, read_tile))
    except (OSError, ValueError) as wrong:
        raise Inconsistent(f"the root of {size} entries cannot be summed up: {wrong}") from wrong
    if found != expected:
        raise Inconsistent(f"the {what} of {size} entries has another root than the log")


@dataclass(frozen=True, slots=True)
class Published:
    """The checkpoint that the last start left, and whether every key of the log has signed it.

    A key that was made after it has not.
    """

    size: int
    root: bytes
    by_all: bool


def read_checkpoint(path: Path, verifiers: Collection[NoteVerifier], origin: str) -> Published | None:
    """Return the published checkpoint, if any. Raises Inconsistent when it is not of this log and its keys.

    One of the keys is enough, so that a log goes on when it is given another key.
    """
    if not path.exists():
        return None
    try:
        note = path.read_text(encoding="utf-8")
        signed = signatures_of(note, verifiers)
        if not signed:
            raise BadNote("no signature of a known key")
        checkpoint = Checkpoint.parse(split_note(note)[0])
    except ValueError as wrong:
        raise Inconsistent(f"the checkpoint cannot be trusted: {wrong}") from wrong
    if checkpoint.origin != origin:
        other = f"the checkpoint is of {checkpoint.origin}, not of {origin}"
        raise Inconsistent(f"{other}: to close the one and begin the other run shuxiang audit rotate")
    return Published(checkpoint.size, checkpoint.root, len(signed) == len(verifiers))


def drop_beyond(folder: Path, state: State) -> None:
    """Remove what crashed steps and writers left: bodies and tiles beyond the state, unfinished files.

    A tile beyond the state would contradict the tree once other records take its place.
    """
    drop_bodies(folder / "bodies", state.size, state.bodies_end)
    log = folder / "log"
    for parent, _, names in os.walk(log):
        for name in names:
            path = Path(parent, name)
            if name.startswith(TEMPORARY) or not belongs(path.relative_to(log).as_posix(), state.size):
                path.unlink()
    for path in (folder / "journal").glob(f"*{NEW_SUFFIX}"):
        if path.stat().st_size and is_abandoned(path):
            path.unlink()


def drop_partials(log: Path, old: int, new: int) -> None:
    """Delete the partial tiles of tiles that are full at `new` (C2SP tlog-tiles, partial tiles)."""
    for level in (ENTRIES, *range(levels_of(old))):
        index, width = divmod(hashes_at(level, old), WIDTH)
        if width and hashes_at(level, new) // WIDTH > index:
            shutil.rmtree((log / tile_path(level, index, width)).parent, ignore_errors=True)


def belongs(name: str, size: int) -> bool:
    """Tell whether a log of `size` entries has the file `name`, a partial tile only until it is full."""
    if not is_tile(name):
        return True  # not ours to judge
    level, index, width = parse_path(name)
    hashes = hashes_at(level, size)
    is_full = (index + 1) * WIDTH <= hashes
    return is_full if width == WIDTH else not is_full and index * WIDTH + width <= hashes


def is_tile(name: str) -> bool:
    """Tell whether a path below the log's folder is one that a tile or an entry bundle may have."""
    try:
        parse_path(name)
    except ValueError:
        return False
    return True
