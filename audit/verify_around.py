"""Checking what lies around the records: what is gone, upper tiles, notes, state, leftovers."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from fcntl import LOCK_NB, LOCK_SH, flock
from hashlib import sha256
from pathlib import Path

from audit.beat import LAG_BOUND
from audit.bodies import PER_FILE, bodies_path, first_of
from audit.checkpoint import Checkpoint
from audit.drain import find_journals
from audit.files import Inconsistent, tile_reader
from audit.keys import NoteVerifier
from audit.merkle import root, root_of_tile
from audit.note import open_note, split_note
from audit.recovery import belongs, is_tile
from audit.state import State, copied_path, load_state
from audit.tiles import HASH_BYTES, WIDTH, hash_reader, levels_of, tile_path, tiles_of
from audit.verify_progress import Known
from audit.verify_records import read_hashes
from audit.verify_report import Report

_STATE = "log/.state/state.json"


def read_notes(folder: Path) -> Mapping[str, str]:
    """Return the notes that are kept beside the checkpoint, by file: the cosigned one and the anchors."""
    notes = {}
    for path in (folder / "log" / "cosigned", *sorted((folder / "anchors").glob("*.checkpoint"))):
        if path.exists():
            notes[path.relative_to(folder).as_posix()] = path.read_bytes().decode(errors="replace")
    return notes


def check_around(
    folder: Path,
    report: Report,
    known: Known,
    notes: Mapping[str, str],
    verifiers: Sequence[NoteVerifier],
    now: datetime,
) -> None:
    """Check all but the records, with what the records told."""
    report.bodies, report.gaps = known.bodies, known.gaps
    _check_gone(folder, report, known)
    _check_levels(folder, report)
    _check_notes(folder, report, notes, verifiers)
    _check_stamps(folder, report, known)
    _check_state(folder, report, now)


# --- erased and pruned ------------------------------------------------------------------------------


def _check_gone(folder: Path, report: Report, known: Known) -> None:
    """Tell bodies that are gone, as a record of the log says, from those that somebody took away."""
    # The keys lie in the folder of a closed log only: what became of its bodies since is said elsewhere.
    elsewhere = (folder / "keys").is_dir() and not report.sources
    hint = "; a later log may say why: give its folder with --statements" if elsewhere else ""
    for at, statement, own in known.erased:
        if known.erasures.get(at) == (statement, own):
            report.erased += 1
        else:
            report.unexplained += 1
            file = f"bodies/{bodies_path(folder, at).name}"
            report.wrong.add(file, f"the body is erased, and no record says so{hint}", at)
    for first, last in known.missing:
        kept = min(max(first, known.pruned), last + 1)
        report.pruned += kept - first
        report.unexplained += last + 1 - kept
        if kept <= last:
            file = f"bodies/{bodies_path(folder, kept).name}"
            report.wrong.add(file, f"the body is missing{hint}", kept, last)


# --- tiles and notes --------------------------------------------------------------------------------


def _check_levels(folder: Path, report: Report) -> None:
    """Check each hash from level 2 on against the full tile that it stands for."""
    read = tile_reader(folder / "log")
    for level in range(1, levels_of(report.size)):
        for index, width in tiles_of(level, report.size):
            tile = read_hashes(report.wrong, read, level, index, width)
            for i in range(len(tile) // HASH_BYTES if level > 1 else 0):
                at = index * WIDTH + i
                below = read_hashes(None, read, level - 1, at, WIDTH)
                if below and root_of_tile(below) != tile[i * HASH_BYTES : (i + 1) * HASH_BYTES]:
                    wrong = f"hash {i} does not fit {tile_path(level - 1, at)}"
                    report.wrong.add(tile_path(level, index, width), wrong)


def _check_notes(
    folder: Path, report: Report, notes: Mapping[str, str], verifiers: Sequence[NoteVerifier]
) -> None:
    """Check that each note kept beside the checkpoint is of the log that the checkpoint is of."""
    read = hash_reader(report.size, tile_reader(folder / "log"))
    for file, note in notes.items():
        try:
            text = open_note(note, verifiers) if verifiers else split_note(note)[0]
            checkpoint = Checkpoint.parse(text)
            if checkpoint.origin != report.origin:
                report.wrong.add(file, f"is of {checkpoint.origin}")
            elif checkpoint.size > report.size:
                report.wrong.add(file, f"knows {checkpoint.size} entries, the checkpoint {report.size}")
            elif root(checkpoint.size, read) != checkpoint.root:
                report.wrong.add(file, "its root is not that of the tiles")
        except (OSError, ValueError, IndexError) as wrong:
            report.wrong.add(file, str(wrong))


def _check_stamps(folder: Path, report: Report, known: Known) -> None:
    """Check time stamps, and the notes that they are over, against what the log holds of them."""
    for file, expected in known.stamps.items():
        try:
            found = sha256((folder / file).read_bytes()).hexdigest()
        except OSError:
            report.wrong.add(file, "missing")
        else:
            if found != expected:
                what = "time stamp" if file.endswith(".tsr") else "stamped checkpoint"
                report.wrong.add(file, f"the {what} is not as the log knows it")


# --- state and leftovers ----------------------------------------------------------------------------


def _check_state(folder: Path, report: Report, now: datetime) -> None:
    """Check that the state covers the checkpoint, that no journal is gone, and that nothing lies beyond."""
    try:
        state = load_state(folder)
    except Inconsistent as wrong:
        report.wrong.add(_STATE, str(wrong))
        return
    report.is_copy = copied_path(folder).exists()
    if state.size < report.size:
        report.wrong.add(_STATE, f"holds {state.size} entries, the checkpoint {report.size}")
    elif state.root != (report.root if state.size == report.size else _root_of(folder, state.size)):
        report.wrong.add(_STATE, "has another root than the log")
    _check_journals(folder, report, state)
    for file, what in list(_leftovers(folder, state)):
        if not _is_of_a_step(folder, folder / file, state, now):
            report.wrong.add(file.removeprefix("log/"), what)


def _root_of(folder: Path, size: int) -> bytes | None:
    try:
        return root(size, hash_reader(size, tile_reader(folder / "log")))
    except (OSError, ValueError, IndexError):
        return None


def _check_journals(folder: Path, report: Report, state: State) -> None:
    for journal, number in [] if report.is_copy else list(_missing_segments(folder, state)):
        if load_state(folder).journals == state.journals:  # else it was sealed and deleted meanwhile
            report.wrong.add(f"journal/{journal}.{number:06d}.jnl", "missing before it was sealed")


def _missing_segments(folder: Path, state: State) -> Iterator[tuple[str, int]]:
    found = find_journals(folder / "journal")
    for journal, place in state.journals.items():
        numbers = found.get(journal, {}).keys()
        last = max(numbers, default=place.segment)
        yield from ((journal, n) for n in range(place.segment + place.done, last + 1) if n not in numbers)


def _leftovers(folder: Path, state: State) -> Iterator[tuple[str, str]]:
    """Yield what a log of this size does not have: a step that was cut off left it, or somebody else."""
    for path in sorted((folder / "bodies").iterdir()) if (folder / "bodies").is_dir() else ():
        first = first_of(path.name)
        end = state.bodies_end if first == state.size // PER_FILE * PER_FILE else None
        if first is None or first >= state.size:
            yield f"bodies/{path.name}", "no log of this size has this file"
        elif end is not None and (more := path.stat().st_size - end) != 0:
            what = f"{more} bytes behind the last body" if more > 0 else f"{-more} bytes too short"
            yield f"bodies/{path.name}", what
    for parent, _, names in os.walk(folder / "log" / "tile"):
        within = Path(parent).relative_to(folder / "log").as_posix()
        for name in (f"{within}/{name}" for name in names):
            if not (is_tile(name) and belongs(name, state.size)):
                yield f"log/{name}", "no log of this size has this file"


def _is_of_a_step(folder: Path, path: Path, state: State, now: datetime) -> bool:
    """Tell whether a sealer that runs is writing this, or has by now committed to it, or has removed it."""
    try:
        changed = path.stat().st_mtime
    except FileNotFoundError:
        return True
    if load_state(folder).size != state.size:
        return True
    return _is_held(folder / "log" / ".state" / "lock") and now.timestamp() - changed < LAG_BOUND


def _is_held(lock: Path) -> bool:
    """Tell whether a sealer runs."""
    try:
        with lock.open("rb") as file:
            flock(file, LOCK_SH | LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
