"""Supervisions and findings as JSON: one form for the API and for the console's pages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cases.present import case_row, case_view, department_view, field_view, label, parties_view
from cases.timing import book_of
from core.errors import Refusal
from core.times import local_iso
from core.work import Work
from hotline.accountability import Finding
from hotline.callers import summaries_seen
from hotline.model import Held, Ticket
from hotline.supervising.acting import packet_of
from hotline.supervising.model import Offer, Supervised
from web.problems import problem


def supervision_view(work: Work, held: Supervised) -> dict[str, Any]:
    """Return a supervision as JSON (schema response/supervision): its packet, parties, steps and clocks."""
    packet = packet_of(work, held)
    shown = {**_for_reader(work, held, packet.document), "digest": packet.digest} if packet else None
    return {
        **_supervision(work, held),
        "parties": parties_view(work, held.case),
        "packet": shown,
        **case_view(work, held.case),
    }


def _for_reader(work: Work, held: Supervised, document: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a packet as the reader may see it: without what the ticket's own page keeps from them.

    Whoever is complained about learns neither what it is about, nor who else reports it, nor what others say.
    """
    if held.ticket is None or _summary(work, held.ticket):
        return document
    mine = department_view(work, work.actor.department)
    said = [e for e in document["explanations"] if e["by"] == {"zh": mine["zh"], "en": mine["en"]}]
    return {
        **document,
        "ticket": {**document["ticket"], "summary": "", "accused": None},
        "matter": {**document["matter"], "numbers": []},
        "explanations": said,
    }


def supervision_row(work: Work, held: Supervised) -> dict[str, Any]:
    """Return a supervision as a row of a list (schema response/supervision_row)."""
    return {**_supervision(work, held), **case_row(work, held.case)}


def _supervision(work: Work, held: Supervised) -> dict[str, Any]:
    _, flow = book_of(work, held.case)
    return {
        "id": held.supervision.id,
        "number": held.supervision.number,
        "workflow": held.supervision.workflow,
        "workflow_title": label(flow.title),
        "ticket": _ticket(work, held.ticket) if held.ticket is not None else None,
        "origin": held.supervision.origin,
        "created_at": local_iso(held.supervision.created_at),
    }


def _ticket(work: Work, ticket: Ticket) -> dict[str, str]:
    return {"id": ticket.id, "number": ticket.number, "summary": _summary(work, ticket)}


def _summary(work: Work, ticket: Ticket) -> str:
    return summaries_seen(work, [ticket])[ticket.id]


def offer_view(offer: Offer) -> dict[str, Any]:
    """Return a procedure that the reader may open (schema response/supervision_offer)."""
    return {
        "workflow": offer.workflow,
        "title": label(offer.title),
        "about_ticket": offer.about_ticket,
        "fields": [{**field_view(rule), "required": required} for rule, required in offer.fields],
        "cite": offer.cite.as_json(),
    }


def opened_view(work: Work, ticket_id: str | None, outcome: Supervised | Refusal) -> dict[str, Any]:
    """Return what became of one ticket of many (schema response/supervisions_opened)."""
    refused = problem(outcome) if isinstance(outcome, Refusal) else None
    row = supervision_row(work, outcome) if isinstance(outcome, Supervised) else None
    return {"ticket": ticket_id, "supervision": row, "problem": refused}


def flagged_row(work: Work, held: Held, found: Sequence[Finding]) -> dict[str, Any]:
    """Return a ticket with what was found about it (schema response/flagged_row)."""
    ticket = held.ticket
    _, flow = book_of(work, held.case)
    return {
        "id": ticket.id,
        "number": ticket.number,
        "summary": _summary(work, ticket),
        "unit": department_view(work, ticket.lead) if ticket.lead else None,
        "created_at": local_iso(ticket.created_at),
        "state": held.case.state,
        "state_title": label(flow.states[held.case.state].title),
        "findings": [finding_view(f) for f in found],
    }


def finding_view(finding: Finding) -> Mapping[str, Any]:
    """Return one finding as JSON."""
    return {
        "code": finding.code,
        "title": label(finding.title),
        "flag": finding.flag,
        "explained": finding.explained,
        "cite": finding.cite.as_json(),
    }
