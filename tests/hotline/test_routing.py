"""Who answers for a topic in a place: territory and duty, as the deployment's table has them."""

from __future__ import annotations

from dataclasses import replace

import pytest

import schemas
from core.errors import ConfigError
from core.settings import load_settings
from core.settings_hotline import Duty, Hotline, lies_within, significant
from hotline.present import ticket_view
from hotline.routing import suggest
from tests.cast import dora, hans, otto
from tests.conftest import CONFIG, World
from tests.hotline.kit import dispatched_ticket, seen, taken

CITY, STREET, VILLAGE = "429005000000", "429005001000", "429005001002"


def with_duties(world: World, *duties: Duty) -> World:
    """Give a deployment another duty table."""
    world.settings = replace(world.settings, hotline=Hotline(duties=duties))
    return world


def units(world: World, category: str, place: str, accused: str | None = None) -> list[str]:
    with world.read(otto) as work:
        return [s.unit for s in suggest(work, category, place, accused)]


@pytest.mark.parametrize(
    ("code", "digits"),
    [("420000000000", "42"), (CITY, "429005"), (STREET, "429005001"), (VILLAGE, VILLAGE)],
)
def test_the_zeros_at_the_end_of_a_code_say_nothing(code: str, digits: str) -> None:
    assert significant(code) == digits


def test_a_village_lies_within_its_township_and_its_county() -> None:
    assert lies_within(VILLAGE, STREET)
    assert lies_within(VILLAGE, CITY)
    assert not lies_within(STREET, VILLAGE)
    assert not lies_within("", CITY)


def test_territory_goes_before_duty_where_the_rulebook_says_so(desk: World) -> None:
    principle = desk.rulebooks.current("hotline").policy("dispatch.principle").value
    assert principle.index("territory") < principle.index("duty")
    with_duties(desk, Duty("housing", "street_lights", None), Duty("police", None, STREET))
    assert units(desk, "street_lights", VILLAGE) == ["police", "housing"]
    assert units(desk, "street_lights", "429005002000") == ["housing"]


def test_the_topic_itself_goes_before_the_one_above_it(desk: World) -> None:
    with_duties(desk, Duty("market", "city_management", None), Duty("housing", "street_lights", None))
    assert units(desk, "street_lights", "") == ["housing", "market"]
    assert units(desk, "parks", "") == ["market"]


def test_the_office_sees_who_answers_and_that_the_accused_is_barred(desk: World) -> None:
    with_duties(desk, Duty("housing", "street_lights", None), Duty("police", "city_management", None))
    held = taken(desk, accused="housing").held
    with desk.read(dora) as work:
        shown = ticket_view(work, seen(desk, dora, held))["suggested"]
    assert [(s["id"], s["barred"]) for s in shown] == [("housing", True), ("police", False)]


def test_a_unit_is_told_nothing_of_the_table(desk: World) -> None:
    with_duties(desk, Duty("housing", "street_lights", None))
    held = dispatched_ticket(desk)
    with desk.read(hans) as work:
        assert ticket_view(work, seen(desk, hans, held))["suggested"] == []


def test_the_demos_table_speaks_of_topics_that_the_rulebook_has(desk: World) -> None:
    known = {entry["code"] for entry in desk.rulebooks.current("hotline").policy("categories").value}
    named = {duty.category for duty in desk.settings.hotline.duties if duty.category}
    assert named
    assert named <= known


@pytest.mark.parametrize(
    ("text", "pointer"),
    [
        ("duties: [{unit: statistics, category: roads}]", "/duties/0/unit"),
        ("duties: [{unit: nobody, category: roads}]", "/duties/0/unit"),
        ("duties: [{unit: housing, place: '429005999000'}]", "/duties/0/place"),
        ("duties: [{unit: housing}]", "/duties/0"),
        (
            "places: [{code: '429005001000', name: a}, {code: '429005001000', name: b}]",
            "/places/1/code",
        ),
        ("code_guesses: 1", "/code_guesses"),
    ],
)
def test_a_table_that_points_nowhere_stops_the_boot(
    desk: World, tmp_path_factory: pytest.TempPathFactory, text: str, pointer: str
) -> None:
    folder = tmp_path_factory.mktemp("place")
    for name in ("platform", "departments", "connections", "accounts"):
        (folder / f"{name}.yaml").write_bytes((CONFIG / f"{name}.yaml").read_bytes())
    (folder / "hotline.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as refused:
        load_settings(folder, desk.settings.data, schemas.errors)
    assert pointer in [f.pointer for f in refused.value.findings]
