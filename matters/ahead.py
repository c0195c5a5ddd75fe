"""What opening a matter would set off: who takes part, who is told, and which limits begin to run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from core.errors import Conflict, Invalid, NotPermitted
from core.text import Text
from core.work import Work
from matters.model import Subject
from matters.opening import procedures, role_of_opener
from matters.parties import departments_of
from matters.subjects import WORDS, find_subject
from rules.citation import Citation
from rules.clocks import ClockState, Recorded, run_clocks
from rules.limits import ClockRule
from rules.rulebook import Rulebook
from rules.values import pointer_to, read_value
from rules.workflow import SYSTEM, Opening, Workflow

NAMES: Mapping[str, tuple[str, ...]] = {
    "dataset": ("dataset", "datasets"),
    "grant": ("grant",),
    "application": ("application",),
}
"""What is shown on a page, to the names under which an opening may be about it."""
KNOWN_BEFORE = ("seat", "opener")
"""Where the department of a party comes from that is known before anything is named."""


@dataclass(frozen=True, slots=True)
class Offered:
    """A procedure that the reader may open about something."""

    workflow: str
    title: Text
    cite: Citation
    named: Mapping[str, str]
    """What the form of its opening is filled in with."""


@dataclass(frozen=True, slots=True)
class Limit:
    """A limit that would begin to run."""

    title: Text
    due: datetime | None
    provisional: bool
    depends_on: Text | None
    """The field that says when it is due, as long as it is not filled in."""
    is_backwards: bool
    """Whether it counts back from what is announced: then `due` is the latest instant to announce it."""
    cite: Citation


@dataclass(frozen=True, slots=True)
class Ahead:
    """What opening a matter would set off."""

    told: tuple[tuple[str, tuple[str, ...]], ...]
    """Roles that are told of it, each with its departments as far as they are known by now."""
    limits: tuple[Limit, ...]
    objection: Text | None = None
    """Why nobody can open it at present."""


def openings_about(work: Work, kind: str, named: Mapping[str, str]) -> list[Offered]:
    """Return what the actor may open about something of a kind (`NAMES`), in the book's order.

    `named` is how openings would name it and what belongs to it, such as the dataset of a grant.
    """
    book: Rulebook = work.rulebooks.current("sharing")
    found = []
    for workflow, flow in procedures(book).items():
        opening = flow.opens_by
        if opening is None or work.actor.roles.isdisjoint(opening.roles):
            continue
        draft = _draft(opening, kind, named)
        if draft and _may_take_part(work, book, opening, draft):
            found.append(Offered(workflow, opening.title, opening.cite, draft))
    return found


def _draft(opening: Opening, kind: str, named: Mapping[str, str]) -> dict[str, str]:
    """Return what the form is filled in with; nothing when the opening is not about such a thing."""
    allowed = {*opening.about, *opening.about_optional}
    itself = next((name for name in NAMES[kind] if name in allowed and name in named), None)
    if itself is None:
        return {}
    return {**{n: named[n] for n in opening.about if n in named}, itself: named[itself]}


def _may_take_part(work: Work, book: Rulebook, opening: Opening, draft: Mapping[str, str]) -> bool:
    split = {name: [value] if name == "datasets" else value for name, value in draft.items()}
    try:
        role_of_opener(
            work, opening, departments_of(work, book, opening, find_subject(work, opening, split), {})
        )
    except Invalid:
        return True  # more must be named before one can tell
    except (NotPermitted, Conflict):
        return False
    return True


def foresee(work: Work, workflow: str, draft: Mapping[str, Any]) -> Ahead:
    """Return what opening a matter would set off, as far as what is filled in so far tells."""
    book: Rulebook = work.rulebooks.current("sharing")
    flow = book.workflow(workflow)
    opening = flow.opens_by
    if opening is None:
        return Ahead((), ())
    fields = _readable(book, opening, draft)
    limits = tuple(_limits(work, book, flow, fields))
    try:
        parties = _parties(work, book, opening, draft, fields)
    except Conflict as refused:
        return Ahead((), limits, refused.message)
    roles = dict.fromkeys((*opening.tells, *_first_to_act(flow)))
    return Ahead(tuple((role, tuple(parties.get(role, ()))) for role in roles), limits)


def _readable(book: Rulebook, opening: Opening, draft: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields that can be read already; what is wrong with the others is said when it is sent."""
    read = {}
    for name in (*opening.requires, *opening.accepts):
        if draft.get(name):
            try:
                read[name] = read_value(book.fields[name], draft[name], pointer_to(name))
            except Invalid:
                continue
    return read


def _parties(
    work: Work, book: Rulebook, opening: Opening, draft: Mapping[str, Any], fields: Mapping[str, Any]
) -> dict[str, list[str]]:
    try:
        subject = find_subject(work, opening, {k: v for k, v in draft.items() if k in WORDS})
    except Invalid:
        pass
    else:
        with suppress(Invalid):  # a department that cannot play its role is told of beside its field
            return departments_of(work, book, opening, subject, fields)
    known = {role: source for role, source in opening.parties.items() if source in KNOWN_BEFORE}
    return departments_of(work, book, replace(opening, parties=known), Subject(()), fields)


def _first_to_act(flow: Workflow) -> list[str]:
    """Return the roles that may take the first step, other than to give up or to add something."""
    resting = "resting" in flow.states[flow.initial].flags
    steps = [t for t in flow.leaving(flow.initial, {}) if t.does != "aside" and t.timer is None]
    return sorted({role for t in steps for role in t.roles - {SYSTEM}}) if not resting else []


def _limits(work: Work, book: Rulebook, flow: Workflow, fields: Mapping[str, Any]) -> Iterator[Limit]:
    events = [Recorded(name, work.now, fields) for name in flow.opening]
    for rule in book.clocks:
        if rule.workflow != flow.name:
            continue
        for state in run_clocks([rule], fields, events, work.rulebooks.calendar, work.now):
            yield _limit(book, rule, state, fields)


def _limit(book: Rulebook, rule: ClockRule, state: ClockState, fields: Mapping[str, Any]) -> Limit:
    source = rule.due_at or rule.before_event or ""
    missing = book.fields[source].title if source in book.fields and source not in fields else None
    due = None if missing else state.due
    return Limit(
        state.title, due, state.provisional and due is not None, missing, bool(rule.before_event), state.cite
    )
