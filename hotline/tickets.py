"""A ticket goes on: found by those who take part in it, listed, and moved by the steps of the rulebook."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from cases.model import Parties
from cases.procedure import find_case, no_such, take
from cases.sealed import open_fields
from cases.standing import answering
from cases.store import cases_by_id, locked_version
from cases.timing import book_of
from core.db import Page
from core.errors import FieldError, Invalid, NotFound, Refusal, invalid
from core.text import Text
from core.work import Work
from hotline import store
from hotline.assigning import assign
from hotline.book import UNITS, coded, deed_of, hotline_book, seated, states_with
from hotline.knowledge.reading import note_use
from hotline.links import report_doubt
from hotline.merging import check_merging, merge
from hotline.model import KIND, WORKFLOW, Held, Wanted
from hotline.ratings import note_rating, said_satisfied
from hotline.refusing import check_refusal
from hotline.search import store as index
from hotline.search.find import LONGEST, asked
from matters.references import check_deadlines, check_references
from rules.check_hotline import FLAGS
from rules.rulebook import Rulebook
from rules.values import pointer_to, read_value

MOST_AT_ONCE = 200
"""Tickets of one batch."""


# --- found ----------------------------------------------------------------------------------------


def find_ticket(work: Work, ticket_id: str) -> Held:
    """Return a ticket to whoever takes part in it, or an auditor. Raises NotFound for everybody else."""
    hotline_book(work)
    case = find_case(work, ticket_id, KIND)
    ticket = store.ticket(work.tx, ticket_id)
    if ticket is None:
        raise no_such(KIND)
    return Held(ticket, case)


def ticket_by_number(work: Work, number: str) -> Held:
    """Return a ticket by its number, as `find_ticket` does. Raises NotFound for everybody else."""
    ticket = store.ticket_by_number(work.tx, number.strip().upper())
    if ticket is None:
        raise no_such(KIND)
    return find_ticket(work, ticket.id)


def list_tickets(work: Work, wanted: Wanted, limit: int, cursor: str | None) -> Page:
    """Return one page of the tickets (`Held`) that the actor takes part in, the newest first.

    Raises Invalid for a state, a flag or a category that the rulebook does not have.
    """
    book = hotline_book(work)
    states = _states(book, wanted)
    if wanted.category is not None and wanted.category not in coded(book, "categories"):
        names = ", ".join(coded(book, "categories"))
        raise invalid("/category", f"应为 {names} 之一", f"must be one of {names}")
    if wanted.q is not None and len(wanted.q) > LONGEST:
        raise invalid("/q", f"最多 {LONGEST} 个字", f"must have at most {LONGEST} characters")
    words = asked(wanted.q or "")
    found = index.tickets_page(
        work.tx, viewer_of(work), _asked(book, wanted, states), words, work.now, limit=limit, cursor=cursor
    )
    cases = cases_by_id(work.tx, [t.id for t in found.rows])
    return Page([Held(t, cases[t.id]) for t in found.rows], found.next_cursor)


def count_tickets(work: Work, wanted: Wanted, most: int) -> int:
    """Return how many tickets of a list there are, counting no further than `most`; words are left aside."""
    book = hotline_book(work)
    asked = _asked(book, wanted, _states(book, wanted))
    return index.count_wanted(work.tx, viewer_of(work), asked, work.now, most)


def _asked(book: Rulebook, wanted: Wanted, states: Sequence[str] | None) -> index.Asked:
    """Return what a list is narrowed to, in the names of the rulebook's states and steps."""
    if wanted.pending is None:
        return index.Asked(wanted, states)
    flow = book.workflow(WORKFLOW)
    asking = {step.action for step in flow.transitions if wanted.pending in step.emits}
    answers = answering(flow, wanted.pending)
    where = {state for step in answers for state in step.sources}
    standing = sorted(where if states is None else where & set(states))
    return index.Asked(
        wanted, standing, tuple(sorted(asking)), tuple(sorted({step.action for step in answers}))
    )


def _states(book: Rulebook, wanted: Wanted) -> Sequence[str] | None:
    known = book.workflow(WORKFLOW).states
    if wanted.state is not None and wanted.state not in known:
        names = ", ".join(known)
        raise invalid("/state", f"应为 {names} 之一", f"must be one of {names}")
    if wanted.flag is not None and wanted.flag not in FLAGS:
        names = ", ".join(sorted(FLAGS))
        raise invalid("/flag", f"应为 {names} 之一", f"must be one of {names}")
    if wanted.state is not None:
        return [wanted.state]
    return states_with(book, wanted.flag) if wanted.flag is not None else None


def viewer_of(work: Work) -> index.Viewer:
    """Return who looks at tickets: in which roles every ticket is theirs, and in which some are."""
    roles = work.actor.roles | ({UNITS[1]} if UNITS[0] in work.actor.roles else frozenset())
    department = work.settings.departments.get(work.actor.department)
    held = department.roles if department is not None else frozenset()
    everywhere = roles & seated(hotline_book(work).workflow(WORKFLOW)) & held
    return index.Viewer(work.actor, frozenset(everywhere), frozenset(roles - everywhere))


# --- moved ----------------------------------------------------------------------------------------


class Prepared(NamedTuple):
    """What a step brings along beside its fields."""

    facts: Mapping[str, Any]
    passing: Mapping[str, Any]
    parties: Parties | None


def act_on_ticket(
    work: Work, ticket_id: str, action: str, fields: Mapping[str, Any], expect_version: int | None = None
) -> Held:
    """Take a step of a ticket, with what the platform does along with it.

    Raises what `cases.take` raises, Invalid for a unit, a number or a reason that the step may not name.
    """
    held = find_ticket(work, ticket_id)
    book, flow = book_of(work, held.case)
    does = deed_of(flow, held.case.state, action) or ""
    ready = _prepared(work, book, held, does, fields)
    case = take(
        work,
        held.case,
        action,
        fields,
        facts=ready.facts,
        passing=ready.passing,
        parties=ready.parties,
        expect_version=expect_version,
    )
    said = check_references(work, book, open_fields(work, case, case.events[-1].fields))
    check_deadlines(work, book, WORKFLOW, said)
    deed = DEEDS.get(does)
    if deed is not None:
        deed(work, book, Held(store.ticket(work.tx, ticket_id) or held.ticket, case), said)
    return Held(store.ticket(work.tx, ticket_id) or held.ticket, case)


def act_on_tickets(
    work: Work, ids: Sequence[str], action: str, fields: Mapping[str, Any]
) -> list[tuple[str, Held | Refusal]]:
    """Take the same step of several tickets, each by itself: what is refused leaves the others alone.

    Raises Invalid for more than MOST_AT_ONCE tickets, or one named twice.
    """
    if not 1 <= len(ids) <= MOST_AT_ONCE or len(set(ids)) < len(ids):
        raise invalid(
            "/ids",
            f"应为 1 到 {MOST_AT_ONCE} 个不重复的工单",
            f"must name 1 to {MOST_AT_ONCE} tickets, none of them twice",
        )
    done: list[tuple[str, Held | Refusal]] = []
    for ticket_id in ids:
        try:
            with work.tx.begin_nested():
                done.append((ticket_id, act_on_ticket(work, ticket_id, action, fields)))
        except Refusal as refused:
            done.append((ticket_id, refused))
    return done


def _prepared(work: Work, book: Rulebook, held: Held, does: str, fields: Mapping[str, Any]) -> Prepared:
    facts = _facts(book, held, does, fields)
    if does == "dispatch":
        _must_be_classified(book, {**held.case.facts, **facts})
        assigned = assign(work, book, held, fields)
        return Prepared({**facts, "masked": assigned.masked}, {}, assigned.parties)
    if does == "rate":
        return Prepared(facts, said_satisfied(book, fields), None)
    if does == "merge":
        check_merging(work, book, held, _target(work, held, fields))
    if does == "refuse":
        check_refusal(book, fields)
    return Prepared(facts, {}, None)


def _must_be_classified(book: Rulebook, facts: Mapping[str, Any]) -> None:
    """Refuse to give a unit what no limit could be told for. Raises Invalid for each dimension missing."""
    asked = (book.dimensions[name] for name in book.policy("classify.dimensions").value)
    lacking = [rule for rule in asked if not rule.optional and facts.get(rule.name) is None]
    if lacking:
        raise Invalid(
            FieldError(
                pointer_to(rule.name),
                Text(f"派单前应先分类：{rule.title.zh}", f"{rule.title.en} must be known before a dispatch"),
                "required",
            )
            for rule in lacking
        )


def _facts(book: Rulebook, held: Held, does: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the facts of a ticket that a step changes: it is classified anew, or bound by another law.

    A statutory limit ends with the handling that it was set for.
    """
    named = {
        name: read_value(book.fields[name], fields[name], f"/{name}")
        for name in fields.keys() & book.dimensions.keys() & book.fields.keys()
        if fields[name] not in (None, "") and not book.fields[name].sealed
    }
    if "statutory_due" in named:
        named["statutory"] = True
    elif does == "redo" and held.case.facts.get("statutory"):
        named["statutory"] = False
    if not named:
        return {}
    known = {k: v for k, v in {**held.case.facts, **named}.items() if k in book.dimensions and v is not None}
    derived = {k: v for k, v in book.facts(known).items() if k in book.tables}
    return {**named, **derived}


def _target(work: Work, held: Held, fields: Mapping[str, Any]) -> Held | None:
    """Return the ticket that another one is merged into; None where the step says none.

    Neither moves meanwhile, or two that are merged into one another at the same time would both be gone.
    """
    number = fields.get("into")
    if not isinstance(number, str) or not number.strip():
        return None
    try:
        target = ticket_by_number(work, number)
        for case_id in sorted({held.ticket.id, target.ticket.id}):
            locked_version(work.tx, case_id)
        return find_ticket(work, target.ticket.id)
    except NotFound:
        raise invalid("/into", "没有这个编号的工单", "there is no such ticket", code="unknown") from None


def _merge(work: Work, book: Rulebook, held: Held, said: Mapping[str, Any]) -> None:
    target = _target(work, held, said)
    if target is not None:
        merge(work, held, target)


def _correct(work: Work, book: Rulebook, held: Held, said: Mapping[str, Any]) -> None:
    report_doubt(work, held, said)


def _answer(work: Work, book: Rulebook, held: Held, said: Mapping[str, Any]) -> None:
    """Count that an article answered the caller. Raises Invalid unless it is published and valid now."""
    if said.get("article"):
        note_use(work, said["article"])


DEEDS: Mapping[str, Callable[[Work, Rulebook, Held, Mapping[str, Any]], None]] = {
    "answer": _answer,
    "merge": _merge,
    "rate": note_rating,
    "correct": _correct,
}
"""What the platform does along with a step that `does` it, in the same transaction."""
