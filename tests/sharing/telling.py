"""How the stories of the two regulations are told: who acts when, which limit runs until when, who was told.

Working days are counted here by a few lines of their own over the published list of days off, so that the
stories do not take the platform's word for its own arithmetic.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import select

from audit.store import audit_outbox
from cases.model import Case
from cases.store import case as case_by_id
from cases.store import case_breaches
from cases.sweep import sweep
from cases.timing import clocks
from core.settings import Department
from core.text import Text
from core.times import SHANGHAI, local_iso
from core.work import SYSTEM, Actor
from gateway.applications import Filed, act_on_application
from gateway.grants import Held, act_on_grant
from matters.acting import act_on_matter
from matters.model import Held as Opened
from matters.opening import open_matter
from notices.inbox import list_notices
from rules.rulebook import SHIPPED
from tests.cast import bob

OFFICE = "government_office"
"""Where the seats of a city government lie that no department of the stories has of itself."""
SEATS = {
    OFFICE: {"steering_group", "dispute_body", "rectifier"},
    "bigdata": {"steering_office", "offline_approver"},
}


def seated(world: Any) -> Any:
    """Give the world a department for every seat that the regulations name; it comes back the same."""
    departments = dict(world.settings.departments)
    for id, roles in SEATS.items():
        known = departments.get(id) or Department(
            id,
            Text("潜江市人民政府办公室", "Office of the Municipal Government"),
            "",
            "city",
            None,
            frozenset(),
            False,
        )
        departments[id] = replace(known, roles=known.roles | roles)
    world.settings = replace(world.settings, departments=departments)
    return world


def at(text: str) -> datetime:
    """An instant in Shanghai time."""
    return datetime.fromisoformat(text).replace(tzinfo=SHANGHAI)


# --- the calendar, read anew ------------------------------------------------------------------------


def _days() -> tuple[set[date], set[date]]:
    off: set[date] = set()
    worked: set[date] = set()
    for path in sorted((SHIPPED / "calendars").glob("*.yaml")):
        for line in path.read_text(encoding="utf-8").splitlines():
            days = [date.fromisoformat(found) for found in re.findall(r"\d{4}-\d{2}-\d{2}", line)]
            if line.strip().startswith("off:"):
                off |= {days[0] + timedelta(days=n) for n in range((days[-1] - days[0]).days + 1)}
            elif line.strip().startswith("work:"):
                worked |= set(days)
    return off, worked


OFF, WORKED = _days()


def is_workday(day: date) -> bool:
    """Whether people work on a day: the week, the days off, and the weekend days worked in exchange."""
    return day in WORKED or (day.weekday() < 5 and day not in OFF)


def end_of_workday(start: str, days: int) -> str:
    """The last second of the `days`-th working day after the day of `start`, as answers write instants."""
    day = at(start).date()
    while days:
        day += timedelta(days=1)
        days -= is_workday(day)
    return f"{day}T23:59:59+08:00"


# --- acting -----------------------------------------------------------------------------------------


def decided(world: Any, actor: Actor, filed: Filed, action: str, **fields: Any) -> Filed:
    """Take a step of an application."""
    with world.work(actor) as work:
        return act_on_application(work, filed.application.id, action, fields)


def dealt(world: Any, actor: Actor, held: Held, action: str, **fields: Any) -> Held:
    """Take a step of a grant."""
    with world.work(actor) as work:
        return act_on_grant(work, held.grant.id, action, fields)


def opened(world: Any, actor: Actor, kind: str, **draft: Any) -> Opened:
    """Open a matter."""
    with world.work(actor) as work:
        return open_matter(work, kind, draft)


def acted(world: Any, actor: Actor, held: Opened, action: str, **fields: Any) -> Opened:
    """Take a step of a matter."""
    with world.work(actor) as work:
        return act_on_matter(work, held.matter.id, action, fields)


def swept(world: Any, when: str | None = None) -> None:
    """Let the sweep come by, at `when` or now, until there is nothing left for it."""
    if when is not None:
        world.now = at(when)
    for _ in range(5):
        with world.work(SYSTEM) as work:
            if not sweep(work):
                return


# --- looking ----------------------------------------------------------------------------------------


def case_of(thing: Any) -> Case:
    """The case of an application, a grant, a dataset or a matter."""
    found: Case = thing.case
    return found


def clock(world: Any, thing: Any, name: str) -> Any:
    """One clock of a case as it stands now."""
    return {c.name: c for c in all_clocks(world, thing)}[name]


def all_clocks(world: Any, thing: Any) -> tuple[Any, ...]:
    """Every clock of a case that has started."""
    with world.read(bob) as work:
        case = case_by_id(work.tx, case_of(thing).id)
        assert case is not None
        return clocks(work, case)


def due(world: Any, thing: Any, name: str) -> str | None:
    """When a clock of a case falls due."""
    instant = clock(world, thing, name).due
    return local_iso(instant) if instant is not None else None


def lateness(world: Any, thing: Any, name: str) -> list[bool]:
    """Whether a clock is late at the due instant, within its second, and in the first second after."""
    end = clock(world, thing, name).due
    seen = []
    for instant in (end, end + timedelta(milliseconds=999), end + timedelta(seconds=1)):
        world.now = instant
        seen.append(clock(world, thing, name).breached)
    return seen


def breaches(world: Any, thing: Any) -> list[str]:
    """The clocks of a case whose breach is on record, each as often as it is there."""
    query = select(case_breaches.c.clock).where(case_breaches.c.case_id == case_of(thing).id)
    with world.read(bob) as work:
        return list(work.tx.execute(query).scalars())


def inbox(world: Any, actor: Actor, thing: Any | None = None) -> list[str]:
    """What an actor was told of a case (or of anything), the newest first, in English."""
    with world.read(actor) as work:
        lines = list_notices(work, limit=50).lines
    about = case_of(thing).id if thing is not None else None
    return [line.notice.subject.en for line in lines if about in (None, line.notice.about)]


def records(world: Any, thing: Any) -> list[Mapping[str, Any]]:
    """The audit records of a case, the oldest first."""
    with world.read(bob) as work:
        kept = work.tx.execute(select(audit_outbox.c.body).order_by(audit_outbox.c.seq)).scalars().all()
    bodies = [json.loads(body) for body in kept]
    return [body for body in bodies if body.get("case") == case_of(thing).id]
