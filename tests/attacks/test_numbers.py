"""No number of an address gets past its bound by being written long."""

from __future__ import annotations

import pytest

from core.whole import whole
from tests.cast import alice
from tests.conftest import World


@pytest.mark.parametrize(
    "text", ["", "0", "201", "-1", "1.0", " 5", "٣", "1" * 5000, "0000011000000", "000001"]
)
def test_what_is_no_number_within_its_bounds_is_none(text: str) -> None:
    assert whole(text, 1, 200) is None


@pytest.mark.parametrize(("text", "number"), [("1", 1), ("200", 200), ("007", 7)])
def test_a_number_within_its_bounds_is_read(text: str, number: int) -> None:
    assert whole(text, 1, 200) == number


def test_no_page_of_a_list_is_longer_than_the_longest(world: World) -> None:
    client = world.client(alice)
    assert client.get("/api/datasets?limit=200").status_code == 200
    assert client.get("/api/datasets?limit=0000011000000").status_code == 400
