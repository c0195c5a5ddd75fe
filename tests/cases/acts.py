"""Acts that the stories about cases share: open one, take a step, sweep, and see who was told."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import select

from cases.desk import list_cases
from cases.model import Case, Parties
from cases.procedure import find_case, open_case, take
from cases.sweep import sweep
from cases.timing import clocks
from core.settings import Settings
from core.times import parse_instant
from core.work import SYSTEM, Actor, Work
from notices.store import notices
from rules.clocks import ClockState
from tests.conftest import World

PARTIES = {"consumer": "health", "provider": "civil_affairs", "platform_manager": "bigdata"}
PROVIDER_DECIDES = {"share_class": "conditional", "controlled_params": False, "decider": "provider"}
MANAGER_DECIDES = {"share_class": "unconditional", "controlled_params": False, "decider": "platform_manager"}

Told = tuple[str, str, str]
"""Kind of the notice, role, department."""


def opened(
    world: World,
    actor: Actor,
    workflow: str,
    opened_as: str = "system",
    facts: Mapping[str, Any] | None = None,
    parties: Parties = PARTIES,
    **fields: Any,
) -> Case:
    """Open a case of a workflow under the city's book."""
    kind = workflow if workflow in ("dataset", "application", "grant") else "matter"
    with world.work(actor) as work:
        return open_case(
            work,
            kind=kind,
            workflow=workflow,
            facts=facts or {},
            parties=parties,
            opened_as=opened_as,
            fields=fields,
        )


def taken(world: World, actor: Actor, case: Case, action: str, **fields: Any) -> Case:
    with world.work(actor) as work:
        return take(work, case, action, fields)


def seen(world: World, case: Case, actor: Actor = SYSTEM) -> Case:
    with world.read(actor) as work:
        return find_case(work, case.id)


def clock_of(world: World, case: Case, name: str) -> ClockState:
    with world.read(SYSTEM) as work:
        (state,) = [c for c in clocks(work, find_case(work, case.id)) if c.name == name]
    return state


def with_last_call(work: Work, last: datetime | None) -> Work:
    """Return the work in a platform where every grant last answered a call at an instant."""
    return replace(work, last_call=lambda tx, grant: last)


def swept(world: World, at: datetime | str, last_call: datetime | None = None) -> int:
    """Let the sweep run once at an instant; `last_call` is when any grant last answered a call."""
    world.now = parse_instant(at) if isinstance(at, str) else at
    with world.work(SYSTEM) as work:
        return sweep(with_last_call(work, last_call))


def posted(world: World, case: Case) -> dict[str, Any]:
    """Return the notices about a case so far, by their ids."""
    with world.read(SYSTEM) as work:
        rows = work.tx.execute(select(notices).where(notices.c.about == case.id))
        return {row.id: row for row in rows}


def told(world: World, case: Case) -> list[Told]:
    """Return who was told of a case so far."""
    return sorted((row.kind, row.role, row.department) for row in posted(world, case).values())


def told_by(world: World, case: Case, act: Callable[[], object]) -> set[Told]:
    """Return who is told of what `act` does; a notice that is there twice fails."""
    before = posted(world, case)
    act()
    new = [(r.kind, r.role, r.department) for id, r in posted(world, case).items() if id not in before]
    assert len(new) == len(set(new)), new
    return set(new)


def desk(world: World, actor: Actor) -> dict[str, list[str]]:
    """Return what waits for somebody: case to the steps that they are asked for."""
    with world.read(actor) as work:
        lines = list_cases(work, "tasks", 50).lines
    return {line.case.id: [step.zh for step in line.steps] for line in lines}


def with_roles(settings: Settings, **roles: str) -> Settings:
    """Return the deployment with one more role for some departments."""
    departments = {
        name: replace(d, roles=d.roles | {roles[name]}) if name in roles else d
        for name, d in settings.departments.items()
    }
    return replace(settings, departments=departments)
