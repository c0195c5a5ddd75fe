"""Lights and reminders: green, then yellow before the limit, then red; at night no telephone rings."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from sqlalchemy import select

from core.settings_notify import Notify
from hotline.lights import lights_of
from notices.delivery.store import deliveries
from notices.store import notices
from tests.conftest import World
from tests.hotline.supervision.conftest import hotline_world
from tests.hotline.supervision.people import acted, called, desmond, dispatched, hans, susan, swept


@pytest.fixture
def ganzhou_city(tmp_path: Path, template_database: Path) -> Iterator[World]:
    """Ganzhou, whose book has lights and quiet hours."""
    made = hotline_world(tmp_path, template_database, "hotline/ganzhou")
    yield made
    made.database.close()


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"{text}+08:00")


def light(world: World, ticket_id: str) -> str | None:
    with world.read(susan) as work:
        return lights_of(work, [ticket_id]).get(ticket_id)


def test_a_ticket_turns_yellow_before_its_limit_and_red_behind_it(ganzhou_city: World) -> None:
    world = ganzhou_city
    world.now = at("2026-02-09T10:00:00")  # Monday; five working days end on Saturday 14, a make-up day
    held = called(world, facts={"type": "complaint"}, category="utilities")
    assert light(world, held.ticket.id) is None
    acted(world, desmond, held, "dispatch", unit="housing")
    acted(world, hans, held, "sign_in")
    assert light(world, held.ticket.id) == "green"
    for instant, shown in (
        ("2026-02-14T12:59:59", "green"),
        ("2026-02-14T13:00:00", "yellow"),
        ("2026-02-14T23:59:59", "yellow"),
        ("2026-02-15T00:00:00", "red"),
    ):
        world.now = at(instant)
        assert light(world, held.ticket.id) == shown, instant


def test_a_place_without_lights_shows_none(city: World) -> None:
    held = dispatched(city)
    assert light(city, held.ticket.id) is None


# --- reminders and quiet hours ----------------------------------------------------------------------


def told(world: World, department: str) -> list[tuple[str, datetime, datetime]]:
    """Kind of each notice that goes out to a department, when it was posted and when it goes out."""
    query = select(notices.c.kind, notices.c.posted_at, deliveries.c.due_at).join(deliveries)
    with world.database.read() as tx:
        rows = tx.execute(query.where(notices.c.department == department).order_by(notices.c.posted_at))
        return [(row.kind, row.posted_at, row.due_at) for row in rows]


def reachable(world: World, department: str) -> None:
    """Give a department an e-mail address."""
    held = world.settings.departments[department]
    object.__setattr__(held, "notify", Notify(("duty@example.org",)))


def test_a_unit_is_reminded_in_working_time_and_once(ganzhou_city: World) -> None:
    world = ganzhou_city
    reachable(world, "housing")
    world.now = at("2026-02-09T10:00:00")
    held = called(world, facts={"type": "complaint"}, category="utilities")
    acted(world, desmond, held, "dispatch", unit="housing")
    acted(world, hans, held, "sign_in")
    world.now = at("2026-02-14T12:59:59")
    swept(world)
    assert "warned" not in [kind for kind, _, _ in told(world, "housing")]
    world.now = at("2026-02-14T13:00:01")
    swept(world, 4)
    assert [kind for kind, _, _ in told(world, "housing")].count("warned") == 1


def test_what_is_told_at_night_goes_out_in_the_morning_and_is_in_the_inbox_at_once(
    ganzhou_city: World,
) -> None:
    world = ganzhou_city
    reachable(world, "housing")
    world.now = at("2026-02-09T22:30:00")
    held = called(world, facts={"type": "complaint"}, category="utilities")
    acted(world, desmond, held, "dispatch", unit="housing")
    [(_, posted, due)] = told(world, "housing")
    assert posted == world.now
    assert due == at("2026-02-10T08:00:00")


def test_an_urgent_ticket_rings_at_night(ganzhou_city: World) -> None:
    world = ganzhou_city
    reachable(world, "housing")
    world.now = at("2026-02-16T22:10:00")  # GZ-3: three hours, on the eve of the new year
    held = called(world, facts={"type": "urgent_help"}, category="utilities")
    acted(world, desmond, held, "dispatch", unit="housing")
    [(_, posted, due)] = told(world, "housing")
    assert due == posted
