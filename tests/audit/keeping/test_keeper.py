"""Who keeps the log goes on keeping it, whatever goes wrong around it."""

from __future__ import annotations

import errno
import threading
from pathlib import Path

import pytest

from audit.keeping import keeper
from audit.keeping.keeper import Keeper, keeping_lock, keeping_up
from core.errors import Unavailable
from tests.audit.keeping.town import Town


def test_keeping_outlives_a_disk_too_full_to_tell(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    went_on, calls = threading.Event(), []

    def full(folder: Path, trouble: str | None) -> None:
        calls.append(trouble)
        if len(calls) > 4:
            went_on.set()
        else:
            raise OSError(errno.ENOSPC, "full")

    town.seal()
    monkeypatch.setattr(keeper, "_RETRY_SECONDS", 0.01)
    monkeypatch.setattr(keeper, "tell_trouble", full)
    with keeping_up(town.settings, town.database, lambda: town.now):
        assert went_on.wait(60)
    assert calls[:2] == [None, "[Errno 28] full"]


def test_one_keeps_at_a_time_and_other_blocking_is_not_taken_for_that(town: Town) -> None:
    town.seal()
    with keeping_lock(town.keeping), pytest.raises(Unavailable, match="archives or prunes"):
        Keeper(town.keeping).turn(town.now)
    with pytest.raises(BlockingIOError), keeping_lock(town.keeping):
        raise BlockingIOError(errno.EAGAIN, "something else")
    with keeping_lock(town.keeping):
        pass
