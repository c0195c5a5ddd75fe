"""A case's clocks: computed from its recorded events whenever somebody asks."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from cases import store
from cases.model import Case
from core.times import parse_instant
from core.work import Work
from rules.clocks import ClockState, Recorded, clock_states, next_due
from rules.rulebook import Rulebook
from rules.workflow import Workflow


def book_of(work: Work, case: Case) -> tuple[Rulebook, Workflow]:
    """Return the rulebook version that the case was opened under, and its workflow there."""
    book: Rulebook = work.rulebooks.get(case.rulebook, case.rulebook_version)
    return book, book.workflow(case.workflow)


def clocks(work: Work, case: Case) -> tuple[ClockState, ...]:
    """Return every clock of the case that has started, as it stands at `work.now`."""
    book, _ = book_of(work, case)
    events = recorded_events(case)
    return clock_states(book, case.workflow, case.facts, events, work.rulebooks.calendar, work.now)


def facts_now(work: Work, case: Case) -> dict[str, Any]:
    """Return the case's facts and those that its clocks tell: a fact called like a clock says that it passed.

    Calls on the data plane are no events of a case, so the clock of an idle grant counts from the grant.
    """
    book, _ = book_of(work, case)
    told = {rule.name for rule in book.clocks if rule.workflow == case.workflow} & book.dimensions.keys()
    passed = {c.name: c.running and c.passed for c in clocks(work, case)} if told else {}
    return {**case.facts, **{name: passed.get(name, False) for name in told}}


def recorded_events(case: Case) -> list[Recorded]:
    """Return the events that clocks start and stop on, in the order in which they were recorded."""
    return [Recorded(name, e.at, e.fields) for e in case.events for name in e.names]


def duties(work: Work, case: Case) -> list[ClockState]:
    """Return the running clocks whose due instant somebody must keep."""
    return [c for c in clocks(work, case) if c.running and c.obliges] if case.closed_at is None else []


def timed(work: Work, case: Case) -> Case:
    """Fill in the two instants that lists look at; both derive from events and facts."""
    _, flow = book_of(work, case)
    lapse = flow.lapse(case.state, case.facts)
    lapses_at = parse_instant(case.facts[lapse.timer]) if lapse and lapse.timer else None
    due = next_due(duties(work, case))
    return replace(case, lapses_at=lapses_at, next_due_at=due.due if due else None)


def watch_at(work: Work, case: Case) -> datetime | None:
    """Return the next instant at which the sweep has something to put on record for this case."""
    recorded = store.recorded_breaches(work.tx, case.id)
    dues = [c.due for c in duties(work, case) if c.due and (c.name, c.due) not in recorded]
    return min([*dues, *([case.lapses_at] if case.lapses_at else [])], default=None)
