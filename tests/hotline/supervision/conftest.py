"""A city with a hotline, whose clock one can set."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.conftest import World, make_world


def hotline_world(tmp_path: Path, template: Path, book: str) -> World:
    """Return the demo city with the hotline of a place."""
    made = make_world(tmp_path, template, "sharing/qianjiang")
    selected = {"sharing": "sharing/qianjiang", "hotline": book}
    settings = replace(made.settings, platform=replace(made.settings.platform, rulebooks=selected))
    return World(settings, made.database)


@pytest.fixture
def city(tmp_path: Path, template_database: Path) -> Iterator[World]:
    """Qianjiang: supervision on lateness, papers of accountability, no lights."""
    made = hotline_world(tmp_path, template_database, "hotline/qianjiang")
    yield made
    made.database.close()
