"""Putting the log into archive units, one at a time: made, written aside, checked as written, then in place.

A unit is checked by the very program that it carries. A unit that is there already is left alone.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from audit.bodies import PER_FILE, bodies_path
from audit.checking import verifier
from audit.checkpoint import Checkpoint
from audit.files import TEMPORARY, Inconsistent, write_file
from audit.keeping.covered import Covered, Keeping, files_of
from audit.keeping.kinds import archived
from audit.keeping.units import member, pack, unit_files
from audit.keys import NoteVerifier
from audit.note import BadNote, signatures_of, split_note
from audit.segments import sync_folder
from audit.store import insert_outbox
from audit.witness.anchors import anchor_path, anchored_sizes
from audit.witness.policy import fulfils
from core.errors import Conflict, NotFound


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit as it lies in the archive."""

    first: int
    path: Path
    sha256: str
    size: int
    """Bytes."""


def missing_units(keeping: Keeping, reach: Covered, archive: Path) -> list[int]:
    """Return the first indexes of the units that could be made and are not there, in order."""
    return [at for at in files_of(keeping, reach) if not (archive / keeping.unit(at).name).exists()]


def make_unit(keeping: Keeping, first: int, reach: Covered, archive: Path, now: datetime) -> Unit:
    """Make one unit, or make it anew, and put it on record.

    Raises NotFound when the bodies are gone, Conflict when no checkpoint that counts covers them yet,
    Inconsistent, naming what is wrong, when what was written does not hold.
    """
    _check_range(keeping, first, reach)
    path = archive / keeping.unit(first).name
    note = _note(keeping, first, reach, path)
    content = pack(unit_files(keeping.folder, first, note, keys_of(reach)))
    archive.mkdir(mode=0o700, parents=True, exist_ok=True)
    aside = path.with_name(f"{TEMPORARY}{path.name}")
    write_file(aside, content, 0o600)
    try:
        check_unit(reach, aside)
    except Inconsistent:
        aside.unlink()
        raise
    unit = Unit(first, path, hashlib.sha256(content).hexdigest(), len(content))
    # A crash between the two leaves no unit without its record; the same unit is then made once more.
    _put_on_record(keeping, unit, Checkpoint.parse(split_note(note)[0]).size, now)
    os.rename(aside, path)
    sync_folder(archive)
    return unit


def _check_range(keeping: Keeping, first: int, reach: Covered) -> None:
    if first < 0 or first % PER_FILE or not first <= keeping.last_of(first) < reach.size:
        raise Conflict(
            f"第 {first} 条起的 {PER_FILE} 条尚未满或尚无所需的检查点，起点应为 {PER_FILE} 的倍数",
            f"no unit begins at {first}: it is not a multiple of {PER_FILE}, or no checkpoint covers it yet",
        )
    if not bodies_path(keeping.folder / "bodies", first).exists():
        raise NotFound(f"第 {first} 条起的正文已不在", f"the bodies from {first} on are not there any more")


def _note(keeping: Keeping, first: int, reach: Covered, path: Path) -> str:
    """Return the checkpoint for a unit: that of the unit made before, the first anchor, or the newest."""
    kept = member(path, "checkpoint")
    sizes = (size for size in anchored_sizes(keeping.folder) if size > keeping.last_of(first))
    anchor = next(sizes, None)
    notes = [] if kept is None else [kept]
    notes += [] if anchor is None else [anchor_path(keeping.folder, anchor).read_bytes()]
    return next((note for raw in notes if _counts(reach, note := raw.decode())), reach.note)


def _counts(reach: Covered, note: str) -> bool:
    """Tell whether every key of the log signed, and enough witnesses."""
    try:
        return len(signatures_of(note, reach.keys)) == len(reach.keys) and fulfils(reach.policy, note)
    except BadNote:
        return False


def keys_of(reach: Covered) -> dict[str, NoteVerifier]:
    """Return the keys that a unit brings along, by name of file."""
    classical, lasting = reach.keys
    witnesses = enumerate(reach.policy.verifiers, 1)
    return {"log": classical, "log-mldsa": lasting, **{f"witness-{i}": key for i, key in witnesses}}


def check_unit(reach: Covered, path: Path) -> None:
    """Check a unit as an outsider would, by the log's keys and the policy. Raises Inconsistent."""
    log, witnesses = (verifier.keys_of(map(str, keys)) for keys in (reach.keys, reach.policy.verifiers))
    trust = verifier.Trust(log, witnesses, reach.policy.needed)
    report = verifier.check_file(path, trust, verifier.Given())
    if not report.sound:
        raise Inconsistent(f"the unit does not hold: {verifier.told(report)}")


def _put_on_record(keeping: Keeping, unit: Unit, checkpoint_size: int, now: datetime) -> None:
    span = unit.first, keeping.last_of(unit.first)
    made = archived(*span, unit.path.name, unit.sha256, checkpoint_size, now, keeping.log)
    with keeping.database.begin() as tx:
        insert_outbox(tx, made)
