"""One process at a time: an advisory lock (flock) on a file, which ends with the process that holds it."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from core.errors import Refusal


def take(path: Path, otherwise: Refusal) -> int:
    """Return a descriptor that holds the lock until it is closed; raise `otherwise` while somebody has it."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as held:
        os.close(fd)
        raise otherwise from held
    return fd


@contextmanager
def alone(path: Path, otherwise: Refusal) -> Iterator[None]:
    """Hold the lock for as long as the context lasts; raise `otherwise` while somebody has it."""
    fd = take(path, otherwise)
    try:
        yield
    finally:
        os.close(fd)
