"""The desk: what waits for somebody, what is late, what changed last."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from cases import store
from cases.model import Case, roles_in
from cases.present import state_now
from cases.store import Party, Turn
from cases.timing import book_of, clocks
from core.codes import in_url
from core.db import Page
from core.text import Text
from core.work import Work
from rules.clocks import is_past
from rules.rulebook import Rulebook
from rules.workflow import Transition, Workflow

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


def turns_of(book: Rulebook, roles: frozenset[str]) -> frozenset[Turn]:
    """Return where the holders of `roles` have the turn, in every workflow of a book."""
    return frozenset(
        Turn(flow.name, state, role, _rests(flow, state))
        for flow in book.workflows.values()
        for step in flow.transitions
        for state in step.sources
        if _is_task(flow, step, state, _stops(book, flow.name))
        for role in step.roles & roles
    )


def _rests(flow: Workflow, state: str) -> bool:
    """Tell whether a case may stay in `state` for years, so that whoever can act there acts at leisure."""
    return "resting" in flow.states[state].flags


def _is_task(flow: Workflow, step: Transition, state: str, stops: frozenset[str]) -> bool:
    """Tell whether a case in `state` waits for somebody to take `step`.

    A step out of a passing state is a task; out of a resting one it is not, unless it leaves the case where
    it is and stops a clock (a changed dataset must be updated). Steps that only urge somebody are none,
    nor is giving up, which is always possible.
    """
    stays = step.target == state
    if step.does == "aside" or stays != _rests(flow, state):
        return False
    return not stays or not stops.isdisjoint(step.emits)


def _stops(book: Rulebook, workflow: str, names: Collection[str] | None = None) -> frozenset[str]:
    """Return the events that stop the clocks of a workflow, or only those called `names`."""
    rules = (r for r in book.clocks if r.workflow == workflow and (names is None or r.name in names))
    return frozenset(event for rule in rules for event in rule.stops)


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
        return store.tasks(work.tx, work.actor.department, _turns(work), limit, cursor)
    if which == "late":
        return store.late(work.tx, work.now, _whose(work), limit, cursor)
    return store.recent(work.tx, _whose(work), limit, cursor)


def counts(work: Work) -> Mapping[str, int]:
    """Return how many cases wait for the actor, and how many of those that concern them are late."""
    return {
        "tasks": store.count_tasks(work.tx, work.actor.department, _turns(work)),
        "late": store.count_late(work.tx, work.now, _whose(work)),
    }


def _turns(work: Work) -> frozenset[Turn]:
    """Return the actor's turns under every rulebook version that an open case may be under."""
    books = {(book.id, book.version): book for book in work.rulebooks.archive.values()}
    for domain in work.rulebooks.selected:
        book = work.rulebooks.current(domain)
        books[(book.id, book.version)] = book
    return frozenset().union(*(turns_of(book, work.actor.roles) for book in books.values()))


def _whose(work: Work) -> Party | None:
    """Return whose cases the actor looks at; None for an auditor, who looks at all."""
    return None if work.actor.has("auditor") else Party(work.actor.department, work.actor.roles)


def _line(work: Work, case: Case) -> Line:
    book, flow = book_of(work, case)
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
        steps=tuple(
            step.title
            for step in flow.actions(state, roles_in(case, work.actor), case.facts)
            if _is_task(flow, step, state, _stops(book, flow.name, {c.name for c in running}))
        ),
    )


def link_of(case: Case) -> str:
    """Return the address of the page of a case."""
    if case.kind == "dataset":
        return f"/datasets/{in_url(str(case.facts['dataset']))}"
    return f"/{case.kind}s/{case.id}"
