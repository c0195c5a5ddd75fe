"""The sealer's heartbeat: one file whose modification time says up to when everything is sealed."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from core.times import utc_now

LAG_BOUND = 60.0
"""Seconds of unsealed records after which no more calls are let through."""


def beat_path(folder: Path) -> Path:
    """Return the heartbeat file of the audit folder."""
    return folder / "log" / ".state" / "beat"


def beat(folder: Path, sealed_to: datetime) -> None:
    """Note that every record that was durable at `sealed_to` is sealed."""
    path = beat_path(folder)
    path.touch(mode=0o644)
    os.utime(path, (sealed_to.timestamp(),) * 2)


def lag_of(folder: Path, clock: Callable[[], datetime] = utc_now) -> Callable[[], float]:
    """Return a function that tells how many seconds the sealer is behind: infinite when it never ran.

    It costs one system call, so a gateway worker may ask on every call.
    """
    path = str(beat_path(folder))

    def lag() -> float:
        try:
            return clock().timestamp() - os.stat(path).st_mtime
        except OSError:
            return float("inf")

    return lag
