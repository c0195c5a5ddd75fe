from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.audit.checking.held import Held, hold
from tests.audit.logs import Log


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Held]:
    """A log of full and partial tiles on two levels; tests must leave it as it is."""
    folder = tmp_path_factory.mktemp("held")
    log = Log(folder / "audit")
    yield hold(log, folder / "desk", 600)
    log.database.close()


@pytest.fixture
def tampered(held: Held, tmp_path: Path) -> Path:
    """A copy of the log's public files, for a test to change."""
    import shutil

    return Path(shutil.copytree(held.log.folder / "log", tmp_path / "log"))
