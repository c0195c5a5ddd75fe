"""The policy version as every process of one host sees it: eight bytes of shared memory.

A change that may turn a permit into a refusal raises the row in its own transaction and, once that is
durable, this counter, before the answer leaves. A worker compares the counter on every call, so no call
that starts after the answer is judged by what was true before. Where the database is shared with other hosts,
the answer waits for them as well (`gateway/hosts/lease.py`).
"""

from __future__ import annotations

import fcntl
import mmap
import os
from pathlib import Path
from threading import Lock

from sqlalchemy import Connection

from core.db import on_commit
from gateway.hosts.lease import wait_for_all
from gateway.hosts.store import announce, spans_hosts
from gateway.store import raise_policy_version

_BYTES = 8


class PolicyCounter:
    """A number that only grows, shared by the processes that open the same file."""

    def __init__(self, path: Path) -> None:
        """Open the counter, creating file and folder; a new one stands at 0."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if os.fstat(self._file).st_size < _BYTES:
            os.ftruncate(self._file, _BYTES)
        self._map = mmap.mmap(self._file, _BYTES)
        # One aligned word: it is read and written whole, so a reader needs no lock.
        self._word = memoryview(self._map).cast("Q")
        self._lock = Lock()

    def read(self) -> int:
        """Return the present version."""
        return self._word[0]

    def raise_to(self, version: int) -> None:
        """Make the counter at least `version`; a lower one changes nothing."""
        with self._lock:
            fcntl.flock(self._file, fcntl.LOCK_EX)
            try:
                if version > self._word[0]:
                    self._word[0] = version
            finally:
                fcntl.flock(self._file, fcntl.LOCK_UN)

    def close(self) -> None:
        """Let go of the shared memory."""
        self._word.release()
        self._map.close()
        os.close(self._file)


def policy_file(data: Path) -> Path:
    """Return where the counter of a data folder lives."""
    return data / "run" / "policy"


def change_policy(tx: Connection, counter: PolicyCounter) -> int:
    """Raise the policy version in this transaction, and the counter right after its commit.

    Call it in every transaction that suspends, ends, narrows or revokes anything. Where several hosts share
    the database, what begins the transaction returns only when none of them goes by what was true before:
    within `LEASE_SECONDS` where one is cut off. Returns the new version.
    """
    version = raise_policy_version(tx)
    on_commit(tx, lambda: counter.raise_to(version))
    if spans_hosts(tx):
        announce(tx)
        engine = tx.engine
        on_commit(tx, lambda: wait_for_all(engine, version))
    return version
