"""Files that are whole or absent: written aside, made durable, then renamed into place."""

from __future__ import annotations

import ctypes
import os
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from audit.segments import sync_folder
from audit.tiles import ENTRIES, HASH_BYTES, WIDTH, ReadTile, decode_bundle, encode_bundle, tile_path

TEMPORARY = ".part-"
"""How the names of unfinished files begin; whoever starts may remove them."""
_MANY = 16
"""From so many files on one syncfs is cheaper, although it also waits for what others have written."""
_SYNCFS_REPORTS = (5, 8)
"""The first Linux of which syncfs fails when a write has failed."""


class Inconsistent(Exception):
    """The files of the log contradict each other; nothing may be signed until somebody has looked."""


def write_file(path: Path, data: bytes, mode: int = 0o644) -> None:
    """Put `data` at `path`, durably and in one step."""
    _write(_aside(path), data, mode, is_synced=True)
    os.rename(_aside(path), path)
    sync_folder(path.parent)


def write_files(folder: Path, files: Mapping[str, bytes]) -> None:
    """Put several files below `folder`, each in one step; all are durable when this returns.

    Many are made durable by one syncfs instead of one fdatasync each, see decision 0030.
    """
    paths = {folder / name: data for name, data in files.items()}
    changed = set[Path]()
    for parent in {path.parent for path in paths}:
        changed |= {parent, *_make_folders(parent)}
    whole = _sync_of(folder, changed) if len(paths) >= _MANY else None
    try:
        for path, data in paths.items():
            _write(_aside(path), data, 0o644, is_synced=whole is None)
        if whole is not None:
            _syncfs(whole)
    finally:
        if whole is not None:
            os.close(whole)
    for path in paths:
        os.rename(_aside(path), path)
    for parent in changed:
        sync_folder(parent)


def tile_reader(log: Path) -> ReadTile:
    """Return a reader of the tiles below `log`; in place of a partial tile that is gone it cuts the full one.

    C2SP tlog-tiles lets a log delete partial tiles once the full tile exists.
    """

    begin = os.fspath(log)

    def read(level: int, index: int, width: int) -> bytes:
        try:
            with open(f"{begin}/{tile_path(level, index, width)}", "rb", buffering=0) as file:
                return file.readall()
        except FileNotFoundError:
            if width == WIDTH or not (log / tile_path(level, index)).exists():
                raise
        full = (log / tile_path(level, index)).read_bytes()
        if level == ENTRIES:
            return encode_bundle(decode_bundle(full)[:width])
        return full[: width * HASH_BYTES]

    return read


def _aside(path: Path) -> Path:
    return path.with_name(f"{TEMPORARY}{path.name}")


def _write(path: Path, data: bytes, mode: int, *, is_synced: bool) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(fd, view) :]
        if is_synced:
            os.fdatasync(fd)
    finally:
        os.close(fd)


def _make_folders(folder: Path) -> set[Path]:
    """Make `folder` and return the folders whose list of names changed."""
    changed: set[Path] = set()
    missing = folder
    while not missing.is_dir():
        changed.add(missing.parent)
        missing = missing.parent
    folder.mkdir(mode=0o755, parents=True, exist_ok=True)
    return changed


def _sync_of(folder: Path, parents: Iterable[Path]) -> int | None:
    """Open `folder` for a syncfs of all files in `parents`, None where that is not as safe as fdatasync.

    It is not before Linux 5.8, which does not report a failed write, nor for a folder on another disk. The
    file must be open before the first write: an error is reported to who was there when it happened.
    """
    if _SYNCFS is None or any(os.stat(path).st_dev != os.stat(folder).st_dev for path in parents):
        return None
    return os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)


def _syncfs(fd: int) -> None:
    if _SYNCFS is not None and _SYNCFS(fd) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def _find_syncfs() -> Callable[[int], int] | None:
    release = re.match(r"(\d+)\.(\d+)", os.uname().release)
    if release is None or (int(release[1]), int(release[2])) < _SYNCFS_REPORTS:
        return None
    return getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None)


_SYNCFS = _find_syncfs()
