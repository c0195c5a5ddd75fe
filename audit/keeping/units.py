"""Archive units: 16,384 records in one ZIP file that stands alone, the same bytes whenever it is made.

The last one of a closed log holds what is left.

    README.txt verifier.py             what this is, and the program that checks it
    manifest.json                      origin, range, and name, size and SHA-256 of every other file
    bodies.jsonl                       one body a line; an erased one left a line of its length
    tile/entries/... tile/0/...        envelopes and leaf hashes (C2SP tlog-tiles)
    subtree.txt                        the hash over the range, then the path from there to the root, base64
    checkpoint                         the note that has the root, with its cosignatures
    anchors/<size>.checkpoint .tsr     a time stamp and what it stamps, where one covers the range
    keys/*.vkey                        keys of log and witnesses, for convenience: get them by another way

The range is a subtree of the log (level 14, complete but for the last one), so a path of a few hashes proves
all of it at once.
"""

from __future__ import annotations

import base64
import hashlib
import io
import re
import zipfile
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

import orjson

from audit.bodies import PER_FILE, bodies_path, is_erased
from audit.checking import verifier
from audit.checkpoint import Checkpoint
from audit.files import tile_reader
from audit.keys import NoteVerifier
from audit.merkle import Read, inclusion_proof, root
from audit.note import split_note
from audit.tiles import ENTRIES, WIDTH, hash_reader, tile_path, tiles_of
from audit.witness.anchors import anchor_path, anchored_sizes

LEVEL = PER_FILE.bit_length() - 1
_STAMP = (1980, 1, 1, 0, 0, 0)
_COMPRESSION = 6
_README = """访问日志归档 / archive of an access log
{origin}，第 {first} 至 {last} 条 / records {first} to {last}

核对（公钥请另行取得）/ to check it, with keys that you got by another way:
    python verifier.py {name} --key LOG.vkey --key LOG-MLDSA.vkey [--witness W.vkey ... --needed K]

bodies.jsonl 每行一条正文；已依法删除的正文只剩同长的说明行。
bodies.jsonl has one body a line; of an erased one a line of the same length is left.
"""


def slug_of(origin: str) -> str:
    """Return a log's name as it stands in names of files and folders."""
    return re.sub(r"[^A-Za-z0-9.-]+", "-", origin).strip("-.") or "log"


def unit_name(origin: str, first: int, last: int) -> str:
    """Return the file name of the unit of the records from `first`, a multiple of PER_FILE, to `last`."""
    return f"{slug_of(origin)}-{first:012d}-{last:012d}.zip"


def unit_files(folder: Path, first: int, note: str, keys: Mapping[str, NoteVerifier]) -> dict[str, bytes]:
    """Return what the unit of the records from `first` holds; `note` covers them and is of `folder`'s log.

    It holds PER_FILE records, or as many as there are when a closed log ends before.
    Raises OSError when a file of the log is missing, ValueError when a tile is damaged.
    """
    checkpoint = Checkpoint.parse(split_note(note)[0])
    end = min(first + PER_FILE, checkpoint.size)
    names = {"origin": checkpoint.origin, "first": first, "last": end - 1}
    readme = _README.format(**names, name=unit_name(checkpoint.origin, first, end - 1))
    files = {
        "README.txt": readme.encode(),
        "bodies.jsonl": bodies_path(folder / "bodies", first).read_bytes(),
        "checkpoint": note.encode(),
        "subtree.txt": _subtree(folder, first, checkpoint.size).encode(),
        "verifier.py": Path(verifier.__file__).read_bytes(),
        **{f"keys/{name}.vkey": f"{key}\n".encode() for name, key in keys.items()},
        **dict(_tiles(folder, first, end)),
        **_stamp(folder, end),
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


def _tiles(folder: Path, first: int, end: int) -> Iterator[tuple[str, bytes]]:
    read = tile_reader(folder / "log")
    for level in (ENTRIES, 0):
        for index, width in tiles_of(0, end, first // WIDTH):
            yield tile_path(level, index, width), read(level, index, width)


def _stamp(folder: Path, end: int) -> dict[str, bytes]:
    """Return the first time stamp over a checkpoint of at least `end` records, with that."""
    for size in anchored_sizes(folder):
        pair = anchor_path(folder, size), anchor_path(folder, size, "tsr")
        if size >= end and pair[1].exists():
            return {f"anchors/{path.name}": path.read_bytes() for path in pair}
    return {}


def _subtree(folder: Path, first: int, size: int) -> str:
    above = _upper(size, hash_reader(size, tile_reader(folder / "log")))
    at = first >> LEVEL
    hashes = [above(0, at), *inclusion_proof(at, -(-size >> LEVEL), above)]
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


def units_holding(erased: Mapping[Path, Collection[int]]) -> list[str]:
    """Return the names of those units that still hold a body at one of the places within them."""
    return sorted(path.name for path, places in erased.items() if path.exists() and _holds(path, places))


def _holds(path: Path, places: Collection[int]) -> bool:
    """Tell whether a body at one of the places is not erased; a unit that cannot be read may hold one."""
    lines = (member(path, "bodies.jsonl") or b"").split(b"\n")
    return any(place >= len(lines) or not is_erased(lines[place]) for place in places)
