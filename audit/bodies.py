"""The bodies of the records: JSON lines in files that each cover a fixed range of log indexes."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from audit.files import Inconsistent
from audit.segments import sync_folder

PER_FILE = 16_384
"""How many bodies a file holds."""

_NAME = re.compile(r"([0-9]{12,18})\.jsonl")
_ERASED = re.compile(rb'\{"erased":"[0-9a-f-]{36}"(?:,"id":"[0-9a-f-]{36}")?\} *')


class Line(NamedTuple):
    """One body, its log index (`at`), and where it begins in its file."""

    at: int
    offset: int
    body: bytes


def first_of(name: str) -> int | None:
    """Return the log index of the first body in a file of this name, None for what is no file of bodies."""
    found = _NAME.fullmatch(name)
    first = -1 if found is None else int(found[1])
    return first if first >= 0 and first % PER_FILE == 0 else None


def bodies_path(folder: Path, index: int) -> Path:
    """Return the file that holds the body of the record `index`."""
    return folder / f"{index // PER_FILE * PER_FILE:012d}.jsonl"


def append_bodies(folder: Path, index: int, offset: int, bodies: Sequence[bytes]) -> int:
    """Write bodies durably behind the first `index` ones; return where the last file then ends.

    `offset` is where the file of `index` ended before; whatever lies behind it is overwritten. Raises
    Inconsistent when the file is shorter.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    while bodies:
        room = PER_FILE - index % PER_FILE
        now, bodies = bodies[:room], bodies[room:]
        offset = _append(bodies_path(folder, index), 0 if index % PER_FILE == 0 else offset, now)
        index += len(now)
    return 0 if index % PER_FILE == 0 else offset


def _append(path: Path, offset: int, bodies: Sequence[bytes]) -> int:
    is_new = not path.exists()
    with open(path, "wb" if is_new else "r+b", opener=_private) as file:
        held = os.fstat(file.fileno()).st_size
        if held < offset:  # somebody took bodies away; what was committed must not be filled up with zeros
            raise Inconsistent(f"{path.name} has {held} bytes instead of {offset}")
        file.truncate(offset)
        file.seek(offset)
        file.write(b"\n".join([*bodies, b""]))
        file.flush()
        os.fdatasync(file.fileno())
        end = file.tell()
    if is_new:
        sync_folder(path.parent)
    return end


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CLOEXEC, 0o600)


def drop_bodies(folder: Path, index: int, offset: int) -> None:
    """Remove what lies behind the first `index` bodies. Raises Inconsistent when of those some are gone."""
    edge = bodies_path(folder, index)
    if index % PER_FILE:
        size = edge.stat().st_size if edge.exists() else 0
        if size < offset:
            raise Inconsistent(f"{edge.name} has {size} bytes instead of {offset}")
        if size > offset:
            os.truncate(edge, offset)
    for path in folder.glob("*.jsonl"):
        first = first_of(path.name)
        if first is not None and (first > index or (first == index and index % PER_FILE == 0)):
            path.unlink()


def read_bodies(folder: Path, start: int, end: int, offset: int | None = None) -> Iterator[Line]:
    """Yield the bodies from `start` up to, not including, `end`; fewer when files end early.

    `offset` is where the body `start` begins in its file, if the caller knows.
    """
    while start < end:
        path = bodies_path(folder, start)
        first, stop = start // PER_FILE * PER_FILE, min(end, (start // PER_FILE + 1) * PER_FILE)
        if path.exists() and offset is None:
            yield from _lines(path, 0, first, start, stop)
        elif path.exists():
            yield from _lines(path, offset or 0, start, start, stop)
        start, offset = stop, None


def _lines(path: Path, offset: int, first: int, start: int, stop: int) -> Iterator[Line]:
    with path.open("rb") as file:
        file.seek(offset)
        for index, line in zip(range(first, stop), file, strict=False):
            if index >= start and line.endswith(b"\n"):
                yield Line(index, offset, line[:-1])
            offset += len(line)


def read_body(folder: Path, index: int, offset: int, length: int) -> bytes:
    """Return one body by its place. Raises OSError when its file is gone."""
    with bodies_path(folder, index).open("rb") as file:
        file.seek(offset)
        return file.read(length)


def erased_line(length: int, record_id: str, own_id: str | None = None) -> bytes:
    """Return what stands in place of an erased body of `length` bytes, as long as that was.

    It names `record_id`, the `body.erased` record, and keeps the erased record's own id, so that who asks
    for that is told why it is gone. No true body looks like it, since each of them has a nonce.
    """
    own = "" if own_id is None else f',"id":"{own_id}"'
    line = f'{{"erased":"{record_id}"{own}}}'.encode().ljust(length)
    if len(line) != length or not is_erased(line):
        raise ValueError(f"a body of {length} bytes cannot be replaced by {line!r}")
    return line


def is_erased(line: bytes) -> bool:
    """Tell whether this stands in place of an erased body."""
    return line.startswith(b'{"erased":"') and _ERASED.fullmatch(line) is not None
