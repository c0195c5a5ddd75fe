"""The desk: what waits for somebody, what is late, what changed last."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from cases import store
from cases.model import MEMBER, Case, roles_in
from cases.present import state_now
from cases.procedure import is_barred
from cases.store import Party
from cases.timing import book_of, clocks
from cases.turns import tasks_in
from core.db import Page
from core.text import Text
from core.work import Work
from rules.clocks import is_past

LISTS = ("tasks", "late", "recent")


@dataclass(frozen=True, slots=True)
class Line:
    """One case on the desk, as its reader may act on it."""

    case: Case
    state: str
    state_title: Text
    due: datetime | None
    late: bool
    provisional: bool
    steps: tuple[Text, ...]
    """What the reader is asked to do."""


@dataclass(frozen=True, slots=True)
class Listed:
    """One page of a list, and the cursor of the next."""

    lines: tuple[Line, ...]
    next_cursor: str | None


def list_cases(work: Work, which: str, limit: int, cursor: str | None = None) -> Listed:
    """Return a page of one of the desk's lists (`LISTS`) for the actor of `work`."""
    found = _page(work, which, limit, cursor)
    ids = [row.id for row in found.rows]
    known = store.cases_by_id(work.tx, ids)
    lines = [_line(work, known[id]) for id in ids]
    if which == "tasks":
        lines = [line for line in lines if line.steps]
    return Listed(tuple(lines), found.next_cursor)


def _page(work: Work, which: str, limit: int, cursor: str | None) -> Page:
    if which == "tasks":
        return store.tasks(work.tx, _self(work), limit, cursor)
    if which == "late":
        return store.late(work.tx, work.now, _whose(work), limit, cursor)
    return store.recent(work.tx, _whose(work), limit, cursor)


def counts(work: Work) -> Mapping[str, int]:
    """Return how many cases wait for the actor, and how many of those that concern them are late."""
    return {
        "tasks": store.count_tasks(work.tx, _self(work)),
        "late": store.count_late(work.tx, work.now, _whose(work)),
    }


def _self(work: Work) -> Party:
    return Party(work.actor.department, work.actor.roles | {MEMBER})


def _whose(work: Work) -> Party | None:
    """Return whose cases the actor looks at; None for an auditor, who looks at all."""
    return None if work.actor.has("auditor") else _self(work)


def _line(work: Work, case: Case) -> Line:
    _, flow = book_of(work, case)
    state = state_now(work, case, flow)
    running = [c for c in clocks(work, case) if c.running] if case.closed_at is None else []
    first = min((c for c in running if c.due), key=lambda c: c.due or c.started_at, default=None)
    due = first.due if first else None
    return Line(
        case=case,
        state=state,
        state_title=flow.states[state].title,
        due=due,
        late=is_past(due, work.now),
        provisional=bool(first and first.provisional),
        steps=_steps(work, case) if state == case.state else (),
    )


def _steps(work: Work, case: Case) -> tuple[Text, ...]:
    """Return what the reader is asked to do, one title an action."""
    roles = roles_in(case, work.actor)
    mine = [t for t in tasks_in(work, case) if t.roles & roles and not is_barred(work, case, t)]
    return tuple({t.action: t.title for t in reversed(mine)}.values())[::-1]
