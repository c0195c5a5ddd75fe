"""How a case looks to one viewer: state, what they may do now, and every clock with its article."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cases.model import Case, Event, in_role, roles_in
from cases.procedure import is_barred
from cases.sealed import fields_seen
from cases.standing import facts_before, facts_now
from cases.timing import book_of, clocks
from core.text import Text
from core.times import local_iso
from core.work import Work
from rules.clocks import ClockState
from rules.routing import excluded
from rules.values import FieldRule
from rules.workflow import Transition, Workflow


def label(text: Text) -> dict[str, str]:
    """Return a label as JSON: ``{"zh":, "en":}``."""
    return {"zh": text.zh, "en": text.en}


def department_view(work: Work, id: str) -> dict[str, str]:
    """Return a department as JSON: its id and name, or its id again when there is no such"""
    known = work.settings.departments.get(id)
    return {"id": id, **label(known.name if known is not None else Text(id, id))}


def parties_view(work: Work, case: Case) -> dict[str, list[dict[str, str]]]:
    """Return who takes part in a case, by role."""
    return {role: [department_view(work, d) for d in in_role(case.parties, role)] for role in case.parties}


def state_now(work: Work, case: Case, flow: Workflow) -> str:
    """Return the state at `work.now`: a timer that has run out counts whether or not anybody noticed."""
    if case.lapses_at is not None and case.lapses_at <= work.now:
        transition = flow.lapse(case.state, case.facts)
        if transition is not None:
            return transition.target
    return case.state


def case_view(work: Work, case: Case) -> dict[str, Any]:
    """Return the part of an object's JSON that every workflow shares, for the actor of `work`.

    `actions` names what the actor may do now and `forms` says what each of them asks for: the API and the
    console's buttons both come from here, so no button exists that the API would refuse.
    """
    book, flow = book_of(work, case)
    offered = _offered(work, case, flow)
    return {
        **_row(work, case, offered),
        "forms": {t.action: _form(t, book.fields) for t in offered},
        "history": [_step(work, case, e) for e in case.events],
    }


def case_row(work: Work, case: Case) -> dict[str, Any]:
    """Return what a list shows of a case: where it stands, what the actor may do, and its clocks."""
    return _row(work, case, _offered(work, case, book_of(work, case)[1]))


def _row(work: Work, case: Case, offered: Sequence[Transition]) -> dict[str, Any]:
    book, flow = book_of(work, case)
    state = state_now(work, case, flow)
    return {
        "state": state,
        "state_title": label(flow.states[state].title),
        "version": case.version,
        "actions": [t.action for t in offered],
        "clocks": [clock_view(c, book.events) for c in clocks(work, case)],
        "rulebook": {"id": case.rulebook, "version": case.rulebook_version},
    }


def _offered(work: Work, case: Case, flow: Workflow) -> Sequence[Transition]:
    roles = roles_in(case, work.actor)
    steps = flow.actions(state_now(work, case, flow), roles, facts_now(work, case))
    return [t for t in steps if not is_barred(work, case, t)]


def clock_view(clock: ClockState, events: Mapping[str, Text]) -> dict[str, Any]:
    """Return one clock as JSON: what started it, when it falls due, by which article, provisional or not.

    `events` are the titles of the book's events.
    """
    return {
        "name": clock.name,
        "title": label(clock.title),
        "started_by": {"name": clock.started_by, "title": label(events[clock.started_by])},
        "started_at": local_iso(clock.started_at),
        "due": local_iso(clock.due) if clock.due else None,
        "provisional": clock.provisional,
        "stopped_at": local_iso(clock.stopped_at) if clock.stopped_at else None,
        "breached": clock.breached,
        "passed": clock.passed,
        "obliges": clock.obliges,
        "cite": clock.cite.as_json(),
    }


def _form(transition: Transition, fields: Mapping[str, FieldRule]) -> dict[str, Any]:
    return {
        "title": label(transition.title),
        "fields": [
            {
                **field_view(fields[name], _forbidden(transition, name)),
                "required": name in transition.requires,
            }
            for name in (*transition.requires, *transition.accepts)
        ],
        "confirms": label(transition.confirms) if transition.confirms else None,
        "cite": transition.cite.as_json(),
    }


def _forbidden(transition: Transition, name: str) -> Sequence[str]:
    return [value for one in transition.forbids.get(name, ()) for value in one.values]


def field_view(rule: FieldRule, forbidden: Sequence[str] = ()) -> dict[str, Any]:
    """Return a field as JSON, without the choices that a step forbids."""
    return {
        "name": rule.name,
        "title": label(rule.title),
        "type": rule.type,
        "choices": {v: label(title) for v, title in rule.choices.items() if v not in forbidden},
        "max": rule.max,
    }


def _step(work: Work, case: Case, event: Event) -> dict[str, Any]:
    return {
        "action": event.action,
        "title": label(step_title(work, case, event)),
        "at": local_iso(event.at),
        "state": event.to_state,
        "by": event.actor_department,
        "role": event.role,
        "fields": fields_seen(work, case, event.fields),
        "record": event.record_id,
    }


def step_title(work: Work, case: Case, event: Event) -> Text:
    """Return what a step is called: of several transitions of one action, the one that it was."""
    book, flow = book_of(work, case)
    named = [t for t in flow.transitions if t.action == event.action]
    moved = [t for t in named if event.from_state in t.sources and t.target == event.to_state]
    taken = [t for t in moved if t.emits == event.names and _fits(t, event)]
    if len({t.title for t in taken}) > 1:
        facts = facts_before(book, flow, case, event)
        taken.sort(key=lambda t: excluded(t.when, facts))
    opened = flow.opens_by.title if flow.opens_by else Text("建立", "Open")
    return next((t.title for t in (*taken, *moved, *named)), opened)


def _fits(transition: Transition, event: Event) -> bool:
    """Tell whether what was said with a step is what the transition asks for."""
    return event.fields.keys() >= set(transition.requires)
