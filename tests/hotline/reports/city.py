"""A hotline at work, by chance but repeatably: tickets taken in, handled, forgotten, returned, rated."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import Any

from core.errors import Refusal
from core.work import Actor
from hotline.intake import take_in
from hotline.tickets import act_on_ticket, find_ticket
from tests.cast import _actor

olive = _actor("olive", "hotline_office", "operator")
"""The operator."""
dora = _actor("dora", "hotline_office", "dispatcher")
"""The dispatcher."""
sue = _actor("sue", "hotline_office", "supervisor")
"""The supervisor."""
lea = _actor("lea", "hotline_office", "leader")
"""The leader."""
bea = _actor("bea", "government_office", "business_environment")
"""Who looks after the business environment."""
HANDLERS = {
    unit: _actor(f"hans_{unit}", unit, "handler") for unit in ("housing", "education", "health", "market")
}
hans = HANDLERS["housing"]
"""A handler of the housing bureau."""
PLACES = ("429005001000", "429005002000", "429005100000", "")
CALLER = {"name": "王小明", "phone": "13900001111", "address": "园林路 1 号"}

SAYABLE = {
    "satisfaction": ("satisfied", "dissatisfied"),
    "unit": tuple(HANDLERS),
}


ANSWER = {**dict.fromkeys(("situation", "process", "opinion", "reply"), "已修好"), "caller_says": "satisfied"}
"""What a unit feeds back."""


def new_ticket(world: Any, actor: Actor = olive, **draft: Any) -> Any:
    """Take in a ticket."""
    with world.work(actor) as work:
        return take_in(work, {**DRAFT, "facts": FACTS[work.rulebooks.selected["hotline"]], **draft}).held


DRAFT = {
    "channel": "phone",
    "summary": "路灯不亮",
    "description": "楼下路灯坏了三天",
    "category": "roads",
    "place": PLACES[0],
    "occurred_at": "2026-02-10T08:00:00+08:00",
    "location": "园林路",
    "caller": CALLER,
    "consent": True,
}
FACTS = {
    "hotline/ganzhou": {"type": "complaint"},
    "hotline/qianjiang": {"type": "complaint", "level": "ordinary"},
    "hotline/tonghua": {"urgency": "general"},
}


def act(world: Any, ticket: Any, actor: Actor, action: str, **fields: Any) -> Any:
    """Take a step of a ticket."""
    with world.work(actor) as work:
        return act_on_ticket(work, ticket.ticket.id, action, fields)


def dispatched(world: Any, unit: str = "housing", **draft: Any) -> Any:
    """Take in a ticket and dispatch it."""
    held = new_ticket(world, **draft)
    return act(world, held, dora, "dispatch", unit=unit)


def said(world: Any, held: Any, action: str, chance: random.Random) -> dict[str, Any] | None:
    """Return fields that a step can be taken with, None where it means nothing now."""
    with world.read(dora) as work:
        held = find_ticket(work, held.ticket.id)
        book = work.rulebooks.get(held.case.rulebook, held.case.rulebook_version)
    step = next(
        (
            t
            for t in book.workflow("ticket").transitions
            if t.action == action and held.case.state in t.sources
        ),
        None,
    )
    if step is None:
        return None
    names = {name for t in book.workflow("ticket").transitions if t.action == action for name in t.requires}
    values: dict[str, Any] = {}
    for name in sorted(names & {*step.requires, "overdue_reason"}):
        rule = book.fields[name]
        if name in SAYABLE:
            values[name] = chance.choice(SAYABLE[name])
        elif rule.choices:
            values[name] = next(iter(rule.choices))
        elif rule.type == "instant":
            values[name] = world.now.isoformat()
        elif rule.type == "integer":
            values[name] = 3
        else:
            values[name] = "说明情况"
    return values


ACTIONS = (
    (dora, "dispatch"),
    (None, "sign_in"),
    (None, "sign_in"),
    (None, "feed_back"),
    (None, "feed_back"),
    (None, "return"),
    (dora, "accept_return"),
    (dora, "refuse_return"),
    (dora, "redispatch"),
    (None, "request_extension"),
    (dora, "extend"),
    (olive, "revisit"),
    (olive, "revisit"),
    (olive, "redo"),
    (olive, "withdraw"),
    (dora, "reclassify"),
    (None, "request_hang"),
    (bea, "hang"),
    (bea, "unhang"),
)


def work_for_weeks(world: Any, seed: int, tickets: int = 14, steps: int = 7) -> list[Any]:
    """Let the hotline work for some weeks; return the tickets."""
    chance = random.Random(seed)
    made = []
    for _ in range(tickets):
        world.now += timedelta(minutes=chance.randrange(1, 2000))
        draft = {"place": chance.choice(PLACES), "category": chance.choice(("roads", "housing"))}
        held = new_ticket(world, channel=chance.choice(("phone", "web")), **draft)
        made.append(held)
        act(world, held, dora, "dispatch", unit=chance.choice(tuple(HANDLERS)))
    for _ in range(tickets * steps):
        world.now += timedelta(minutes=chance.randrange(1, 500))
        step(world, chance.choice(made), chance, *chance.choice(ACTIONS))
    return made


def step(world: Any, held: Any, chance: random.Random, actor: Actor | None, action: str) -> None:
    """Let whoever may take a step take it, if it can be taken."""
    fields = said(world, held, action, chance)
    if fields is None:
        return
    with world.read(dora) as work:
        lead = find_ticket(work, held.ticket.id).ticket.lead
    for extra in ({}, {"overdue_reason": "人手不足"}):
        tried = {k: v for k, v in {**fields, **extra}.items() if extra or k != "overdue_reason"}
        try:
            act(world, held, actor or HANDLERS[lead or "housing"], action, **tried)
            return
        except Refusal:
            continue
