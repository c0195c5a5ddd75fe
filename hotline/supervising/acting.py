"""Supervisions: urge notices, orders, circulars, reviews, packets, and whatever else a rulebook lets follow.

Each is a procedure of the rulebook, mostly about one ticket. It begins as a draft, opened by a person or
called for by a step or a limit (`hotline.supervising.opening`); a person's step brings in whom the book names
beside the desk. So nothing goes out by itself, to a discipline body least of all (GZ art. 11, 26; reading
I-H-24).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cases.model import Case, Parties, in_role
from cases.procedure import find_case, no_such, take
from cases.sealed import open_fields
from cases.standing import facts_now
from cases.store import cases_by_id
from cases.timing import book_of
from core.db import Page
from core.errors import NotFound, invalid
from core.work import Work
from hotline import store as tickets
from hotline.book import hotline_book
from hotline.lights import lights_of
from hotline.model import Held
from hotline.supervising import store
from hotline.supervising.model import INVITED, KIND, Offer, Packet, Supervised, Supervision, Wanted
from hotline.supervising.opening import offered, offers
from hotline.supervising.packet import read_packet
from matters.references import check_deadlines, check_references
from rules.workflow import Transition, Workflow

# --- finding and acting -----------------------------------------------------------------------------


def find_supervision(work: Work, supervision_id: str) -> Supervised:
    """Return a supervision to one of its parties or an auditor. Raises NotFound for everybody else."""
    case = find_case(work, supervision_id, KIND)
    supervision = store.supervision(work.tx, supervision_id)
    if supervision is None:
        raise no_such(KIND)
    ticket_id = supervision.ticket_id
    return Supervised(supervision, tickets.ticket(work.tx, ticket_id) if ticket_id else None, case)


def list_supervisions(work: Work, wanted: Wanted, limit: int, cursor: str | None) -> Page:
    """Return one page of the supervisions (`Supervised`) that the actor takes part in, the newest first.

    Raises Invalid for a procedure that the rulebook does not have.
    """
    known = offered(hotline_book(work))
    if wanted.workflow is not None and wanted.workflow not in known:
        names = ", ".join(known)
        raise invalid("/workflow", f"应为 {'、'.join(known)} 之一", f"must be one of {names}")
    found = store.supervisions_page(work.tx, work.actor, wanted, limit, cursor)
    return Page(_held(work, found.rows), found.next_cursor)


def _held(work: Work, rows: Sequence[Supervision]) -> list[Supervised]:
    about = tickets.tickets_by_id(work.tx, [s.ticket_id for s in rows if s.ticket_id])
    known = cases_by_id(work.tx, [s.id for s in rows])
    return [Supervised(s, about.get(s.ticket_id or ""), known[s.id]) for s in rows]


def act_on_supervision(
    work: Work,
    supervision_id: str,
    action: str,
    fields: Mapping[str, Any],
    expect_version: int | None = None,
) -> Supervised:
    """Take a step of a supervision. Raises what `cases.take` raises, Invalid for a wrong name."""
    held = find_supervision(work, supervision_id)
    book, flow = book_of(work, held.case)
    step = flow.find(held.case.state, action, facts_now(work, held.case))
    joining = _joining(held.case, flow, step) if step is not None else {}
    case = take(work, held.case, action, fields, parties=joining, expect_version=expect_version)
    said = check_references(work, book, open_fields(work, case, case.events[-1].fields))
    check_deadlines(work, book, held.case.workflow, said)
    return held._replace(case=case)


def _joining(case: Case, flow: Workflow, step: Transition) -> Parties:
    """Return who was invited and comes in with a step that tells them or leaves them the turn."""
    next_roles = {role for t in flow.transitions if step.target in t.sources for role in t.roles}
    invited: Parties = case.facts.get(INVITED, {})
    return {
        role: who
        for role, who in invited.items()
        if role in {*step.tells, *next_roles} and not in_role(case.parties, role)
    }


def packet_of(work: Work, held: Supervised) -> Packet | None:
    """Return the packet of a supervision that `find_supervision` gave; None where it is about no ticket."""
    return read_packet(work, held.supervision.id) if held.supervision.ticket_id is not None else None


# --- beside a ticket --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Beside:
    """What stands on the page of a ticket: its light, what was done about it, and what may be."""

    light: str | None
    rows: Sequence[Supervised]
    offers: Sequence[Offer]


def of_ticket(work: Work, held: Held) -> Beside:
    """Return what stands beside a ticket, to its reader: each supervision to its own parties alone."""
    rows = _held(work, store.of_ticket(work.tx, held.ticket.id))
    seen = [s for s in rows if _may_know(work, s)]
    light = lights_of(work, [held.ticket.id]).get(held.ticket.id)
    return Beside(light, seen, offers(work, held.ticket.id))


def _may_know(work: Work, held: Supervised) -> bool:
    try:
        find_case(work, held.supervision.id, KIND)
    except NotFound:
        return False
    return True
