"""Walks a ticket through any rulebook: by flags, deeds and events, filling in whatever a step asks for."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from cases.standing import facts_now
from core.work import Actor
from hotline.model import Held
from hotline.tickets import act_on_ticket
from rules.values import FieldRule
from rules.workflow import Transition
from tests.cast import beth, dora, hans, hugo, lena, otto, sue, sven
from tests.conftest import World

ACTORS = {
    "operator": otto,
    "dispatcher": dora,
    "handler": hans,
    "co_handler": hugo,
    "supervisor": sven,
    "leader": lena,
    "superior": sue,
    "business_environment": beth,
}
GOOD, BAD = True, False
Wish = Callable[[Transition], bool]


def emits(event: str) -> Wish:
    """Wish for a step that records an event."""
    return lambda step: event in step.emits


def does(deed: str) -> Wish:
    """Wish for a step that does something."""
    return lambda step: step.does == deed


def goes_on(held: Held) -> Wish:
    """Wish for a step to another state that neither goes back nor gives up."""
    here = held.case.state
    back = {"withdraw", "redo"}
    return lambda step: step.target != here and step.does not in back and "return_refused" not in step.emits


def stepped(world: World, held: Held, wish: Wish, *, rating: bool = GOOD, **said: Any) -> Held:
    """Take the first step that fits the wish, as somebody who may, with everything that it asks for."""
    book = world.rulebooks.get(held.case.rulebook, held.case.rulebook_version)
    flow = book.workflow("ticket")
    with world.read(otto) as work:
        facts = {**facts_now(work, held.case), "is_satisfied": rating}
    step = next(t for t in flow.leaving(held.case.state, facts) if wish(t) and t.timer is None)
    scale = book.policy("satisfaction.scale").value
    known = {
        "unit": "housing",
        "suggested_unit": "police",
        "satisfaction": next(entry["code"] for entry in scale if entry["satisfied"] is rating),
    }
    asked = {name: known.get(name) or filled(world, book.fields[name]) for name in step.requires}
    with world.work(actor_of(step)) as work:
        return act_on_ticket(work, held.ticket.id, step.action, {**asked, **said})


def actor_of(step: Transition) -> Actor:
    """Return somebody of the cast who may take a step."""
    return next(ACTORS[role] for role in ACTORS if role in step.roles)


def filled(world: World, rule: FieldRule) -> Any:
    """Return some value that a field takes."""
    if rule.type == "choice":
        return next(iter(rule.choices))
    if rule.type == "instant":
        return (world.now + timedelta(days=30)).isoformat() if "due" in rule.name else world.now.isoformat()
    kinds = {"integer": rule.min or 1, "boolean": True, "list": ["police"], "department": "police"}
    return kinds.get(rule.type, "按规定办理")
