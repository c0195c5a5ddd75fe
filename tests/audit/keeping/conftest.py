from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.audit.keeping.town import Town, make_town, write_old_log
from tests.audit.logs import START

OLD_START = START - timedelta(days=1200)


@pytest.fixture
def town(tmp_path: Path, template_database: Path) -> Iterator[Town]:
    town = make_town(tmp_path / "data", template_database)
    yield town
    town.database.close()


@pytest.fixture(scope="session")
def old_log(tmp_path_factory: pytest.TempPathFactory, template_database: Path) -> Path:
    """The data folder of a deployment that sealed two whole files of bodies long ago."""
    data = tmp_path_factory.mktemp("old") / "data"
    town = make_town(data, template_database)
    write_old_log(town.folder, OLD_START)
    town.seal()
    town.database.close()
    return data


@pytest.fixture
def old_town(tmp_path: Path, old_log: Path) -> Iterator[Town]:
    """A copy of that deployment, to do with as the story likes."""
    data = tmp_path / "data"
    shutil.copytree(old_log, data)
    town = make_town(data, old_log / "state.sqlite")
    yield town
    town.database.close()
