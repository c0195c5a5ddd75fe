"""A case's clocks: computed from its recorded events whenever somebody asks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from cases import store
from cases.model import Case
from core.times import parse_instant
from core.work import Work
from rules.clocks import ClockState, Recorded, clock_states, next_due, past_from
from rules.durations import Duration, before
from rules.rulebook import Rulebook
from rules.workflow import Workflow

CALLED = "called"
"""The event from outside that a rulebook's clocks may count from: a call on a grant that was answered."""
CLOCKS, NOTED = "clocks", "noted"
"""What a unit of work keeps of cases."""
MOST_KEPT = 8
WARNED, PASSED = "warned", "passed"
"""What the sweep has told of a clock: that it falls due soon, that an allowance is over."""

Dues = set[tuple[str, datetime]]
Signals = set[tuple[str, datetime, str]]


def book_of(work: Work, case: Case) -> tuple[Rulebook, Workflow]:
    """Return the rulebook version that the case was opened under, and its workflow there."""
    book: Rulebook = work.rulebooks.get(case.rulebook, case.rulebook_version)
    return book, book.workflow(case.workflow)


def clocks(work: Work, case: Case) -> tuple[ClockState, ...]:
    """Return every clock of the case that has started, as it stands at `work.now`.

    One step asks for them many times over, so those of the cases last asked about are kept.
    """
    latest: dict[int, tuple[Case, datetime, tuple[ClockState, ...]]] = work.known.setdefault(CLOCKS, {})
    kept = latest.get(id(case))
    if kept is not None and kept[1] == work.now:
        return kept[2]
    book, _ = book_of(work, case)
    events = events_of(work, case)
    found = clock_states(book, case.workflow, case.facts, events, work.rulebooks.calendar, work.now)
    if len(latest) >= MOST_KEPT:
        del latest[next(iter(latest))]
    latest[id(case)] = (case, work.now, found)  # the case itself, so that its id stays its own
    return found


def events_of(work: Work, case: Case) -> list[Recorded]:
    """Return what clocks start and stop on, in the order of time: own events and those from outside.

    A grant's last successful call is such an event, as far as its rulebook has a clock that asks for it
    (GZ art. 5(二)); the calls themselves are on record in the audit log.
    """
    own = recorded_events(case)
    book, _ = book_of(work, case)
    asked = any(CALLED in r.starts for r in book.clocks if r.workflow == case.workflow)
    last = work.last_call(work.tx, str(case.facts.get("grant"))) if asked else None
    if last is None or last > work.now:
        return own
    return sorted([*own, Recorded(CALLED, last, {})], key=lambda e: e.at)


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


def noted(work: Work, case: Case) -> tuple[Dues, Signals]:
    """Return the breaches on record and the signals told; whoever notes another one adds it to the set.

    What was noted within a savepoint is not believed outside of it: it may have been taken back.
    """
    place = (case.id, work.tx, work.tx.get_nested_transaction())
    kept = work.known.get(NOTED)
    if kept is None or kept[0] != place:
        kept = place, store.recorded_breaches(work.tx, case.id), store.signals(work.tx, case.id)
        work.known[NOTED] = kept
    return kept[1], kept[2]


def watch_at(work: Work, case: Case, *, new: bool = False) -> datetime | None:
    """Return the next instant at which the sweep has something to record or to tell about this case.

    Of a `new` one nothing is recorded yet.
    """
    if case.closed_at is not None:
        return None
    breached, signalled = (set(), set()) if new else noted(work, case)
    instants = [case.lapses_at] if case.lapses_at else []
    for clock in clocks(work, case):
        if clock.running and clock.due is not None:
            instants += _instants(work, case, clock, breached, signalled)
    return min(instants, default=None)


def _instants(
    work: Work, case: Case, clock: ClockState, breached: Dues, signalled: Signals
) -> Iterator[datetime]:
    """Yield when a running clock is to be warned of and when it is over, as far as neither is noted yet."""
    due = clock.due
    if due is None:
        return
    warn = warn_at(work, case, clock)
    if warn is not None and not clock.passed and (clock.name, due, WARNED) not in signalled:
        yield warn
    if clock.obliges and (clock.name, due) not in breached:
        yield past_from(due)
    if speaks_when_over(clock) and (clock.name, due, PASSED) not in signalled:
        yield past_from(due)


def speaks_when_over(clock: ClockState) -> bool:
    """Tell whether an allowance that is over is to be told of, or has something opened."""
    opens = clock.on_breach is not None and clock.on_breach.opens is not None
    return not clock.obliges and (bool(clock.tells) or opens)


def warn_at(work: Work, case: Case, clock: ClockState) -> datetime | None:
    """Return when to remind people: as the clock says, else, of a duty, as the book does; None for never."""
    if clock.due is None:
        return None
    book, _ = book_of(work, case)
    lead = book.policies.get("notices.remind_before")
    warn = clock.warn_at
    if warn is None and clock.obliges and lead is not None and lead.value is not None:
        warn = before(clock.due, Duration.parse(lead.value), work.rulebooks.calendar)
    return warn if warn is not None and warn > clock.started_at else None
