"""Archive units: 16,384 records in one ZIP file that stands alone, the same bytes whenever it is made.

    README.txt verifier.py             what this is, and the program that checks it
    manifest.json                      origin, range, and name, size and SHA-256 of every other file
    bodies.jsonl                       one body a line; an erased one left a line of its length
    tile/entries/... tile/0/...        envelopes and leaf hashes (C2SP tlog-tiles)
    subtree.txt                        the hash over the range, then the path from there to the root, base64
    checkpoint                         the note that has the root, with its cosignatures
    anchors/<size>.checkpoint .tsr     a time stamp and what it stamps, where one covers the range
    keys/*.vkey                        keys of log and witnesses, for convenience: get them by another way

The range is a complete subtree of the log (level 14), so a path of a few hashes proves all of it at once.
"""

from __future__ import annotations

import base64
import hashlib
import io
import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import orjson

from audit.bodies import PER_FILE, bodies_path, is_erased
from audit.checking import verifier
from audit.checkpoint import Checkpoint
from audit.files import tile_reader
from audit.keys import NoteVerifier
from audit.merkle import Read, inclusion_proof, root
from audit.note import split_note
from audit.tiles import ENTRIES, WIDTH, hash_reader, tile_path
from audit.witness.anchors import anchor_path, anchored_sizes

LEVEL = PER_FILE.bit_length() - 1
_STAMP = (1980, 1, 1, 0, 0, 0)
_COMPRESSION = 6
_README = """存取日志归档 / archive of an access log
{origin}，第 {first} 至 {last} 条 / records {first} to {last}

核对（公钥请另行取得）/ to check it, with keys that you got by another way:
    python verifier.py {name} --key LOG.vkey --key LOG-MLDSA.vkey [--witness W.vkey ... --needed K]

bodies.jsonl 每行一条正文；已依法删除的正文只剩同长的说明行。
bodies.jsonl has one body a line; of an erased one a line of the same length is left.
"""


def slug_of(origin: str) -> str:
    """Return a log's name as it stands in names of files and folders."""
    return re.sub(r"[^A-Za-z0-9.-]+", "-", origin).strip("-.") or "log"


def unit_name(origin: str, first: int) -> str:
    """Return the file name of the unit of the records from `first`, a multiple of PER_FILE."""
    return f"{slug_of(origin)}-{first:012d}-{first + PER_FILE - 1:012d}.zip"


def unit_files(folder: Path, first: int, note: str, keys: Mapping[str, NoteVerifier]) -> dict[str, bytes]:
    """Return what the unit of the records from `first` holds; `note` covers them and is of `folder`'s log.

    Raises OSError when a file of the log is missing, ValueError when a tile is damaged.
    """
    checkpoint = Checkpoint.parse(split_note(note)[0])
    names = {"origin": checkpoint.origin, "first": first, "last": first + PER_FILE - 1}
    readme = _README.format(**names, name=unit_name(checkpoint.origin, first))
    files = {
        "README.txt": readme.encode(),
        "bodies.jsonl": bodies_path(folder / "bodies", first).read_bytes(),
        "checkpoint": note.encode(),
        "subtree.txt": _subtree(folder, first, checkpoint.size).encode(),
        "verifier.py": Path(verifier.__file__).read_bytes(),
        **{f"keys/{name}.vkey": f"{key}\n".encode() for name, key in keys.items()},
        **dict(_tiles(folder, first, checkpoint.size)),
        **_stamp(folder, first + PER_FILE),
    }
    manifest = {**names, "checkpoint_size": checkpoint.size, "files": _listed(files)}
    return {
        **files,
        "manifest.json": orjson.dumps(manifest, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS),
    }


def _listed(files: Mapping[str, bytes]) -> list[dict[str, str | int]]:
    return [
        {"name": name, "size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        for name, data in sorted(files.items())
    ]


def _tiles(folder: Path, first: int, size: int) -> Iterator[tuple[str, bytes]]:
    read = tile_reader(folder / "log")
    for level in (ENTRIES, 0):
        for index in range(first // WIDTH, (first + PER_FILE) // WIDTH):
            yield tile_path(level, index), read(level, index, WIDTH)


def _stamp(folder: Path, end: int) -> dict[str, bytes]:
    """Return the first time stamp over a checkpoint of at least `end` records, with that."""
    for size in anchored_sizes(folder):
        pair = anchor_path(folder, size), anchor_path(folder, size, "tsr")
        if size >= end and pair[1].exists():
            return {f"anchors/{path.name}": path.read_bytes() for path in pair}
    return {}


def _subtree(folder: Path, first: int, size: int) -> str:
    read = hash_reader(size, tile_reader(folder / "log"))
    path = inclusion_proof(first >> LEVEL, -(-size >> LEVEL), _upper(size, read))
    hashes = [read(LEVEL, first >> LEVEL), *path]
    return "".join(f"{base64.b64encode(value).decode()}\n" for value in hashes)


def _upper(size: int, read: Read) -> Read:
    """Return a reader of the tree above the units, whose last leaf may stand for fewer records."""

    def above(level: int, index: int) -> bytes:
        start = index << level + LEVEL
        end = min(size, start + (1 << level + LEVEL))
        return root(end - start, lambda low, i: read(low, i + (start >> low)))

    return above


def pack(files: Mapping[str, bytes]) -> bytes:
    """Return the files as a ZIP archive that depends on nothing else."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED, compresslevel=_COMPRESSION) as unit:
        for name, data in sorted(files.items()):
            info = zipfile.ZipInfo(name, _STAMP)
            info.compress_type, info.create_system, info.external_attr = zipfile.ZIP_DEFLATED, 3, 0o644 << 16
            unit.writestr(info, data)
    return made.getvalue()


def member(path: Path, name: str) -> bytes | None:
    """Return a file of a unit; None when the unit, or that in it, is missing or damaged."""
    try:
        with zipfile.ZipFile(path) as unit:
            return verifier.member(unit, name)
    except (OSError, zipfile.BadZipFile, verifier.Unreadable):
        return None


def units_holding(archive: Path, origin: str, indexes: Sequence[int]) -> list[str]:
    """Return the names of the units that still hold a body of the erased records `indexes`."""
    found = []
    for first in sorted({index // PER_FILE * PER_FILE for index in indexes}):
        path = archive / unit_name(origin, first)
        if path.exists() and _holds(path, {i - first for i in indexes if i // PER_FILE * PER_FILE == first}):
            found.append(path.name)
    return found


def _holds(path: Path, places: set[int]) -> bool:
    """Tell whether a body at one of the places is not erased; a unit that cannot be read may hold one."""
    lines = (member(path, "bodies.jsonl") or b"").split(b"\n")
    return any(place >= len(lines) or not is_erased(lines[place]) for place in places)
