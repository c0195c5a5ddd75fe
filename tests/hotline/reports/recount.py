"""Counts anew from the raw events what reports say, in the plainest way and without any of their tables."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cases.model import Case
from core.periods import Period
from rules.clocks import ClockState, Recorded, clock_states, is_past

GIVES = {"dispatch", "redispatch", "redo", "order_redo"}
"""What the books of the tests call the steps that give a ticket to a unit."""


@dataclass
class Round:
    """What happened between two such steps."""

    unit: str
    at: datetime
    over: datetime | None
    sign: ClockState | None
    handle: ClockState | None
    sign_late: datetime | None
    handle_late: datetime | None
    """The due instants that were missed."""
    handled: datetime | None


def rounds(case: Case, book: Any, calendar: Any) -> list[Round]:
    """Split a ticket's history where a unit got it, and look at its clocks after each event of each part."""
    events = case.events
    starts = [i for i, e in enumerate(events) if e.action in GIVES]
    found: list[Round] = []
    for n, start in enumerate(starts):
        end = starts[n + 1] if n + 1 < len(starts) else len(events)
        over = events[end].at if end < len(events) else case.closed_at
        named = events[start].fields.get("unit")
        made = Round(named or found[-1].unit, events[start].at, over, None, None, None, None, None)
        for i in range(start, end):
            names = [Recorded(name, e.at, e.fields) for e in events[: i + 1] for name in e.names]
            states = clock_states(book, "ticket", case.facts, names, calendar, events[i].at)
            clocks = {c.name: c for c in states}
            following = events[i + 1].at if i + 1 < len(events) else case.closed_at
            look(made, clocks, following)
        made.handled = next((e.at for e in events[start:end] if "fed_back" in e.names), None)
        found.append(made)
    return found


def look(made: Round, clocks: dict[str, ClockState], following: datetime | None) -> None:
    """Take in how the clocks stood after one event, and whether they were missed before the next."""
    made.sign, made.handle = clocks.get("sign_in"), clocks.get("handle")
    for name in ("sign", "handle"):
        state = getattr(made, name)
        missed = state is not None and state.running and following and is_past(state.due, following)
        if missed and getattr(made, f"{name}_late") is None:
            setattr(made, f"{name}_late", state.due)


def counted(
    cases: Sequence[Any], found: dict[str, list[Round]], period: Period, now: datetime
) -> dict[str, dict[str, int]]:
    """Count by unit: what was dispatched and signed in, what fell due and was handled in time."""
    total: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for parts in found.values():
        for part in parts:
            count_signing(total[part.unit], part, period, now)
            count_handling(total[part.unit], part, period, now)
    return {unit: {k: v for k, v in sorted(counts.items()) if v} for unit, counts in total.items()}


def count_signing(total: dict[str, int], part: Round, period: Period, now: datetime) -> None:
    if not period.start_at <= part.at < period.end_at or part.sign is None:
        return
    due = part.sign_late or part.sign.due
    stopped = part.sign.stopped_at if part.sign.stopped_at != part.over else None
    if stopped is None and part.over is not None and not is_past(due, part.over):
        return
    total["dispatched"] += 1
    total["signed_in_time"] += stopped is not None and not is_past(due, stopped)
    total["sign_ahead"] += stopped is None and not is_past(due, now)


def count_handling(total: dict[str, int], part: Round, period: Period, now: datetime) -> None:
    if part.handle is None or part.handle.due is None:
        return
    due = part.handle_late or part.handle.due
    ended = part.handle.stopped_at or part.over
    handled = part.handled is not None and ended == part.handled
    if ended is not None and not handled and not is_past(due, ended):
        return
    within = period.start_at <= due < period.end_at
    total["due"] += within and is_past(due, now)
    total["closed_in_time"] += within and is_past(due, now) and handled and not is_past(due, part.handled)
    total["due_ahead"] += within and not is_past(due, now)
