"""A city with a hotline."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import World
from tests.hotline.open311.place import hotline_city


@pytest.fixture
def hotline(tmp_path: Path, template_database: Path) -> Iterator[World]:
    """The city of Qianjiang with its hotline."""
    made = hotline_city(tmp_path, template_database)
    yield made
    made.database.close()
