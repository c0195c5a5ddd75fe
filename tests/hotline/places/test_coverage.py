"""Every step of every rulebook can be taken, from each state that it leaves, by those whom the book names."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from rules.rulebook import SHIPPED
from tests.conftest import World
from tests.hotline.conftest import make_city
from tests.hotline.places.walks import Walks
from tests.stories import offered

PLACES = sorted(path.stem for path in (SHIPPED / "hotline").glob("*.yaml"))
MOST_WALKS = 300


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest, tmp_path: Path, template_database: Path) -> Iterator[World]:
    """Each place that has a rulebook."""
    made = make_city(tmp_path, template_database, request.param)
    yield made
    made.database.close()


def test_every_step_is_taken_from_every_state_that_it_leaves(place: World) -> None:
    walks = Walks(place, random.Random(12345), offered(place, "divisions"))
    walks.go(MOST_WALKS)
    assert [walks.told(step) for step in walks.missing()] == []
