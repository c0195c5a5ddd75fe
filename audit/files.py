"""Files that are whole or absent: written aside, made durable, then renamed into place."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from audit.segments import sync_folder
from audit.tiles import ENTRIES, HASH_BYTES, WIDTH, ReadTile, decode_bundle, encode_bundle, tile_path

TEMPORARY = ".part-"
"""How the names of unfinished files begin; whoever starts may remove them."""


class Inconsistent(Exception):
    """The files of the log contradict each other; nothing may be signed until somebody has looked."""


def write_file(path: Path, data: bytes, mode: int = 0o644) -> None:
    """Put `data` at `path`, durably and in one step."""
    _write_aside(path, data, mode)
    sync_folder(path.parent)


def write_files(folder: Path, files: Mapping[str, bytes]) -> None:
    """Put several files below `folder`, each in one step; all are durable when this returns."""
    folders: set[Path] = set()
    for name, data in files.items():
        path = folder / name
        folders |= _make_folders(path.parent)
        _write_aside(path, data, 0o644)
        folders.add(path.parent)
    for changed in folders:
        sync_folder(changed)


def tile_reader(log: Path) -> ReadTile:
    """Return a reader of the tiles below `log`; in place of a partial tile that is gone it cuts the full one.

    C2SP tlog-tiles lets a log delete partial tiles once the full tile exists.
    """

    def read(level: int, index: int, width: int) -> bytes:
        try:
            return (log / tile_path(level, index, width)).read_bytes()
        except FileNotFoundError:
            if width == WIDTH or not (log / tile_path(level, index)).exists():
                raise
        full = (log / tile_path(level, index)).read_bytes()
        if level == ENTRIES:
            return encode_bundle(decode_bundle(full)[:width])
        return full[: width * HASH_BYTES]

    return read


def _write_aside(path: Path, data: bytes, mode: int) -> None:
    aside = path.with_name(f"{TEMPORARY}{path.name}")
    fd = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(fd, view) :]
        os.fdatasync(fd)
    finally:
        os.close(fd)
    os.rename(aside, path)


def _make_folders(folder: Path) -> set[Path]:
    """Make `folder` and return the folders whose list of names changed."""
    changed: set[Path] = set()
    missing = folder
    while not missing.is_dir():
        changed.add(missing.parent)
        missing = missing.parent
    folder.mkdir(mode=0o755, parents=True, exist_ok=True)
    return changed
