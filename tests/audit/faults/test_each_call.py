"""Each call by which a step changes files fails, or does its work and fails all the same."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from audit import files
from tests.audit.faults.story import NOW, Town
from tests.audit.logs import Log

pytestmark = pytest.mark.long

CALLS = (
    *("open", "write", "fdatasync", "fsync", "rename", "replace", "link", "unlink", "truncate", "mkdir"),
    *("rmdir", "utime", "stat"),
)


class Breaking:
    """The nth call to the operating system fails; after it, or in place of it."""

    def __init__(self, nth: int, *, is_done: bool) -> None:
        self.count = 0
        self._nth = nth
        self._is_done = is_done

    def wrap(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def broken(*args: Any, **kwargs: Any) -> Any:
            self.count += 1
            if self.count != self._nth:
                return call(*args, **kwargs)
            if self._is_done:
                call(*args, **kwargs)
            raise OSError(errno.EIO, "injected")

        return broken


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Town:
    return Town(tmp_path_factory.mktemp("town") / "audit")


def step(folder: Path, breaking: Breaking, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Make one step of which a call breaks; tell whether the step went well in spite of it."""
    log = Log(folder)
    try:
        with closing(log.sealer()) as sealer, monkeypatch.context() as patch:
            for name in CALLS:
                patch.setattr(os, name, breaking.wrap(getattr(os, name)))
            patch.setattr(files, "_syncfs", breaking.wrap(files._syncfs))
            patch.setattr(files, "_MANY", 4)
            try:
                sealer.step(NOW)
            except OSError:
                return False
            return True
    finally:
        log.database.close()


SAMPLE = 9
"""Of so many calls the default suite breaks one; which one differs between the two ways of breaking."""


@pytest.mark.parametrize("is_done", [False, True], ids=["fails", "fails but is done"])
@pytest.mark.parametrize("every", [SAMPLE, pytest.param(1, marks=pytest.mark.long)])
def test_the_log_goes_on_whichever_call_of_a_step(
    town: Town, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, every: int, is_done: bool
) -> None:
    calm = Breaking(0, is_done=False)
    assert step(town.copy(tmp_path / "calm"), calm, monkeypatch)
    assert calm.count > 50
    broken = range(1 + is_done * every // 2, calm.count + 1, every)
    survived = []
    for nth in broken:
        folder = town.copy(tmp_path / str(nth))
        if step(folder, Breaking(nth, is_done=is_done), monkeypatch):
            survived.append(nth)
        try:
            town.check(folder)
        except BaseException as wrong:
            raise AssertionError(f"after call {nth} of {calm.count}") from wrong
    assert len(survived) < len(broken) // 2  # a failure is noticed, but where nothing depends on it
    print(f"{len(broken)} of {calm.count} calls")
