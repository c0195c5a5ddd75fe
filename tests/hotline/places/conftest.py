"""Further cities with a hotline of their own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import World
from tests.hotline.conftest import make_city

HERE = Path(__file__).parent
QUICK = ("test_table.py", "test_examples.py")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Walking through whole rulebooks takes its time; the table of rules and the examples do not."""
    for item in items:
        if item.path.parent == HERE and item.path.name not in QUICK:
            item.add_marker(pytest.mark.long)


@pytest.fixture
def th_desk(tmp_path: Path, template_database: Path) -> Iterator[World]:
    """The hotline of Tonghua."""
    made = make_city(tmp_path, template_database, "tonghua")
    yield made
    made.database.close()


@pytest.fixture
def cities(tmp_path: Path, template_database: Path) -> Iterator[Any]:
    """Make a city of a place."""
    made: list[World] = []

    def make(place: str) -> World:
        made.append(make_city(tmp_path, template_database, place))
        return made[-1]

    yield make
    for world in made:
        world.database.close()
