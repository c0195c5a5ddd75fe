"""Clocks: limits that start and stop on the events of a case, computed anew from those events every time.

Nothing ticks and nothing is stored but the events, so a clock cannot drift from what happened. The day of
the start is day 0 and a limit in days ends with its last day (Civil Code art. 201, 203); a breach is true
from the first second after the due instant, whether anybody looks or not.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from core.errors import Conflict, invalid
from core.text import Text
from core.times import local_iso
from rules.citation import Citation
from rules.durations import before
from rules.limits import ClockRule, Duty, Recorded
from rules.routing import matches
from rules.runs import Run, latest_runs, wanted
from rules.workdays import Calendar

if TYPE_CHECKING:
    from rules.rulebook import Rulebook

__all__ = [
    "ClockState",
    "Recorded",
    "clock_states",
    "extended_due",
    "is_past",
    "next_due",
    "past_from",
    "run_clocks",
]


@dataclass(frozen=True, slots=True)
class ClockState:
    """A clock that has started: until when, whether it stopped, whether it was or is late."""

    name: str
    title: Text
    started_by: str
    """The event that started it, by its key in the book."""
    started_at: datetime
    due: datetime | None
    provisional: bool
    stopped_at: datetime | None
    breached: bool
    """Whether a duty was or is late."""
    passed: bool
    """Whether the due instant was or is passed, duty or not: an idle grant may then be taken back."""
    cite: Citation
    original_due: datetime | None
    extendable_to: datetime | None
    """The furthest that the regulation lets it be extended, None where it may not be or names no bound."""
    warn_at: datetime | None
    on_breach: Duty | None
    obliges: bool
    tells: tuple[str, ...]

    @property
    def running(self) -> bool:
        """Whether nothing has stopped it yet."""
        return self.stopped_at is None


def clock_states(
    book: Rulebook,
    workflow: str | None,
    facts: Mapping[str, Any],
    events: Sequence[Recorded],
    calendar: Calendar,
    now: datetime,
) -> tuple[ClockState, ...]:
    """Return the clocks of a case that have started, in the book's order; of each its latest run.

    `events` stand in the order in which they were recorded. A clock that restarts shows only its last run.
    """
    rules = [r for r in book.clocks if r.workflow == workflow]
    return run_clocks(rules, facts, events, calendar, now)


def run_clocks(
    rules: Iterable[ClockRule],
    facts: Mapping[str, Any],
    events: Sequence[Recorded],
    calendar: Calendar,
    now: datetime,
) -> tuple[ClockState, ...]:
    """Return the states of those `rules` whose conditions hold and whose start has been recorded."""
    applicable = [rule for rule in rules if matches(rule.when, facts)]
    runs = latest_runs(applicable, facts, events, calendar)
    return tuple(_state(runs[rule.name], calendar, now) for rule in applicable if rule.name in runs)


def next_due(states: Iterable[ClockState]) -> ClockState | None:
    """Return the running duty that falls due first, None when none does."""
    running = [(s.due, s) for s in states if s.running and s.obliges and s.due is not None]
    return min(running, key=itemgetter(0), default=(None, None))[1]


def extended_due(
    book: Rulebook,
    workflow: str,
    facts: Mapping[str, Any],
    events: Sequence[Recorded],
    calendar: Calendar,
    now: datetime,
    clock: str,
    fields: Mapping[str, Any],
) -> datetime:
    """Return what an extension recorded `now` would make the due instant of `clock`.

    `fields` may carry ``by`` (a duration) or ``to`` (an instant); without either the regulation's own step is
    meant. Raises Conflict when the clock does not run or may not be extended (any more), Invalid when more is
    asked for than the regulation allows.
    """
    rule = next(
        (r for r in book.clocks if (r.workflow, r.name) == (workflow, clock) and matches(r.when, facts)), None
    )
    if rule is None or rule.extension is None:
        raise Conflict(f"规则没有规定“{clock}”可以延期", f"the rulebook allows no extension of {clock}")
    was = _named(clock_states(book, workflow, facts, events, calendar, now), clock)
    if was is None or not was.running or was.due is None:
        raise Conflict(f"“{rule.title.zh}”不在计时中", f"the clock {clock} does not run")
    try:
        asked_for = wanted(fields, was.due, calendar)
    except ValueError:
        raise invalid("/by", "延长的期限写法不对", "is not a length of time", code="format") from None
    asked = Recorded(rule.extension.event, now, {**fields, "clock": clock})
    due = _named(clock_states(book, workflow, facts, [*events, asked], calendar, now), clock)
    cite = str(rule.extension.cite)
    if due is None or due.due is None or due.due <= was.due:
        raise Conflict("已经没有可以延长的余地", "no further extension is allowed", cite=cite)
    if asked_for is not None and due.due < asked_for:
        limit = local_iso(due.due)
        raise invalid(
            "/by", f"最多可延长至 {limit}", f"can be extended to {limit} at most", code="range", cite=cite
        )
    return due.due


def is_past(due: datetime | None, instant: datetime) -> bool:
    """Tell whether `instant` lies after the second of `due`: a day lasts through 23:59:59.999."""
    return due is not None and instant >= past_from(due)


def past_from(due: datetime) -> datetime:
    """Return the first instant that lies after the second of `due`."""
    return due.replace(microsecond=0) + timedelta(seconds=1)


def _state(run: Run, calendar: Calendar, now: datetime) -> ClockState:
    rule = run.rule
    passed = is_past(run.due, run.stop or now)
    return ClockState(
        rule.name,
        rule.title,
        run.started_by,
        run.start,
        run.due,
        run.provisional,
        run.stop,
        passed and rule.obliges,
        passed,
        rule.cite,
        run.original,
        run.furthest,
        before(run.due, rule.warn, calendar) if run.due and rule.warn else None,
        rule.on_breach,
        rule.obliges,
        rule.tells,
    )


def _named(states: Iterable[ClockState], name: str) -> ClockState | None:
    return next((s for s in states if s.name == name), None)
