"""What clocks say that is to be noted once: reminders, breaches, allowances that are over."""

from __future__ import annotations

from datetime import datetime

from audit.log import record
from cases import store
from cases.model import Case
from cases.standing import facts_now
from cases.telling import tell_of_clock
from cases.timing import PASSED, WARNED, Signals, book_of, clocks, noted, speaks_when_over, warn_at
from cases.turns import stopping
from core.work import SYSTEM, Work
from rules.clocks import ClockState


def note_clocks(work: Work, case: Case) -> None:
    """Remind of what falls due soon, put breaches on record, tell of allowances that are over: each once.

    The sweep does so when it passes, and whoever acts on a case does so first: a step that comes late stops
    its clock, and the breach is on record all the same.
    """
    breached, signalled = noted(work, case)
    for clock in clocks(work, case):
        if not clock.running or clock.due is None:
            continue
        if clock.obliges and clock.breached and (clock.name, clock.due) not in breached:
            breached.add((clock.name, clock.due))
            _breach(work, case, clock, clock.due)
        warn = warn_at(work, case, clock)
        if warn is not None and warn <= work.now and not clock.passed:
            _signal(work, case, clock, WARNED, signalled)
        if not clock.obliges and clock.passed:
            _run_out(work, case, clock, signalled)


def _run_out(work: Work, case: Case, clock: ClockState, known: Signals) -> None:
    """Tell that an allowance is over, and open what the book wants opened then, as a draft for a person."""
    if not speaks_when_over(clock) or not _signal(work, case, clock, PASSED, known):
        return
    if clock.on_breach is not None and clock.on_breach.opens is not None and clock.due is not None:
        said = {"clock": clock.name, "due": clock.due.isoformat()}
        work.follow_up(work.acting_as(SYSTEM), clock.on_breach.opens, case, said)


def _signal(work: Work, case: Case, clock: ClockState, signal: str, known: Signals) -> bool:
    """Tell of a clock unless that is done; return whether it was told now."""
    if clock.due is None or (clock.name, clock.due, signal) in known:
        return False
    known.add((clock.name, clock.due, signal))
    store.insert_signal(work.tx, case.id, clock.name, clock.due, signal, work.now)
    tell_of_clock(work, case, clock, signal, {*clock.tells, *_stoppers(work, case, clock)})
    return True


def _breach(work: Work, case: Case, clock: ClockState, due: datetime) -> None:
    own = work.acting_as(SYSTEM)
    record_id = record(own, "clock.breached", _breach_body(case, clock))
    store.insert_breach(work.tx, case.id, clock.name, due, work.now, record_id)
    tell_of_clock(work, case, clock, "breached", {*clock.tells, *_stoppers(work, case, clock)})
    if clock.on_breach is not None and clock.on_breach.opens is not None:
        said = {"clock": clock.name, "due": due.isoformat(), "breach_record": record_id}
        work.follow_up(own, clock.on_breach.opens, case, said)


def _stoppers(work: Work, case: Case, clock: ClockState) -> set[str]:
    """Return the roles that could have stopped the clock from where the case stands."""
    book, flow = book_of(work, case)
    stops = stopping(book, case.workflow, {clock.name})
    steps = flow.leaving(case.state, facts_now(work, case))
    return {r for t in steps if t.does != "aside" and stops & set(t.emits) for r in t.roles} - {"system"}


def _breach_body(case: Case, clock: ClockState) -> dict[str, object]:
    return {
        "case": case.id,
        "case_kind": case.kind,
        "action": "breach",
        "clock": clock.name,
        "due": clock.due.isoformat() if clock.due else None,
        "provisional": clock.provisional,
        "cite": str(clock.cite),
    }
