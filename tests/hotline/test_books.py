"""One code, any rulebook: a ticket's life by flags, deeds and events, in every place that has a book."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from hotline import store
from hotline.book import states_with
from hotline.model import Held
from hotline.present import ticket_row, ticket_view
from rules.rulebook import SHIPPED
from schemas import validate
from tests.cast import dave, hans, otto
from tests.conftest import World
from tests.hotline.conftest import make_city
from tests.hotline.kit import classified, seen, taken
from tests.hotline.walking import BAD, does, emits, goes_on, stepped

pytestmark = pytest.mark.long

PLACES = sorted(path.stem for path in (SHIPPED / "hotline").glob("*.yaml"))


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest, tmp_path: Path, template_database: Path) -> Iterator[World]:
    """Each place that has a rulebook."""
    made = make_city(tmp_path, template_database, request.param)
    yield made
    made.database.close()


def has(world: World, held: Held, flag: str) -> bool:
    return held.ticket.state in states_with(world.rulebooks.current("hotline"), flag)


def dispatched(world: World) -> Held:
    held = taken(world, facts=classified(world)).held
    assert has(world, held, "intake")
    return stepped(world, held, does("dispatch"))


def answered(world: World, held: Held) -> Held:
    for _ in range(6):
        if held.ticket.fed_back_at is not None:
            return held
        held = stepped(world, held, lambda t: "fed_back" in t.emits or "signed_in" in t.emits)
    return held


def can_be_rated(world: World, held: Held) -> bool:
    steps = world.rulebooks.current("hotline").workflow("ticket").transitions
    return any(t.does == "rate" and held.case.state in t.sources for t in steps)


def test_a_ticket_lives_from_intake_to_the_archive(place: World) -> None:
    held = dispatched(place)
    assert has(place, held, "handling")
    assert held.ticket.lead == "housing"
    held = answered(place, held)
    assert held.ticket.fed_back_at == place.now
    while held.ticket.closed_at is None:
        held = stepped(place, held, goes_on(held))
    held = stepped(place, held, does("archive"))
    assert held.case.closed_at == place.now
    with place.read(otto) as work:
        assert {
            row.stopped_at is None for row in store.clocks_of(work.tx, held.ticket.id) if row.obliges
        } <= {False}


def test_whoever_looks_gets_an_answer_that_fits(place: World) -> None:
    held = answered(place, dispatched(place))
    for actor in (otto, hans, dave):
        with place.read(actor) as work:
            found = seen(place, actor, held)
            validate("response/ticket", ticket_view(work, found))
            validate("response/ticket_row", ticket_row(work, found))


def test_what_a_unit_returns_is_reviewed_and_given_to_another(place: World) -> None:
    held = stepped(place, dispatched(place), lambda t: "returned" in t.emits or "signed_in" in t.emits)
    if not any("returned" in event.names for event in held.case.events):
        held = stepped(place, held, emits("returned"))
    for _ in range(3):
        flow = place.rulebooks.current("hotline").workflow("ticket")
        if any(t.does == "dispatch" and held.case.state in t.sources for t in flow.transitions):
            break
        held = stepped(place, held, goes_on(held))
    held = stepped(place, held, does("dispatch"), unit="police")
    assert held.ticket.lead == "police"
    assert held.ticket.handlings == 1


def test_a_refusal_says_what_the_rulebook_demands(place: World) -> None:
    held = stepped(place, taken(place, facts=classified(place)).held, does("refuse"))
    assert held.case.closed_at == place.now


def test_the_dissatisfied_get_another_handling(place: World) -> None:
    held = answered(place, dispatched(place))
    while not can_be_rated(place, held):
        held = stepped(place, held, goes_on(held))
    held = stepped(place, held, does("rate"), rating=BAD)
    assert held.ticket.satisfied is False
    assert held.ticket.closed_at is None
    held = stepped(place, held, does("redo"))
    assert held.ticket.handlings == 2
