"""Clocks: limits that start and stop on the events of a case, computed anew from those events every time.

Nothing ticks and nothing is stored but the events, so a clock cannot drift from what happened. The day of
the start is day 0 and a limit in days ends with its last day (Civil Code art. 201, 203); a breach is true from
the first second after the due instant, whether anybody looks or not.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from core.errors import Conflict, invalid
from core.text import Text
from core.times import local_iso, parse_instant
from rules.citation import Citation
from rules.durations import Duration, after, before, is_provisional
from rules.routing import matches
from rules.workdays import Calendar

if TYPE_CHECKING:
    from rules.rulebook import Rulebook


@dataclass(frozen=True, slots=True)
class Recorded:
    """One event of a case: its name, when the platform recorded it, and what was said with it."""

    name: str
    at: datetime
    fields: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Setting:
    """A limit that a person sets within bounds, in a field of the start event or in a fact of the case."""

    field: str
    unit: str
    """Unit of a bare number."""
    min: Duration | None
    max: Duration | None
    by: tuple[str, ...]
    """Roles that may set it."""


@dataclass(frozen=True, slots=True)
class Extension:
    """How far a limit may be extended, and who says so.

    `each` counts from the due instant that stands, `total` from the original one, `to` from the start.
    """

    event: str
    each: Duration | None
    count: int | None
    total: Duration | None
    to: Duration | None
    roles: tuple[str, ...]
    requires: tuple[str, ...]
    cite: Citation


@dataclass(frozen=True, slots=True)
class Duty:
    """What a breach obliges somebody to do."""

    title: Text
    cite: Citation


@dataclass(frozen=True, slots=True)
class ClockRule:
    """A limit as the regulation sets it. Several rules may share a name; `when` tells them apart."""

    name: str
    title: Text
    workflow: str | None
    """None for a limit that belongs to no case, such as the notice before maintenance."""
    when: Mapping[str, Any]
    starts: tuple[str, ...]
    stops: tuple[str, ...]
    restarts: bool
    """Whether a start event begins the limit anew while it still runs (a new dispatch does)."""
    before_event: str | None
    """Counts backwards from this event, which lies ahead."""
    before_due: str | None
    """Counts backwards from the due instant of another clock."""
    lasts: Duration | None
    """None where the text gives no number ("promptly"): the age is shown and nothing is ever breached."""
    setting: Setting | None
    not_after: tuple[str, ...]
    """Clocks whose due instant this one may not pass."""
    extension: Extension | None
    warn: Duration | None
    """How long before the due instant to warn, counted backwards."""
    on_breach: Duty | None
    cite: Citation


@dataclass(frozen=True, slots=True)
class ClockState:
    """A clock that has started: until when, whether it stopped, whether it was or is late."""

    name: str
    title: Text
    started_at: datetime
    due: datetime | None
    provisional: bool
    stopped_at: datetime | None
    breached: bool
    cite: Citation
    original_due: datetime | None
    extendable_to: datetime | None
    """The furthest that the regulation lets it be extended, None where it may not be or names no bound."""
    warn_at: datetime | None
    on_breach: Duty | None

    @property
    def running(self) -> bool:
        """Whether nothing has stopped it yet."""
        return self.stopped_at is None

    def as_json(self) -> dict[str, Any]:
        """Return the clock as it appears in the ``clocks`` of an object; instants in Shanghai time."""
        return {
            "name": self.name,
            "title": self.title._asdict(),
            "started_at": local_iso(self.started_at),
            "due": _iso(self.due),
            "provisional": self.provisional,
            "stopped_at": _iso(self.stopped_at),
            "breached": self.breached,
            "warn_at": _iso(self.warn_at),
            "cite": self.cite.as_json(),
        }


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
    applicable = [r for r in rules if matches(r.when, facts)]
    runs: dict[str, _Run] = {}
    for rule in sorted(applicable, key=lambda r: r.before_due is not None):
        run = _run(rule, facts, events, runs, calendar)
        if run is not None:
            runs[rule.name] = run
    return tuple(_state(runs[r.name], runs, calendar, now) for r in applicable if _is_of(runs, r))


def next_due(states: Iterable[ClockState]) -> ClockState | None:
    """Return the running clock that falls due first, None when none does."""
    running = [(s.due, s) for s in states if s.running and s.due is not None]
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
    asked = Recorded(rule.extension.event, now, {**fields, "clock": clock})
    due = _named(clock_states(book, workflow, facts, [*events, asked], calendar, now), clock)
    if due is None or due.due is None or due.due <= was.due:
        raise Conflict(
            "已经没有可以延长的余地", "no further extension is allowed", cite=str(rule.extension.cite)
        )
    wanted = _wanted(fields, was.due, calendar)
    if wanted is not None and due.due < wanted:
        limit = local_iso(due.due)
        raise invalid(
            "/to" if "to" in fields else "/by",
            f"最多可延长至 {limit}",
            f"can be extended to {limit} at most",
            cite=str(rule.extension.cite),
        )
    return due.due


@dataclass(frozen=True, slots=True)
class _Run:
    """One run of a clock, before the bounds that other clocks set it are applied."""

    rule: ClockRule
    start: datetime
    stop: datetime | None
    original: datetime | None
    due: datetime | None
    furthest: datetime | None
    provisional: bool


def _is_of(runs: Mapping[str, _Run], rule: ClockRule) -> bool:
    return rule.name in runs and runs[rule.name].rule is rule


def _named(states: Iterable[ClockState], name: str) -> ClockState | None:
    return next((s for s in states if s.name == name), None)


def _run(
    rule: ClockRule,
    facts: Mapping[str, Any],
    events: Sequence[Recorded],
    others: Mapping[str, _Run],
    calendar: Calendar,
) -> _Run | None:
    if rule.before_due is not None:
        return _run_before(rule, others.get(rule.before_due), events, calendar)
    started, stopped = _last_run(rule, events)
    if started is None:
        return None
    stop = stopped.at if stopped else None
    if rule.before_event is not None:
        end = _planned(started)
        due = before(end, rule.lasts, calendar) if rule.lasts else None
        late = rule.lasts is not None and due is not None and is_provisional(due, end, rule.lasts, calendar)
        return _Run(rule, started.at, stop, due, due, None, late)
    original, shaky = _first_due(rule, started, facts, calendar)
    due = original
    furthest = None
    if rule.extension is not None and original is not None:
        since = [e for e in events if e.at >= started.at and (stop is None or e.at <= stop)]
        due = _extended(rule, rule.extension, started.at, original, since, calendar)
        furthest = _furthest(rule.extension, started.at, original, calendar)
        shaky = shaky or (due != original and calendar.is_provisional_between(original, due))
    return _Run(rule, started.at, stop, original, due, furthest, shaky)


def _run_before(
    rule: ClockRule, other: _Run | None, events: Sequence[Recorded], calendar: Calendar
) -> _Run | None:
    if other is None or other.due is None or rule.lasts is None:
        return None
    due = before(other.due, rule.lasts, calendar)
    stops = [e.at for e in events if e.name in rule.stops and e.at >= other.start]
    stop = min([*stops, *([other.stop] if other.stop else [])], default=None)
    return _Run(rule, other.start, stop, due, due, None, other.provisional)


def _last_run(rule: ClockRule, events: Sequence[Recorded]) -> tuple[Recorded | None, Recorded | None]:
    """Return the start and the stop of the latest run."""
    start: Recorded | None = None
    stop: Recorded | None = None
    for event in events:
        if event.name in rule.starts and (start is None or stop is not None or rule.restarts):
            start, stop = event, None
        elif event.name in rule.stops and start is not None and stop is None:
            stop = event
    return start, stop


def _planned(event: Recorded) -> datetime:
    """Return the instant that an event announces: its field of the same name, else when it was recorded."""
    return _instant(event.fields.get(event.name, event.at))


def _first_due(
    rule: ClockRule, started: Recorded, facts: Mapping[str, Any], calendar: Calendar
) -> tuple[datetime | None, bool]:
    """Return the due instant before any extension, and whether it is provisional."""
    length = set_length(rule, started.fields, facts) or rule.lasts
    if length is None:
        return None, False
    due = after(started.at, length, calendar)
    if due is not None and rule.setting is not None:
        due = _bounded(due, rule.setting, started.at, calendar)
    return due, is_provisional(started.at, due, length, calendar)


def set_length(rule: ClockRule, fields: Mapping[str, Any], facts: Mapping[str, Any]) -> Duration | None:
    """Return the length that somebody set for this clock, None when nobody did. Raises ValueError."""
    if rule.setting is None:
        return None
    value = fields.get(rule.setting.field, facts.get(rule.setting.field))
    if value is None:
        return None
    return Duration(value, rule.setting.unit) if isinstance(value, int) else Duration.parse(str(value))


def _bounded(due: datetime, setting: Setting, start: datetime, calendar: Calendar) -> datetime:
    least = after(start, setting.min, calendar) if setting.min else None
    most = after(start, setting.max, calendar) if setting.max else None
    due = max(due, least) if least else due
    return min(due, most) if most else due


def _extended(
    rule: ClockRule,
    extension: Extension,
    start: datetime,
    original: datetime,
    events: Sequence[Recorded],
    calendar: Calendar,
) -> datetime:
    """Return the due instant after the extensions among `events`, never beyond what the regulation allows."""
    mine = [e for e in events if e.name == extension.event and e.fields.get("clock", rule.name) == rule.name]
    limit = _limit(extension, start, original, calendar)
    due = original
    for event in mine[: extension.count]:
        wanted = _wanted(event.fields, due, calendar)
        step = after(due, extension.each, calendar) if extension.each else None
        bounds = [t for t in (wanted, step, limit) if t is not None]
        due = max(due, min(bounds, default=due))
    return due


def _wanted(fields: Mapping[str, Any], due: datetime, calendar: Calendar) -> datetime | None:
    if fields.get("to") is not None:
        return _instant(fields["to"])
    return after(due, Duration.parse(str(fields["by"])), calendar) if fields.get("by") is not None else None


def _limit(extension: Extension, start: datetime, original: datetime, calendar: Calendar) -> datetime | None:
    """Return the instant that no number of extensions may pass."""
    bounds = [
        after(start, extension.to, calendar) if extension.to else None,
        after(original, extension.total, calendar) if extension.total else None,
    ]
    return min((b for b in bounds if b is not None), default=None)


def _furthest(
    extension: Extension, start: datetime, original: datetime, calendar: Calendar
) -> datetime | None:
    """Return the due instant after every extension that is allowed, None where there is no bound."""
    limit = _limit(extension, start, original, calendar)
    if extension.each is None or extension.count is None:
        return limit
    due: datetime | None = original
    for _ in range(extension.count):
        due = after(due, extension.each, calendar) if due else None
    return min((t for t in (due, limit) if t is not None), default=None)


def _state(run: _Run, runs: Mapping[str, _Run], calendar: Calendar, now: datetime) -> ClockState:
    rule, due, provisional = run.rule, run.due, run.provisional
    for name in rule.not_after:
        other = runs.get(name)
        if other is not None and other.due is not None and (due is None or other.due < due):
            due, provisional = other.due, other.provisional
    return ClockState(
        rule.name,
        rule.title,
        run.start,
        due,
        provisional,
        run.stop,
        is_past(due, run.stop or now),
        rule.cite,
        run.original,
        run.furthest,
        before(due, rule.warn, calendar) if due and rule.warn else None,
        rule.on_breach,
    )


def is_past(due: datetime | None, instant: datetime) -> bool:
    """Tell whether `instant` lies after the second of `due`: a day lasts through 23:59:59.999."""
    return due is not None and instant.replace(microsecond=0) > due


def _instant(value: Any) -> datetime:
    return value if isinstance(value, datetime) else parse_instant(str(value))


def _iso(instant: datetime | None) -> str | None:
    return local_iso(instant) if instant else None
