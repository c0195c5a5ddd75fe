"""Tickets for stories, told through the use cases; steps are found by what they do, not by their names."""

from __future__ import annotations

from typing import Any

from core.work import Actor
from hotline.intake import take_in
from hotline.model import Held, Taken
from hotline.tickets import act_on_ticket, find_ticket
from tests.cast import dora, hans, otto
from tests.conftest import World

WANG = {"name": "王建国", "phone": "139 8765 4321", "address": "园林街道东方路 8 号 3 单元"}
"""A caller who must be found nowhere in the clear."""
DRAFT: dict[str, Any] = {
    "channel": "phone",
    "summary": "东方路路灯不亮，王建国 13987654321 多次反映",
    "description": "来电人王建国称，东方路路灯三天不亮，晚上出行不便，请联系 13987654321。",
    "category": "street_lights",
    "location": "东方路 8 号门口",
    "caller": WANG,
}


def taken(world: World, *, actor: Actor = otto, **changes: Any) -> Taken:
    """Take a ticket in."""
    with world.work(actor) as work:
        return take_in(work, {**DRAFT, "category": topic(world), **changes})


def topic(world: World) -> str:
    """Return the topic of the story, or the first of a rulebook that does not have it."""
    known = [entry["code"] for entry in world.rulebooks.current("hotline").policy("categories").value]
    return str(DRAFT["category"] if DRAFT["category"] in known else known[0])


USUAL = {"level": "ordinary", "type": "complaint"}
"""How a ticket is classified where the rulebook knows the dimension."""


def classified(world: World) -> dict[str, str]:
    """Classify a ticket by every dimension of the rulebook that is chosen."""
    book = world.rulebooks.current("hotline")
    rules = {name: book.dimensions[name] for name in book.policy("classify.dimensions").value}
    chosen = {name: rule for name, rule in rules.items() if rule.choices and name not in book.tables}
    return {n: USUAL[n] if USUAL.get(n) in r.choices else next(iter(r.choices)) for n, r in chosen.items()}


def step_doing(world: World, held: Held, does: str) -> str:
    """Return what the rulebook calls the step out of a ticket's state that does this."""
    book = world.rulebooks.get(held.case.rulebook, held.case.rulebook_version)
    flow = book.workflow("ticket")
    return next(t.action for t in flow.transitions if t.does == does and held.case.state in t.sources)


def step_emitting(world: World, held: Held, event: str) -> str:
    """Return what the rulebook calls the step out of a ticket's state that records an event."""
    book = world.rulebooks.get(held.case.rulebook, held.case.rulebook_version)
    flow = book.workflow("ticket")
    return next(t.action for t in flow.transitions if event in t.emits and held.case.state in t.sources)


def acted(world: World, actor: Actor, held: Held, action: str, **fields: Any) -> Held:
    """Take a step."""
    with world.work(actor) as work:
        return act_on_ticket(work, held.ticket.id, action, fields)


def dispatched_ticket(
    world: World, unit: str = "housing", co_units: tuple[str, ...] = (), **changes: Any
) -> Held:
    """Take a ticket in and give it to a unit."""
    held = taken(world, **{"facts": classified(world), **changes}).held
    more = {"co_units": list(co_units)} if co_units else {}
    return acted(world, dora, held, step_doing(world, held, "dispatch"), unit=unit, **more)


def answered_ticket(world: World, reply: str = "路灯已修复。", **changes: Any) -> Held:
    """Let the housing bureau sign for a ticket and answer it."""
    held = dispatched_ticket(world, **changes)
    held = acted(world, hans, held, step_emitting(world, held, "signed_in"))
    return acted(world, hans, held, step_emitting(world, held, "fed_back"), reply=reply)


def rated_ticket(world: World, satisfaction: str = "satisfied", **changes: Any) -> Held:
    """Ask the caller and write down what they say."""
    held = answered_ticket(world, **changes)
    return acted(world, otto, held, step_doing(world, held, "rate"), satisfaction=satisfaction)


def seen(world: World, actor: Actor, held: Held) -> Held:
    """Return a ticket as somebody finds it."""
    with world.read(actor) as work:
        return find_ticket(work, held.ticket.id)
