"""Cities with a hotline of their own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from cases.books import open_rulebooks
from core.settings import Department, Settings
from tests.conftest import START, World, make_world

SEATS = {
    "hotline_office": {"operator", "dispatcher", "supervisor", "leader"},
    "government_office": {"business_environment", "superior"},
}


def seated(settings: Settings) -> Settings:
    """Give the departments the seats that the cast holds, whatever the demo says."""

    def with_seats(department: Department) -> Department:
        return replace(department, roles=department.roles | SEATS.get(department.id, set()))

    return replace(settings, departments={k: with_seats(d) for k, d in settings.departments.items()})


def make_city(tmp_path: Path, template: Path, place: str) -> World:
    """Return the demo's deployment with the hotline's rulebook of a place."""
    made = make_world(tmp_path, template, "sharing/qianjiang")
    books = {"sharing": "sharing/qianjiang", "hotline": f"hotline/{place}"}
    settings = seated(made.settings)
    made.settings = replace(settings, platform=replace(settings.platform, rulebooks=books, demo=True))
    made.rulebooks = open_rulebooks(made.settings, made.database, START)
    return made


@pytest.fixture
def desk(tmp_path: Path, template_database: Path) -> Iterator[World]:
    """The hotline of Qianjiang."""
    made = make_city(tmp_path, template_database, "qianjiang")
    yield made
    made.database.close()


@pytest.fixture
def gz_desk(tmp_path: Path, template_database: Path) -> Iterator[World]:
    """The hotline of Ganzhou."""
    made = make_city(tmp_path, template_database, "ganzhou")
    yield made
    made.database.close()
