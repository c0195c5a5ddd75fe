"""Journal segments: files filled with zeros ahead of need, so that a later write only changes data blocks.

The writer holds a lock (flock) on every segment from its creation until it has finished with it. A segment
that nobody locks is complete: its writer moved on, closed it, or died.
"""

from __future__ import annotations

import errno
import fcntl
import os
import time
from dataclasses import dataclass
from pathlib import Path

_CHUNK = 1024 * 1024
SUFFIX = ".jnl"
NEW_SUFFIX = ".new"


@dataclass(slots=True)
class Segment:
    """An open, locked, zero-filled segment; `offset` is where the next write goes."""

    path: Path
    fd: int
    inode: int
    size: int
    offset: int = 0

    def write(self, data: bytes) -> None:
        """Write `data` durably (O_DSYNC). Raises OSError; after that the segment must not be used again."""
        if os.pwrite(self.fd, data, self.offset) != len(data):
            raise OSError(errno.ENOSPC, "short write", str(self.path))
        self.offset += len(data)
        if os.fstat(self.fd).st_nlink == 0:
            raise OSError(errno.ENOENT, "the segment was removed", str(self.path))

    def free(self) -> int:
        """Return how many bytes still fit."""
        return self.size - self.offset

    def in_place(self) -> bool:
        """Tell whether the path still leads to this very file."""
        try:
            return os.stat(self.path).st_ino == self.inode
        except OSError:
            return False

    def close(self) -> None:
        """Let go of file and lock."""
        os.close(self.fd)


def create_segment(path: Path, size: int, reserve: int, pause: float = 0.0) -> Segment:
    """Create a segment of `size` zeros that did not exist before, and make its name durable.

    `pause` seconds between chunks keep the filling from competing with the writes of the live segment.
    Raises OSError, with ENOSPC already when less than `reserve` bytes would remain free on the disk.
    """
    if free_bytes(path.parent) < size + reserve:
        raise OSError(errno.ENOSPC, "free space below the reserve", str(path.parent))
    new, is_named = path.with_suffix(NEW_SUFFIX), False
    fd = os.open(new, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_DSYNC | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _fill(fd, size, pause)
        os.link(new, path)  # refuses a name that exists, which a rename would replace
        is_named = True
        os.unlink(new)
        sync_folder(path.parent)
    except BaseException:
        try:
            for name in (new, path)[: 1 + is_named]:  # else its name would be in the way of the next attempt
                name.unlink(missing_ok=True)
        finally:
            os.close(fd)
        raise
    return Segment(path, fd, os.fstat(fd).st_ino, size)


def _fill(fd: int, size: int, pause: float) -> None:
    zeros = bytes(min(_CHUNK, size))
    offset = 0
    while offset < size:
        written = os.pwrite(fd, zeros[: size - offset], offset)
        if written == 0:
            raise OSError(errno.ENOSPC, "cannot fill the segment")
        offset += written
        if pause:
            time.sleep(pause)


def free_bytes(folder: Path) -> int:
    """Return the bytes that a process without privileges may still write below `folder`."""
    disk = os.statvfs(folder)
    return disk.f_bavail * disk.f_frsize


def sync_folder(folder: Path) -> None:
    """Make the names inside `folder` durable."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def is_writable(folder: Path) -> bool:
    """Tell whether new files may be made in `folder`.

    A folder whose write permission was taken away counts as read-only even for root, who could still write.
    """
    try:
        return bool(os.stat(folder).st_mode & 0o222) and os.access(folder, os.W_OK | os.X_OK)
    except OSError:
        return False


def is_abandoned(path: Path) -> bool:
    """Tell whether no living writer holds the segment. Raises FileNotFoundError when it is gone."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    else:
        return True
    finally:
        os.close(fd)


def segment_path(folder: Path, journal: str, number: int) -> Path:
    """Return where segment `number` of `journal` lies."""
    return folder / f"{journal}.{number:06d}{SUFFIX}"


def journal_of(path: Path) -> tuple[str, int]:
    """Return the journal's name and the segment's number. Raises ValueError for a name that is not ours."""
    journal, _, number = path.name.removesuffix(SUFFIX).rpartition(".")
    if not journal or path.suffix != SUFFIX:
        raise ValueError(f"not a journal segment: {path.name}")
    return journal, int(number)


def segments_in(folder: Path) -> list[Path]:
    """Return the segments of all journals, those of one journal in order."""
    return sorted(folder.glob(f"*{SUFFIX}"), key=journal_of) if folder.is_dir() else []
