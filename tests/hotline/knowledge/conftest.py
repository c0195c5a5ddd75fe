"""A city with a hotline, and the people of its knowledge base."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from core.settings import Settings
from tests.conftest import World, make_world


def seated(settings: Settings) -> Settings:
    """Give the hotline's office its seats, whatever the demo says."""
    office = settings.departments["hotline_office"]
    seats = office.roles | {"operator", "dispatcher", "supervisor", "leader"}
    return replace(settings, departments={**settings.departments, office.id: replace(office, roles=seats)})


def make_hotline(tmp_path: Path, template: Path, place: str) -> World:
    """Return the demo's city under the hotline's rulebook of a place."""
    world = make_world(tmp_path, template, "sharing/qianjiang")
    settings = seated(world.settings)
    books = {"sharing": "sharing/qianjiang", "hotline": f"hotline/{place}"}
    settings = replace(settings, platform=replace(settings.platform, rulebooks=books, demo=True))
    return World(settings, world.database)


@pytest.fixture
def city(tmp_path: Path, template_database: Path) -> Iterator[Any]:
    """The hotline of Qianjiang."""
    made = make_hotline(tmp_path, template_database, "qianjiang")
    yield made
    made.database.close()
