"""Where records lie whose bodies were deleted: proofs are asked for by id, and only bodies hold ids.

ids/<first:012d>-<last:012d>    for each record the 16 bytes of its id and 8 of its log index, in order
"""

from __future__ import annotations

import mmap
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from uuid import UUID

import orjson

from audit.bodies import read_bodies
from audit.files import Inconsistent, write_file

FOLDER = "ids"
_ID, _ROW = 16, 24


def keep_ids(folders: Iterable[Path], first: int, last: int) -> None:
    """Write the ids of the bodies from `first` to `last` into each audit folder, as the first knows them.

    Durable. Call it before they go; once written, a file stays as it is. Raises Inconsistent for a body
    without an id.
    """
    paths = [folder / FOLDER / f"{first:012d}-{last:012d}" for folder in folders if folder.is_dir()]
    if not paths[0].exists():
        content = b"".join(sorted(_rows(paths[0].parents[1] / "bodies", first, last)))
        _write(paths[0], content)
    for path in paths[1:]:
        if not path.exists():
            _write(path, paths[0].read_bytes())


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(mode=0o700, exist_ok=True)
    write_file(path, content, 0o600)


def _rows(bodies: Path, first: int, last: int) -> Iterator[bytes]:
    """Yield a row for each body; an erased one has kept its id."""
    for line in read_bodies(bodies, first, last + 1):
        try:
            yield UUID(orjson.loads(line.body)["id"]).bytes + line.at.to_bytes(_ROW - _ID)
        except (ValueError, KeyError, TypeError) as wrong:
            raise Inconsistent(f"the body {line.at} has no id and is not deleted") from wrong


def kept_index(folder: Path, record_id: str) -> int | None:
    """Return the log index of a record whose body was deleted; None when there is none of that id."""
    try:
        wanted = UUID(record_id).bytes
    except ValueError:
        return None
    files = sorted((folder / FOLDER).glob("[0-9]*-*[0-9]"), reverse=True)
    return next(chain.from_iterable(_look(path, wanted) for path in files), None)


def _look(path: Path, wanted: bytes) -> Iterator[int]:
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as rows:
        count = len(rows) // _ROW
        at = _ROW * bisect_left(range(count), wanted, key=lambda i: rows[i * _ROW : i * _ROW + _ID])
        if rows[at : at + _ID] == wanted:
            yield int.from_bytes(rows[at + _ID : at + _ROW])
