"""The two cities side by side."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.conftest import World, _make_world


class Cities(NamedTuple):
    """The same deployment under two rulebooks."""

    qianjiang: World
    ganzhou: World


@pytest.fixture
def cities(tmp_path: Path, template_database: Path) -> Iterator[Cities]:
    """Qianjiang and Ganzhou."""
    made = [
        _make_world(tmp_path / name, template_database, f"sharing/{name}")
        for name in ("qianjiang", "ganzhou")
    ]
    yield Cities(*made)
    for world in made:
        world.database.close()
