"""Checking a log folder offline: bodies, envelopes, leaves, tiles, root, signatures, nothing taken on trust.

What this finds: a body that was edited, removed, put elsewhere or erased without a record that says so; an
edited, removed or reordered entry; a flipped bit in a bundle, a tile, a block of columns, a checkpoint or an
anchor; a missing file, or one that no log of this size has; a log cut off; a journal segment that vanished
before it was sealed. What no folder can show about itself is that all of it was put back to an earlier day:
for that compare the checkpoint with one kept elsewhere, such as the anchor, a witness, a receipt, or the file
in which an earlier check kept how far it came.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from datetime import datetime
from itertools import repeat
from multiprocessing import get_context
from pathlib import Path

from audit.bodies import PER_FILE
from audit.checkpoint import BadNote, Checkpoint
from audit.files import tile_reader
from audit.keys import NoteVerifier
from audit.merkle import root
from audit.note import open_note, split_note
from audit.tiles import hash_reader
from audit.verify_around import check_around, read_notes
from audit.verify_columns import check_columns
from audit.verify_progress import BadFile, Earlier, Kept, Known
from audit.verify_records import Stretch, check_stretch
from audit.verify_report import Fault, Report
from audit.verify_statements import beside, hear
from core.times import utc_now

__all__ = ["BadFile", "Fault", "Report", "verify"]

Progress = Callable[[int, int], None]
"""Called with the records checked so far and their number in all."""
AT_ONCE = 500_000
"""From so many records a process on it pays to load what hashes many at once."""


def verify(
    folder: Path,
    vkey: str | Sequence[str] | None = None,
    progress: Progress | None = None,
    *,
    jobs: int = 1,
    resume: Path | None = None,
    statements: Sequence[Path] | None = None,
    columns: bool = True,
    now: datetime | None = None,
) -> Report:
    """Check the audit folder and name each fault; `vkey` is the log's verifier key or keys, not in there.

    One of the keys must have signed; without a key no signature is checked and `is_signed` stays false. The
    log may grow meanwhile: what the checkpoint covers is checked. `jobs` processes share the records. How
    far all was in order is kept in the file `resume`, and what was in order according to it is not read
    again. Without `columns` the blocks in which searches look are left aside. What became of the bodies of a
    closed log is looked up in the audit folders `statements`, None: in those beside it; keys of these logs
    are given in `vkey` too. Raises BadNote for a malformed key, BadFile when `resume` is no such file.
    """
    keys = (vkey,) if isinstance(vkey, str) else vkey or ()
    verifiers = [NoteVerifier.parse(key) for key in keys]
    others = beside(folder) if statements is None else statements
    arguments = folder, verifiers, progress, jobs, resume, others, columns, now or utc_now()
    report = _verify(*arguments)
    if report.unexplained and _size_now(folder) != report.size:
        # The record that explains it may have been sealed, and carried out, since this check began.
        report = _verify(*arguments)
    return report


def _verify(
    folder: Path,
    verifiers: Sequence[NoteVerifier],
    progress: Progress | None,
    jobs: int,
    resume: Path | None,
    others: Sequence[Path],
    columns: bool,
    now: datetime,
) -> Report:
    kept, report = Kept(resume), Report()
    notes = read_notes(folder)  # before the checkpoint, so that this one covers them
    note = _check_note(folder, verifiers, report)
    if note is None:
        return report
    known = _begin(folder, report, kept.earlier)
    kept.begin(note)
    for stretch in _stretches(folder, known.size, report.size, jobs):
        known.take(stretch)
        report.wrong.take(stretch.wrong)
        if report.sound:
            kept.reach(known)
        if progress is not None:
            progress(known.size, report.size)
    _check_root(report, known)
    hear(others, report, known, verifiers)  # after the bodies, so that it explains what went meanwhile
    check_around(folder, report, known, notes, verifiers, now)
    if columns:
        check_columns(folder, report, known, jobs, progress)
    kept.end(note, known, sound=report.sound)
    return report


def _size_now(folder: Path) -> int:
    report = Report()
    _check_note(folder, (), report)
    return report.size


def _check_note(folder: Path, verifiers: Sequence[NoteVerifier], report: Report) -> str | None:
    """Read the checkpoint and return its note, None when there is none to go by."""
    try:
        note = (folder / "log" / "checkpoint").read_text(encoding="utf-8")
        checkpoint = Checkpoint.parse(split_note(note)[0])
    except (OSError, ValueError) as wrong:
        report.wrong.add("checkpoint", f"cannot be read: {wrong}")
        return None
    report.origin, report.size, report.root = checkpoint.origin, checkpoint.size, checkpoint.root
    try:
        if verifiers:
            open_note(note, verifiers)
            report.is_signed = True
    except BadNote as wrong:
        report.wrong.add("checkpoint", str(wrong))
    return note


def _begin(folder: Path, report: Report, earlier: Earlier | None) -> Known:
    """Return what an earlier check knew, nothing when the log does not continue what that check saw."""
    if earlier is None:
        return Known()
    old = Checkpoint.parse(split_note(earlier.note)[0])
    if old.origin != report.origin:
        report.wrong.add("checkpoint", f"is of another log than {old.origin}, which was checked before")
    elif old.size > report.size:
        was = f"the log had {old.size} entries when it was checked before"
        report.wrong.add("checkpoint", f"holds {report.size} entries, {was}: rolled back?")
    elif _root_at(folder, old.size, report.size) != old.root:
        was = f"had another root than it has now when it was checked before, at {old.size} entries"
        report.wrong.add("checkpoint", f"the log {was}")
    else:
        report.checked_before = earlier.known.size
        return earlier.known
    return Known()


def _root_at(folder: Path, size: int, of: int) -> bytes | None:
    try:
        return root(size, hash_reader(of, tile_reader(folder / "log")))
    except (OSError, ValueError, IndexError):
        return None


def _stretches(folder: Path, start: int, size: int, jobs: int) -> Iterator[Stretch]:
    firsts = range(start, size, PER_FILE)
    check = _check_of((size - start) // jobs)
    if jobs == 1 or len(firsts) < 2:
        yield from map(check, repeat(folder), firsts, repeat(size))
        return
    with ProcessPoolExecutor(min(jobs, len(firsts)), get_context("spawn")) as pool:
        yield from pool.map(check, repeat(folder), firsts, repeat(size))


def _check_of(records: int) -> Callable[[Path, int, int], Stretch]:
    """Return what is to check the stretches of a process that has so many records to check."""
    if records < AT_ONCE:
        return check_stretch
    from audit.verify_at_once import check_at_once  # loads Arrow, which takes longer than to check a few

    return check_at_once


def _check_root(report: Report, known: Known) -> None:
    found = known.tree.root()
    if found is None:
        report.wrong.add("checkpoint", "its root cannot be summed up, since hashes are missing")
    elif found != report.root:
        report.wrong.add("checkpoint", "its root is not that of the tiles")
