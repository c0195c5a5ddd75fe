"""Steps of tickets told in the words of a place's rulebook, on a clock that the story sets."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from cases.sweep import sweep
from cases.timing import clocks
from core.work import SYSTEM, Actor
from hotline.model import Held
from hotline.supervising.acting import list_supervisions
from hotline.supervising.model import Wanted
from rules.clocks import ClockState
from tests.cast import beth, dora, hans, otto
from tests.conftest import World
from tests.hotline.kit import acted, seen, taken

FIVE_PARTS = {
    "situation": "已到现场查看",
    "process": "协调抢修",
    "opinion": "更换线路",
    "reply": "路灯已修复",
    "caller_says": "satisfied",
}
"""What a unit of Ganzhou feeds back (GZ art. 10(四))."""


def at(world: World, text: str) -> None:
    """Set the clock, in Shanghai time."""
    world.now = datetime.fromisoformat(f"{text}+08:00")


def new(world: World, facts: Mapping[str, Any], **draft: Any) -> Held:
    """Take a ticket in that is classified like this."""
    return taken(world, facts=dict(facts), category="utilities", **draft).held


def sent(world: World, facts: Mapping[str, Any], **fields: Any) -> Held:
    """Take a ticket in, give it to the housing bureau and let it sign."""
    held = acted(world, dora, new(world, facts), "dispatch", unit="housing", **fields)
    return acted(world, hans, held, "sign_in")


def timed(world: World, held: Held) -> dict[str, ClockState]:
    """Return the clocks of a ticket as they stand."""
    with world.read(otto) as work:
        return {clock.name: clock for clock in clocks(work, seen(world, otto, held).case)}


def due(world: World, held: Held, clock: str) -> str:
    """Return when a clock falls due, in Shanghai time."""
    return str(timed(world, held)[clock].due)[:19]


def swept(world: World) -> None:
    """The sweep passes."""
    with world.work(SYSTEM) as work:
        sweep(work)


def supervised(world: World, actor: Actor = beth) -> list[str]:
    """Return which procedures about tickets an actor finds, by workflow."""
    with world.read(actor) as work:
        return sorted(s.supervision.workflow for s in list_supervisions(work, Wanted(), 50, None).rows)
