"""The turns of units at a ticket, worked out from its recorded events. Pure.

No action, state or event is known by name: a turn begins with a step that does `dispatch` or `redo`. A limit
is looked at as it stood at each event of the turn, so that what had passed before it was extended, before
the ticket was classified anew, or before it went to another unit, stays late.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cases.model import Case, Event, in_role
from hotline.reports.model import HANDLE, HANDLER, SIGN_IN, Turn
from rules.clocks import ClockState, Recorded, is_past, past_from, run_clocks
from rules.routing import first_match, missing_fact
from rules.rulebook import Rulebook
from rules.workdays import Calendar

BEGINS = ("dispatch", "redo")
"""What a step does that gives a ticket to a unit."""
STATUTORY, STATUTORY_DUE = "statutory", "statutory_due"
"""The fact that a statute sets the limit, and the field that says which."""
ANSWERED = frozenset({"answered", "held"})
"""The flags of states that a ticket comes to by being handled, and not by being set aside or taken away."""


@dataclass(frozen=True, slots=True)
class _Limit:
    """A clock in one turn."""

    late_at: datetime | None = None
    until: datetime | None = None
    """When it stopped; None where nothing stopped it in this turn."""


class Turns:
    """Works out the turns at the tickets that one version of a rulebook governs."""

    def __init__(self, book: Rulebook, workflow: str, calendar: Calendar) -> None:
        self._flow = book.workflow(workflow)
        rules = [rule for rule in book.clocks if rule.workflow == workflow]
        self._rules = {name: _needed(rules, name) for name in (SIGN_IN, HANDLE)}
        self._all = rules
        self._tables = book.tables
        self._calendar = calendar

    def of(self, case: Case) -> tuple[Turn, ...]:
        """Return the turns at a ticket in their order; none while nobody was asked to handle it."""
        begun = [i for i, event in enumerate(case.events) if self._does(event) in BEGINS]
        ends = [*begun[1:], len(case.events)][: len(begun)]
        turns: list[Turn] = []
        for start, end in zip(begun, ends, strict=True):
            unit = self._unit(case, case.events[start], turns[-1].unit if turns else None)
            turns.append(self._turn(case, start, end, unit))
        return tuple(turns)

    def _turn(self, case: Case, start: int, end: int, unit: str) -> Turn:
        first = case.events[start]
        over_at = case.events[end].at if end < len(case.events) else case.closed_at
        sign, handle = (self._limit(case, name, start, end, over_at) for name in (SIGN_IN, HANDLE))
        until = handle.until or over_at
        return Turn(
            case.id,
            first.seq,
            unit,
            first.at,
            over_at,
            sign.late_at,
            sign.until if sign.until != over_at else None,  # taken away: nobody signed in
            handle.late_at,
            until if handle.late_at else None,
            handle.until is not None and self._was_handled(case, handle.until),
        )

    def _unit(self, case: Case, event: Event, before: str | None) -> str:
        """Return whom a step gave the ticket to: named in it, else the one that had it, else the lead."""
        named = event.fields.get("unit")
        if isinstance(named, str):
            return named
        return before or next(iter(in_role(case.parties, HANDLER)), "")

    def _does(self, event: Event) -> str | None:
        """Return what the platform did along with a step, as the book has it."""
        return next(
            (
                t.does
                for t in self._flow.transitions
                if t.action == event.action and event.from_state in t.sources and t.target == event.to_state
            ),
            None,
        )

    def _was_handled(self, case: Case, at: datetime) -> bool:
        """Tell whether the step that stopped a limit at an instant brought the ticket to an answer."""
        states = self._flow.states
        reached = [states[e.to_state].flags for e in case.events if e.at == at and e.to_state in states]
        return any(flags & ANSWERED for flags in reached)

    # --- limits -----------------------------------------------------------------------------------

    def _limit(self, case: Case, name: str, start: int, end: int, over_at: datetime | None) -> _Limit:
        """Return a clock as the turn left it, late once it had been."""
        last: ClockState | None = None
        for at in self._looks(case, start, end):
            state = self._state(case, name, at, case.events[start].at)
            if state is None:
                continue
            last = state
            following = case.events[at + 1].at if at + 1 < len(case.events) else over_at
            if state.running and following is not None and is_past(state.due, following):
                break  # it passed before anything else happened: nothing makes up for that
        if last is None or last.due is None:
            return _Limit(None, last.stopped_at if last else None)
        final = self._state(case, name, end - 1, case.events[start].at)
        stopped = final.stopped_at if final else last.stopped_at
        return _Limit(past_from(last.due), stopped)

    def _looks(self, case: Case, start: int, end: int) -> Sequence[int]:
        """Return the events of a turn after which a due instant may differ, and its last one."""
        changing = {rule.extension.event for rule in self._all if rule.extension is not None}
        changed = [
            at
            for at in range(start + 1, end)
            if changing & set(case.events[at].names) or case.facts.keys() & case.events[at].fields.keys()
        ]
        before = {at - 1 for at in changed}
        return sorted({*before, *changed, end - 1})

    def _state(self, case: Case, name: str, at: int, begun: datetime) -> ClockState | None:
        """Return a clock as it stood right after an event; None where it had stopped before this turn."""
        events = case.events[: at + 1]
        recorded = [Recorded(name, event.at, event.fields) for event in events for name in event.names]
        facts = self._facts_after(case, at)
        found = run_clocks(self._rules[name], facts, recorded, self._calendar, events[-1].at)
        state = next((s for s in found if s.name == name), None)
        if state is None or (state.started_at < begun and not state.running and _at(state) <= begun):
            return None
        return state

    def _facts_after(self, case: Case, at: int) -> Mapping[str, Any]:
        """Return the facts as they were known after an event: what later steps say does not count yet.

        What a fact was before the first step that names it, the case no longer tells: its first word counts.
        Facts that tables derive are derived anew; a statutory limit holds until another handling begins.
        """
        said = {key: words for key in case.facts if (words := list(_said(case, key)))}
        if STATUTORY_DUE not in said and all(words[-1][0] <= at for words in said.values()):
            return case.facts
        first = {key: words[0][1] for key, words in said.items()}
        until = {key: value for key, words in said.items() for i, value in words if i <= at}
        known = {**case.facts, **first, **until}
        if STATUTORY_DUE in said:
            known[STATUTORY] = self._is_statutory(case, at, [i for i, _ in said[STATUTORY_DUE]])
        for name, rows in self._tables.items():
            matched = first_match(rows, known) if missing_fact(rows, known) is None else None
            if name in known and matched is not None:
                known[name] = matched.value
        return known

    def _is_statutory(self, case: Case, at: int, set_at: Sequence[int]) -> bool:
        latest = max((i for i in set_at if i <= at), default=None)
        return latest is not None and all(self._does(e) != "redo" for e in case.events[latest + 1 : at + 1])


def _at(state: ClockState) -> datetime:
    return state.stopped_at or state.started_at


def _needed(rules: Sequence[Any], name: str) -> list[Any]:
    """Return the rules of a clock, and those of the clocks that bound it."""
    names = {name}
    while (
        more := {
            other
            for rule in rules
            if rule.name in names
            for other in (*rule.not_after, *([rule.before_due] if rule.before_due else []))
        }
        - names
    ):
        names |= more
    return [rule for rule in rules if rule.name in names]


def _said(case: Case, key: str) -> Iterator[tuple[int, Any]]:
    for i, event in enumerate(case.events):
        if key in event.fields:
            yield i, event.fields[key]
