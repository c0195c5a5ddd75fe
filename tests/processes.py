"""Whether a process is gone."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path


def lives(pid: int) -> bool:
    """Return whether a process runs; a zombie does not, though /proc lists it.

    In a container the first process often waits for nobody, so an orphan that was killed stays a zombie.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] not in ("Z", "X")


def wait_until_gone(pids: Iterable[int], seconds: float = 60) -> None:
    """Wait until none of the processes runs any more."""
    wanted = list(pids)
    wait_until(lambda: not any(lives(pid) for pid in wanted), f"{wanted} still run", seconds)


def wait_until(true: Callable[[], object], otherwise: str, seconds: float = 60) -> None:
    """Wait until something is true; fail with what is so otherwise."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, otherwise
        time.sleep(0.02)
