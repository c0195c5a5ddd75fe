"""What is kept beside a ticket because lists and reports look at it: all of it follows from its case."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from cases.model import Case, in_role
from cases.timing import book_of, clocks
from core.work import Work
from hotline import store
from hotline.model import KIND, ClockRow, Ticket
from hotline.reports.keeping import keep_turns
from rules.clocks import ClockState
from rules.rulebook import Rulebook
from rules.workflow import Workflow

AT_WORK = frozenset({"intake", "handling", "answered", "hung"})
"""Flags of the states in which somebody still has a ticket."""


def note(work: Work, case: Case) -> None:
    """Write a ticket's clocks and derived columns anew, in the transaction of the step that changed them."""
    lead = _lead(book_of(work, case)[1], case) or ""
    kept = store.clocks_of(work.tx, case.id)
    found = with_earlier(kept, [_row(case.id, lead, c) for c in clocks(work, case)])
    if set(found) != set(kept):
        store.put_clocks(work.tx, case.id, found)
    store.put_derived(work.tx, case.id, derived(work, case))
    keep_turns(work, case)


def note_new(work: Work, ticket: Ticket, case: Case) -> Ticket:
    """Write a new ticket with its derived columns and its clocks; return it."""
    made = replace(ticket, **derived(work, case))
    store.insert_ticket(work.tx, made)
    store.insert_clocks(work.tx, [_row(ticket.id, made.lead or "", c) for c in clocks(work, case)])
    return made


def with_earlier(kept: Sequence[ClockRow], latest: Sequence[ClockRow]) -> list[ClockRow]:
    """Return the latest runs of a ticket's clocks and those before them, each with the unit it began with.

    A run that another one of its clock follows has ended with it; one that has neither stopped nor any
    successor never was: the facts that it depended on were mended.
    """
    units = {(row.clock, row.started_at): row.unit for row in kept}
    now = {(row.clock, row.started_at): row for row in latest}
    starts = {row.clock: row.started_at for row in latest}
    earlier = [row for row in kept if (row.clock, row.started_at) not in now]
    ended = [
        row if row.stopped_at is not None else replace(row, stopped_at=starts[row.clock])
        for row in earlier
        if row.stopped_at is not None or starts.get(row.clock, row.started_at) > row.started_at
    ]
    return ended + [replace(row, unit=units.get(key) or row.unit) for key, row in now.items()]


def moved(work: Work, case: Case) -> None:
    """Take note of a ticket's step, whoever took it: a person, a timer, or a supervision (`Work.moved`)."""
    if case.kind == KIND:
        note(work, case)


def derived(work: Work, case: Case) -> dict[str, Any]:
    """Return the columns of a ticket that follow from its case."""
    book, flow = book_of(work, case)
    last = {name: event.at for event in case.events for name in event.names}
    first = {name: event.at for event in reversed(case.events) for name in event.names}
    dispatched = last.get("dispatched")
    answered = last.get("fed_back")
    return {
        "state": case.state,
        "lead": _lead(flow, case),
        "masked": bool(case.facts.get("masked")),
        "handlings": _handlings(flow, case),
        "satisfied": _satisfied(book, flow, case),
        "hung": "hung" in flow.states[case.state].flags,
        "accepted_at": first.get("accepted"),
        "dispatched_at": dispatched,
        "fed_back_at": answered if answered and (not dispatched or answered >= dispatched) else None,
        "due_at": case.next_due_at,
        "closed_at": closing_of(flow, case),
    }


def closing_of(flow: Workflow, case: Case) -> datetime | None:
    """Return when a ticket was closed; None while the office or a unit has it, again or still."""
    if not flow.states[case.state].flags.isdisjoint(AT_WORK):
        return None
    return max((e.at for e in case.events if "closed" in e.names), default=case.closed_at)


def _lead(flow: Workflow, case: Case) -> str | None:
    """Return who handles a ticket: nobody while it is with the office, again or still."""
    return None if "intake" in flow.states[case.state].flags else lead_of(case)


def lead_of(case: Case) -> str | None:
    """Return the department that a ticket was given to last, or None."""
    return next(iter(in_role(case.parties, "handler")), None)


def _handlings(flow: Workflow, case: Case) -> int:
    """A unit handles a ticket once it was dispatched, and once more for each redo."""
    redo = flow.names("redo")
    again = sum(1 for event in case.events if event.action in redo)
    return again + any("dispatched" in event.names for event in case.events)


def _satisfied(book: Rulebook, flow: Workflow, case: Case) -> bool | None:
    """Return what the latest rating says, None where nobody rated."""
    rates = flow.names("rate")
    said = [e.fields["satisfaction"] for e in case.events if e.action in rates and "satisfaction" in e.fields]
    scale = {entry["code"]: bool(entry["satisfied"]) for entry in book.policy("satisfaction.scale").value}
    return scale.get(said[-1]) if said else None


def _row(ticket_id: str, lead: str, clock: ClockState) -> ClockRow:
    return ClockRow(
        ticket_id,
        clock.name,
        clock.started_at,
        lead,
        clock.due,
        clock.stopped_at,
        clock.provisional,
        clock.obliges,
    )
