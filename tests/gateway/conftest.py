"""A world for stories that leave nothing behind, so that it is built once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import World, make_world


@pytest.fixture(scope="module")
def shared_world(tmp_path_factory: pytest.TempPathFactory, template_database: Path) -> Iterator[World]:
    """The city of Qianjiang, for a whole module: tell only stories that do not disturb each other."""
    made = make_world(tmp_path_factory.mktemp("shared"), template_database, "sharing/qianjiang")
    yield made
    made.database.close()
