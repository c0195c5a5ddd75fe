"""A deployment with a hotline, under the rulebooks of two cities."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from cases.books import open_rulebooks
from tests.conftest import START, World, make_world


def with_hotline(world: World, book: str) -> World:
    """Give a world a hotline under a rulebook."""
    chosen = {**world.settings.platform.rulebooks, "hotline": book}
    world.settings = replace(world.settings, platform=replace(world.settings.platform, rulebooks=chosen))
    world.rulebooks = open_rulebooks(world.settings, world.database, START)
    return world


@pytest.fixture
def city(tmp_path: Path, template_database: Path) -> Iterator[World]:
    """A hotline as Ganzhou runs it: with a limit for signing in."""
    made = with_hotline(make_world(tmp_path, template_database, "sharing/qianjiang"), "hotline/ganzhou")
    yield made
    made.database.close()


@pytest.fixture
def qianjiang(tmp_path: Path, template_database: Path) -> Iterator[World]:
    """A hotline as Qianjiang runs it: without a limit for signing in."""
    made = with_hotline(make_world(tmp_path, template_database, "sharing/qianjiang"), "hotline/qianjiang")
    yield made
    made.database.close()
