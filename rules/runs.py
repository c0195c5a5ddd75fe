"""One run of a clock: from the event that started it to the instant at which it falls due."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from core.times import SHANGHAI, parse_instant
from rules.durations import Duration, after, before, is_provisional
from rules.limits import ClockRule, Extension, Recorded, Setting
from rules.workdays import DAY, Calendar


@dataclass(frozen=True, slots=True)
class Run:
    """The latest run of a clock."""

    rule: ClockRule
    started_by: str
    """The event that started it."""
    start: datetime
    stop: datetime | None
    original: datetime | None
    """The due instant before any extension."""
    due: datetime | None
    furthest: datetime | None
    """The furthest due instant that extensions may lead to, None where the rule names no bound."""
    provisional: bool


def latest_runs(
    rules: Sequence[ClockRule], facts: Mapping[str, Any], events: Sequence[Recorded], calendar: Calendar
) -> dict[str, Run]:
    """Return the latest run of every rule that has started, by name, within the bounds that others set it.

    The rules apply all at once, so no two of them share a name.
    """
    found = [_forward(rule, facts, events, calendar) for rule in rules if rule.before_due is None]
    runs = {run.rule.name: run for run in found if run is not None}
    runs |= {name: _bounded_by(run, runs) for name, run in runs.items()}
    for rule in rules:
        other = runs.get(rule.before_due) if rule.before_due is not None else None
        if other is not None and other.due is not None and rule.lasts is not None:
            runs[rule.name] = _ahead_of(rule, rule.lasts, other, other.due, events, calendar)
    return runs


def set_length(rule: ClockRule, fields: Mapping[str, Any], facts: Mapping[str, Any]) -> Duration | None:
    """Return the length that somebody set for this clock, None when nobody did."""
    if rule.setting is None:
        return None
    number = fields.get(rule.setting.field, facts.get(rule.setting.field))
    return None if number is None else Duration(int(number), rule.setting.unit)


def length_by_fact(rule: ClockRule, facts: Mapping[str, Any]) -> Duration | None:
    """Return the length that a fact of the case stands for, None where it stands for none."""
    if rule.by_fact is None:
        return None
    return rule.by_fact.lasts.get(str(facts.get(rule.by_fact.fact)))


def wanted(fields: Mapping[str, Any], due: datetime, calendar: Calendar) -> datetime | None:
    """Return the due instant that an extension asks for, None when it leaves the step to the rule.

    A bare number in ``by`` is one of working days. Raises ValueError.
    """
    to, by = fields.get("to"), fields.get("by")
    if to is not None:
        return _instant(to)
    if by is not None:
        return after(due, Duration(by, "wd") if isinstance(by, int) else Duration.parse(by), calendar)
    return None


def _forward(
    rule: ClockRule, facts: Mapping[str, Any], events: Sequence[Recorded], calendar: Calendar
) -> Run | None:
    started, stopped = _last(rule, events)
    if started is None or (rule.on_days_off and not _meets_days_off(started.at, calendar)):
        return None
    stop = stopped.at if stopped else None
    if rule.before_event is not None:
        return _ahead_of_event(rule, started, stop, calendar)
    started = _counted_from(rule, started)
    due, provisional = _first_due(rule, started, facts, calendar)
    run = Run(rule, started.name, started.at, stop, due, due, None, provisional)
    if rule.extension is None or due is None:
        return run
    since = [e for e in events if e.at >= started.at and (stop is None or e.at <= stop)]
    return _extended(run, rule.extension, due, since, calendar)


def _meets_days_off(start: datetime, calendar: Calendar) -> bool:
    """Tell whether `start` lies on a day off or on the eve of one."""
    day = start.astimezone(SHANGHAI).date()
    return not (calendar.is_workday(day) and calendar.is_workday(day + DAY))


def _last(rule: ClockRule, events: Sequence[Recorded]) -> tuple[Recorded | None, Recorded | None]:
    """Return the start and the stop of the latest run."""
    start: Recorded | None = None
    stop: Recorded | None = None
    for event in events:
        if event.name in rule.starts and (start is None or stop is not None or rule.restarts):
            start, stop = event, None
        elif event.name in rule.stops and start is not None and stop is None:
            stop = event
    return start, stop


def _counted_from(rule: ClockRule, started: Recorded) -> Recorded:
    """Return the start as of the instant that it tells of, where it tells of an earlier one."""
    said = started.fields.get(rule.counts_from) if rule.counts_from is not None else None
    return replace(started, at=min(_instant(said), started.at)) if said is not None else started


def _first_due(
    rule: ClockRule, started: Recorded, facts: Mapping[str, Any], calendar: Calendar
) -> tuple[datetime | None, bool]:
    """Return the due instant before any extension, and whether it is provisional."""
    if rule.due_at is not None:
        named = started.fields.get(rule.due_at, facts.get(rule.due_at))
        return (_instant(named) if named is not None else None), False
    length = set_length(rule, started.fields, facts) or length_by_fact(rule, facts) or rule.lasts
    if length is None:
        return None, False
    due = after(started.at, length, calendar)
    if due is not None and rule.setting is not None:
        due = _within(due, rule.setting, started.at, calendar)
    return due, is_provisional(started.at, due, length, calendar)


def _within(due: datetime, setting: Setting, start: datetime, calendar: Calendar) -> datetime:
    least = after(start, setting.min, calendar) if setting.min else None
    most = after(start, setting.max, calendar) if setting.max else None
    due = max(due, least) if least else due
    return min(due, most) if most else due


def _extended(
    run: Run, extension: Extension, original: datetime, events: Sequence[Recorded], calendar: Calendar
) -> Run:
    """Return the run with the extensions among `events`, never beyond what the regulation allows."""
    name = run.rule.name
    mine = [e for e in events if e.name == extension.event and e.fields.get("clock", name) == name]
    limit = _limit(extension, run.start, original, calendar)
    due = original
    for event in mine[: extension.count]:
        step = after(due, extension.each, calendar) if extension.each else None
        step = None if _goes_beyond(extension, event) else step
        due = max(due, _earliest((wanted(event.fields, due, calendar), step, limit)) or due)
    shaky = due != original and calendar.is_provisional_between(original, due)
    furthest = _furthest(extension, original, limit, calendar)
    return replace(run, due=due, furthest=furthest, provisional=run.provisional or shaky)


def _goes_beyond(extension: Extension, event: Recorded) -> bool:
    """Tell whether a reason was given for a longer extension, and how long it is."""
    reason = event.fields.get(extension.beyond) if extension.beyond is not None else None
    return bool(reason) and not {"by", "to"}.isdisjoint(event.fields)


def _limit(extension: Extension, start: datetime, original: datetime, calendar: Calendar) -> datetime | None:
    """Return the instant that no number of extensions may pass."""
    to = after(start, extension.to, calendar) if extension.to else None
    total = after(original, extension.total, calendar) if extension.total else None
    return _earliest((to, total))


def _furthest(
    extension: Extension, original: datetime, limit: datetime | None, calendar: Calendar
) -> datetime | None:
    """Return the due instant after every extension that is allowed, None where there is no bound."""
    if extension.each is None or extension.count is None:
        return limit
    due: datetime | None = original
    for _ in range(extension.count):
        due = after(due, extension.each, calendar) if due else None
    return _earliest((due, limit))


def _ahead_of_event(rule: ClockRule, event: Recorded, stop: datetime | None, calendar: Calendar) -> Run:
    """Count backwards from the instant that an event announces in its field of the same name, or is at."""
    end = _instant(event.fields.get(event.name, event.at))
    due = before(end, rule.lasts, calendar) if rule.lasts else None
    provisional = bool(rule.lasts and due and is_provisional(due, end, rule.lasts, calendar))
    return Run(rule, event.name, event.at, stop, due, due, None, provisional)


def _ahead_of(
    rule: ClockRule,
    lead: Duration,
    other: Run,
    end: datetime,
    events: Sequence[Recorded],
    calendar: Calendar,
) -> Run:
    """Count backwards from the due instant of another clock, and stop with it at the latest."""
    due = before(end, lead, calendar)
    stops = [e.at for e in events if e.name in rule.stops and e.at >= other.start]
    stop = _earliest((*stops, other.stop))
    return Run(rule, other.started_by, other.start, stop, due, due, None, other.provisional)


def _bounded_by(run: Run, runs: Mapping[str, Run]) -> Run:
    """Return the run due no later than the clocks that its rule names."""
    others = [runs[name] for name in run.rule.not_after if name in runs]
    for other in others:
        if other.due is not None and (run.due is None or other.due < run.due):
            run = replace(run, due=other.due, provisional=other.provisional)
    return run


def _earliest(instants: Iterable[datetime | None]) -> datetime | None:
    return min((t for t in instants if t is not None), default=None)


def _instant(value: Any) -> datetime:
    return value if isinstance(value, datetime) else parse_instant(str(value))
