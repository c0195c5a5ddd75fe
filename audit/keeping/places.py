"""Every place where the platform itself holds the body of a sealed record, and taking it out of them."""

from __future__ import annotations

import os
from pathlib import Path

import orjson

from audit.bodies import Line, bodies_path, erased_line, is_erased, read_bodies
from audit.files import Inconsistent
from audit.frames import encode_frame, read_journal
from audit.keeping.kinds import KEPT
from audit.record import body_digest
from audit.segments import journal_of, segments_in


def erase_body(folder: Path, index: int, record_id: str, statement: str, envelope: bytes) -> bool:
    """Overwrite the body at `index` in the folder of bodies, durably; False when it is not there any more.

    Raises Inconsistent as `checked_body`: somebody changed something, and that is to be looked at first.
    """
    line = checked_body(folder, index, record_id, envelope)
    if line is None:
        return False
    if not is_erased(line.body):
        gone = erased_line(len(line.body), statement, record_id)
        _overwrite(bodies_path(folder, index), line.offset, gone)
    return True


def checked_body(folder: Path, index: int, record_id: str, envelope: bytes) -> Line | None:
    """Return the body at `index` of the folder of bodies, or what is left of it; None when it is not there.

    That it lies there is known from columns, which anybody may have changed. So it must be the body of
    `envelope` and of this very record, and none by which the log explains itself. Raises Inconsistent.
    """
    line, known = next(read_bodies(folder, index, index + 1), None), orjson.loads(envelope)
    if known["k"] in KEPT:
        raise Inconsistent(f"the record {index} explains the log and is never erased")
    if line is None:
        return None
    if not is_erased(line.body) and known["b"] != body_digest(line.body):
        raise Inconsistent(f"the body {index} does not fit its envelope and is not erased")
    if orjson.loads(line.body).get("id", record_id) != record_id:
        raise Inconsistent(f"the body {index} is not that of the record {record_id}: the columns are wrong")
    return line


def erase_frames(journals: Path, record_id: str, statement: str, envelope: bytes) -> None:
    """Overwrite the body in the journal segments that still hold it, those put aside as torn included.

    Only the frame of a sealed record changes, which nobody writes or reads for sealing any more, and it keeps
    its length, number and a right checksum.
    """
    source = orjson.loads(envelope)["s"]
    for folder in (journals, journals / "torn"):
        for path in segments_in(folder):
            if journal_of(path)[0] == source:
                _erase_frame(path, record_id, statement, envelope)


def _erase_frame(path: Path, record_id: str, statement: str, envelope: bytes) -> None:
    try:
        frame = next((f for f in read_journal(path) if f.envelope == envelope), None)
    except FileNotFoundError:  # sealed and deleted meanwhile
        return
    if frame is not None and not is_erased(frame.body):
        new = encode_frame(frame.seq, envelope, erased_line(len(frame.body), statement, record_id), None)
        _overwrite(path, frame.end - len(new), new)


def _overwrite(path: Path, offset: int, content: bytes) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        if os.pwrite(fd, content, offset) != len(content):
            raise OSError(f"{path.name} could not be overwritten")
        os.fdatasync(fd)
    finally:
        os.close(fd)
