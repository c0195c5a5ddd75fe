"""A city at work, by chance but repeatably: applications that are handled, forgotten, refused, withdrawn."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from cases.timing import book_of
from gateway.applications import act_on_application, find_application
from tests.cast import alice, ann, bob, carol, chen
from tests.stories import active_client, offered, submitted_application

STEWARDS = {"civil_affairs": alice, "hr_social": ann}


ACTIONS = ("accept", "accept", "grant", "grant", "refuse", "inform", "withdraw")
WISHES: list[dict[str, Any]] = [
    {},
    {"fields": ["date", "workday"], "operations": ["day"]},
    {"fields": ["date", "workday"]},
]
"""What is asked for of the divisions, the working-day service and its files."""


def work_for_weeks(
    world: Any, seed: int, applications: int = 12, kinds: Sequence[int] = (0, 1, 2), **wish: Any
) -> list[str]:
    """Let departments apply and be answered for some weeks; return the ids of the applications."""
    chance = random.Random(seed)
    codes = [offered(world, name) for name in ("divisions", "workdays", "calendars")]
    systems = {carol: active_client(world, carol), chen: active_client(world, chen)}
    filed = []
    for _ in range(applications):
        world.now += timedelta(hours=chance.randrange(0, 30))
        actor, kind = chance.choice(list(systems)), chance.choice(kinds)
        asked = {**WISHES[kind], **wish}
        made = submitted_application(world, codes[kind], systems[actor], actor=actor, **asked)
        filed.append(made.application.id)
    for _ in range(applications * 4):
        world.now += timedelta(hours=chance.randrange(1, 40))
        _step(world, chance.choice(filed), chance.choice(ACTIONS))
    return filed


def _step(world: Any, id: str, action: str) -> None:
    """Let whoever may take a step take it, if it can be taken."""
    with world.read(bob) as work:
        filed = find_application(work, id)
        book, flow = book_of(work, filed.case)
    step = flow.find(filed.case.state, action, filed.case.facts)
    if step is None:
        return
    steward = STEWARDS[filed.application.provider]
    applicant = {"health": carol, "market": chen}[filed.application.consumer]
    actor = next(a for a in (bob, steward, applicant) if a.roles & step.roles)
    fields = {name: "other" if book.fields[name].choices else "说明" for name in step.requires}
    with world.work(actor) as work:
        act_on_application(work, id, action, fields)
