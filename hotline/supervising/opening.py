"""A supervision begins: somebody opens it about a ticket, or a step or a limit calls for it.

It begins as a draft before its own people alone: those who may open it or act on the draft, and whom a
person tells by opening it. Everybody else whom the book names comes in with a step that a person takes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matters.opening
from audit.log import record
from cases.fields import check_fields
from cases.model import Case, Parties, in_role
from cases.numbers import next_number
from cases.procedure import no_such, open_case
from cases.store import cases_by_id
from core.errors import Conflict, NotFound, Refusal, invalid
from core.work import SYSTEM, Work
from hotline import store as tickets
from hotline.book import hotline_book
from hotline.model import DOMAIN, WORKFLOW, Held
from hotline.model import KIND as TICKET
from hotline.supervising import store
from hotline.supervising.model import INVITED, KIND, Offer, Packet, Supervised, Supervision
from hotline.supervising.packet import assemble, sealed
from hotline.tickets import find_ticket
from matters.model import Subject
from matters.opening import find_opening, opening_of, procedures, role_of_opener
from matters.parties import departments_of
from matters.references import check_deadlines, check_references
from rules.check_articles import ARTICLE
from rules.rulebook import Rulebook
from rules.workflow import Opening, Workflow

MOST_AT_ONCE = 200
"""How many tickets are supervised in one go."""
OF_A_LIMIT = ("clock", "due", "breach_record")
"""Fields with which a limit that ran out says what it was; nobody is asked for them."""


# --- what may be opened -----------------------------------------------------------------------------


def offered(book: Rulebook) -> dict[str, Workflow]:
    """Return the procedures of a hotline's rulebook beside tickets and articles, in the book's order."""
    return {name: flow for name, flow in procedures(book).items() if name not in (WORKFLOW, ARTICLE)}


def offers(work: Work, ticket_id: str | None = None) -> list[Offer]:
    """Return what the actor may open; about a ticket, what is not under way there already."""
    book = hotline_book(work)
    return [
        _offer(book, flow, flow.opens_by)
        for name, flow in offered(book).items()
        if flow.opens_by is not None and not work.actor.roles.isdisjoint(flow.opens_by.roles)
        if ticket_id is None or _is_open_to(work, flow.opens_by, ticket_id, name)
    ]


def _is_open_to(work: Work, opening: Opening, ticket_id: str, workflow: str) -> bool:
    return _about_ticket(opening) and store.open_about(work.tx, ticket_id, workflow) is None


def _offer(book: Rulebook, flow: Workflow, opening: Opening) -> Offer:
    asked = (*opening.requires, *(f for f in opening.accepts if f not in OF_A_LIMIT))
    fields = [(book.fields[f], f in opening.requires) for f in asked]
    about, drafted = _about_ticket(opening), is_drafted(flow, opening)
    return Offer(flow.name, opening.title, about, drafted, fields, opening.cite)


def is_drafted(flow: Workflow, opening: Opening) -> bool:
    """Tell whether a procedure begins with a draft that its openers go on with, and not before others."""
    return not opening.roles.isdisjoint(_going_on(flow))


def _going_on(flow: Workflow) -> set[str]:
    """Return the roles that act where a procedure begins."""
    return {role for step in flow.transitions if flow.initial in step.sources for role in step.roles}


# --- by a person ------------------------------------------------------------------------------------


def open_supervision(
    work: Work, ticket_id: str | None, workflow: str, draft: Mapping[str, Any]
) -> Supervised:
    """Open a procedure of the rulebook in force, about a ticket that the actor may see where it is about one.

    Raises NotFound for an unknown ticket or procedure, NotPermitted for a role that may not open it, Invalid
    with one entry for each wrong field, Conflict while the same is under way about this ticket.
    """
    book = hotline_book(work)
    flow = offered(book).get(workflow)
    if flow is None:
        raise NotFound(f"本地规则没有“{workflow}”这一程序", f"the rulebook has no procedure {workflow!r}")
    opening = find_opening(work, workflow, DOMAIN)
    held = _named_ticket(work, opening, ticket_id)
    fields = check_references(work, book, check_fields(book, opening, draft))
    check_deadlines(work, book, workflow, fields)
    if held is not None:
        _must_be_the_only_one(work, held, workflow)
    named = departments_of(work, book, opening, Subject((held.case,) if held else ()), fields)
    opened_as, parties = _with_opener(work, flow, opening, named)
    return _open(work, workflow, held, fields, parties, opened_as, None)


def _named_ticket(work: Work, opening: Opening, ticket_id: str | None) -> Held | None:
    """Return the ticket named, where the procedure is about one. Raises Invalid where that does not fit."""
    if ticket_id is None and WORKFLOW in opening.about:
        raise invalid("/ticket", "请写明工单", "name a ticket", code="required")
    if ticket_id is not None and not _about_ticket(opening):
        raise invalid("/ticket", "这一程序与工单无关", "the procedure is not about a ticket", code="unknown")
    return find_ticket(work, ticket_id) if ticket_id is not None else None


def _about_ticket(opening: Opening) -> bool:
    return WORKFLOW in (*opening.about, *opening.about_optional)


def _must_be_the_only_one(work: Work, held: Held, workflow: str) -> None:
    running = store.open_about(work.tx, held.ticket.id, workflow)
    if running is not None:
        raise Conflict(
            f"同一程序正在办理（{running}）", f"the same is under way already: {running}", code="already_open"
        )


def _with_opener(
    work: Work, flow: Workflow, opening: Opening, named: Mapping[str, list[str]]
) -> tuple[str, Mapping[str, list[str]]]:
    """Return the role in which the actor opens it, and who plays a part, the opener among them.

    Of several roles one counts that goes on with the draft. Raises NotPermitted for another department.
    """
    going_on = _going_on(flow)
    mine = sorted(opening.roles & work.actor.roles, key=lambda role: (role not in going_on, role))
    parties = {**{role: [work.actor.department] for role in mine[:1]}, **named}
    first = next((r for r in mine if work.actor.department in in_role(parties, r)), None)
    return first or role_of_opener(work, opening, named), parties


def open_supervisions(
    work: Work, ids: Sequence[str], workflow: str, draft: Mapping[str, Any]
) -> list[tuple[str, Supervised | Refusal]]:
    """Open the same procedure about many tickets: of each what was opened, or why it was not.

    Raises Invalid for more than MOST_AT_ONCE, NotFound for a procedure that the place does not have,
    NotPermitted for a role that may not open it.
    """
    find_opening(work, workflow, DOMAIN)
    if len(ids) > MOST_AT_ONCE:
        raise invalid("/tickets", f"一次最多 {MOST_AT_ONCE} 件", f"at most {MOST_AT_ONCE} at once")
    if not ids:
        raise invalid("/tickets", "请至少写明一件工单", "name one ticket at least", code="required")
    return [(id, _opened_alone(work, id, workflow, draft)) for id in dict.fromkeys(ids)]


def _opened_alone(work: Work, id: str, workflow: str, draft: Mapping[str, Any]) -> Supervised | Refusal:
    try:
        with work.tx.begin_nested():
            return open_supervision(work, id, workflow, draft)
    except Refusal as refused:
        return refused


# --- by itself --------------------------------------------------------------------------------------


def open_follow_up(
    work: Work, workflow: str, origin: Case, said: Mapping[str, Any], *, once: bool = False
) -> Supervised | None:
    """Open the procedure that a ticket or an earlier supervision calls for, as nobody's request.

    There is no second draft of a procedure about one ticket: the first waits for a person's decision still.
    With `once` there is none, either, while what the same case called for before is under way.
    """
    book = hotline_book(work)
    if workflow not in offered(book):
        return None  # the case is older than the rulebook in force, which has no such procedure
    opening, draft_state = opening_of(book, workflow), book.workflow(workflow).initial
    held = _ticket_behind(work, origin) if _about_ticket(opening) else None
    if held is not None and store.open_about(work.tx, held.ticket.id, workflow, draft_state) is not None:
        return None
    if once and store.open_from(work.tx, origin.id, workflow) is not None:
        return None
    own = work.acting_as(SYSTEM)
    named = {k: v for k, v in said.items() if k in (*opening.requires, *opening.accepts)}
    known = check_references(own, book, named)
    parties = departments_of(own, book, opening, Subject((held.case,) if held else ()), known)
    return _open(work, workflow, held, known, parties, "system", origin, said)


def follow_up(
    work: Work, workflow: str, origin: Case, said: Mapping[str, Any], *, once: bool = False
) -> object:
    """Open what a case calls for: of a ticket or a supervision in the hotline's rulebook, else a matter."""
    if origin.kind in (TICKET, KIND):
        return open_follow_up(work, workflow, origin, said, once=once)
    return matters.opening.open_follow_up(work, workflow, origin, said, once=once)


def _ticket_behind(work: Work, origin: Case) -> Held | None:
    """Return the ticket that a case is, or is about; None where it is about none."""
    ticket_id: str | None = origin.id
    if origin.kind == KIND:
        earlier = store.supervision(work.tx, origin.id)
        ticket_id = earlier.ticket_id if earlier is not None else None
    if ticket_id is None:
        return None
    ticket = tickets.ticket(work.tx, ticket_id)
    if ticket is None:
        raise no_such(WORKFLOW)
    case = origin if origin.id == ticket_id else cases_by_id(work.tx, [ticket_id])[ticket_id]
    return Held(ticket, case)


def _open(
    work: Work,
    workflow: str,
    held: Held | None,
    fields: Mapping[str, Any],
    parties: Parties,
    opened_as: str,
    origin: Case | None,
    said: Mapping[str, Any] | None = None,
) -> Supervised:
    book = hotline_book(work)
    number = next_number(work, opening_of(book, workflow).prefix)
    packet = assemble(work, held, said or {}, origin) if held is not None else None
    present, invited = _parted(work, book.workflow(workflow), parties, opened_as)
    facts = {k: v for k, v in {**(held.case.facts if held else {}), **fields}.items() if k in book.dimensions}
    facts |= {"number": number, "opened_as": opened_as, INVITED: invited}
    facts |= {"ticket": held.ticket.number} if held is not None else {}
    case = open_case(
        work,
        kind=KIND,
        workflow=workflow,
        facts=facts,
        parties=present,
        opened_as=opened_as,
        fields=fields,
        domain=DOMAIN,
    )
    ticket = held.ticket if held is not None else None
    ticket_id = ticket.id if ticket is not None else None
    made = Supervision(case.id, number, workflow, ticket_id, origin.id if origin else None, work.now)
    store.insert_supervision(work.tx, made)
    if packet is not None:
        _keep(work, made, facts["ticket"], packet)
    return Supervised(made, ticket, case)


def _keep(work: Work, supervision: Supervision, ticket: str, packet: Packet) -> None:
    """Keep a packet sealed, and put its digest on record."""
    store.insert_packet(work.tx, sealed(work, supervision.id, packet))
    about = {"case": supervision.id, "number": supervision.number, "ticket": ticket, "digest": packet.digest}
    record(work, "supervision.assembled", about)


def _parted(work: Work, flow: Workflow, parties: Parties, opened_as: str) -> tuple[Parties, Parties]:
    """Part who is there from the start from who comes in with a step.

    From the start it is those who may open it or act on the draft, and whom a person tells by opening it.
    """
    first = {*_going_on(flow), opened_as}
    if flow.opens_by is not None:
        first |= flow.opens_by.roles
        first |= set() if work.actor.has("system") else set(flow.opens_by.tells)
    present = {role: who for role, who in parties.items() if role in first}
    return present, {role: who for role, who in parties.items() if role not in first}
