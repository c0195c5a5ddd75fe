"""Who takes part in the stories of supervision, and what they do there."""

from __future__ import annotations

from typing import Any

from cases.sweep import sweep
from core.work import SYSTEM, Actor
from hotline.intake import take_in
from hotline.model import Held
from hotline.supervising.acting import act_on_supervision, list_supervisions
from hotline.supervising.model import Supervised, Wanted
from hotline.supervising.opening import open_supervision
from hotline.tickets import act_on_ticket
from tests.conftest import World


def _actor(login: str, department: str, *roles: str) -> Actor:
    return Actor(login, login.title(), department, frozenset(roles), f"pseudonym-of-{login}")


olive = _actor("olive", "hotline_office", "operator")
"""The operator who takes the calls."""
desmond = _actor("desmond", "hotline_office", "dispatcher")
"""The dispatcher."""
susan = _actor("susan", "hotline_office", "supervisor")
"""The supervisor, who signs."""
hans = _actor("hans", "housing", "handler")
"""The handler of the unit that is late."""
helen = _actor("helen", "education", "handler")
"""A handler of another unit."""
lena = _actor("lena", "hotline_office", "leader")
"""Whom the office reports to."""
bruno = _actor("bruno", "government_office", "business_environment")
"""Of the authority for the business environment."""
diego = _actor("diego", "discipline", "discipline")
"""Of the discipline body."""
audrey = _actor("audrey", "audit", "auditor")
"""The auditor."""

CALLER = {"name": "王小明", "phone": "13900001234", "address": "章华中路9号3栋"}
SUMMARY = "小区门口路灯不亮"


def called(world: World, **changes: Any) -> Held:
    """A citizen calls about a broken lamp."""
    draft = {
        "channel": "phone",
        "summary": SUMMARY,
        "description": "王小明来电，13900001234，路灯坏了三天",
        "facts": changes.pop("facts", {"level": "ordinary"}),
        "caller": CALLER,
        **changes,
    }
    with world.work(olive) as work:
        return take_in(work, draft).held


def acted(world: World, actor: Actor, held: Held, action: str, **fields: Any) -> Held:
    """Somebody takes a step of a ticket."""
    with world.work(actor) as work:
        return act_on_ticket(work, held.ticket.id, action, fields)


def dispatched(world: World, unit: str = "housing", **changes: Any) -> Held:
    """A ticket that a unit is to handle."""
    held = called(world, **changes)
    return acted(world, desmond, held, "dispatch", unit=unit)


def opened(world: World, actor: Actor, held: Held, workflow: str, **draft: Any) -> Supervised:
    """Somebody opens a supervision of a ticket."""
    with world.work(actor) as work:
        return open_supervision(work, held.ticket.id, workflow, draft)


def moved(world: World, actor: Actor, held: Supervised, action: str, **fields: Any) -> Supervised:
    """Somebody takes a step of a supervision."""
    with world.work(actor) as work:
        return act_on_supervision(work, held.supervision.id, action, fields)


def listed(world: World, actor: Actor, **wanted: Any) -> list[Supervised]:
    """What somebody finds in the list of supervisions."""
    with world.read(actor) as work:
        return list(list_supervisions(work, Wanted(**wanted), 50, None).rows)


def swept(world: World, times: int = 3) -> None:
    """The sweep passes."""
    for _ in range(times):
        with world.work(SYSTEM) as work:
            sweep(work)
