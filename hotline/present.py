"""Tickets as JSON: one form for the API and for the console's pages, as far as the viewer may see them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cases.attachments import name_of
from cases.model import Attachment, Case
from cases.present import case_row, case_view, department_view, label, parties_view
from core.codes import in_url
from core.text import Text, text_of
from core.times import local_iso
from core.work import Work
from hotline import store
from hotline.book import coded, value_of
from hotline.callers import caller_seen, may_unmask, reason_of, relation_to, summaries_seen, texts_seen
from hotline.duplicates import repeat_of
from hotline.links import outcome_of
from hotline.model import WORKFLOW, Held, Hint, Rating, Suggested, Ticket
from hotline.papers import may_read_papers, papers_of
from hotline.routing import suggested_units
from rules.rulebook import Rulebook
from rules.visibility import visible

TOLD_INSTEAD = "content_for_unit"
"""What a unit is told in place of the caller's own words."""
_OWN_WORDS = ("location", "occurred_at", "accused_person", "recording")
"""What goes with the description: whoever may not see that sees none of these."""


_SAYING = ("summary", "description", "location", "accused", "caller")
"""What of a ticket says what it is about, and whom."""


def ticket_view(work: Work, held: Held) -> dict[str, Any]:
    """Return a ticket as JSON (schema response/ticket): its texts, its caller masked, steps and clocks."""
    book: Rulebook = work.rulebooks.get(held.case.rulebook, held.case.rulebook_version)
    relation = relation_to(work, held)
    shut_out = relation == "accused"
    view = case_view(work, held.case)
    document = {
        **_ticket(work, book, held.ticket),
        **({} if shut_out else {"description": "", **texts_seen(work, held)}),
        "correction": _correction(work, held),
        "caller": caller_seen(work, held),
        "may_unmask": may_unmask(work, held),
        "masked": held.ticket.masked,
        "facts": _facts(book, held.case),
        "parties": parties_view(work, held.case),
        "repeat": repeat_of(work, book, held.ticket),
        "attachments": [paper_view(work, held, a) for a in papers_of(work, held)],
        "ratings": [_rating(book, r) for r in store.ratings_of(work.tx, held.ticket.id)],
        "unmaskings": _unmaskings(work, held, relation),
        "suggested": [_suggested(work, s) for s in suggested_units(work, held)],
        **view,
        "history": _history(work, view["history"]) if shut_out else view["history"],
    }
    shown = _seen(book, relation, document)
    if shut_out or not shown.get("caller"):
        shown.pop("caller", None)
    if "description" not in shown:
        for name in _OWN_WORDS:
            shown.pop(name, None)
    return shown


def _seen(book: Rulebook, relation: str, document: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a relation sees of a ticket; one that the rulebook does not name sees that it exists."""
    table = book.views["ticket"]
    if relation == "accused":
        document = {**document, "external_id": None}  # where it came from may show what it says
    if relation in table:
        return visible(table, relation, document)
    return {key: value for key, value in document.items() if key not in _SAYING}


def _history(work: Work, steps: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the steps as whoever is complained about sees them: their own words, and what they are told."""
    mine = work.actor.department
    return [
        {
            **step,
            "fields": {
                k: v for k, v in step["fields"].items() if step["by"] == mine or k in (TOLD_INSTEAD, "unit")
            },
        }
        for step in steps
    ]


def ticket_row(work: Work, held: Held) -> dict[str, Any]:
    """Return a ticket as a row of a list (schema response/ticket_row); nothing in it says who called."""
    book: Rulebook = work.rulebooks.get(held.case.rulebook, held.case.rulebook_version)
    document = {**_ticket(work, book, held.ticket), **case_row(work, held.case)}
    return _seen(book, relation_to(work, held), document)


def ticket_line(work: Work, held: Held) -> dict[str, Any]:
    """Return a ticket as a line of a long list: a row without its limits and without what may be done."""
    book: Rulebook = work.rulebooks.get(held.case.rulebook, held.case.rulebook_version)
    state = book.workflow(WORKFLOW).states[held.ticket.state]
    shown = {"state": state.name, "state_title": label(state.title)}
    document = {**_ticket(work, book, held.ticket), **shown}
    return _seen(book, relation_to(work, held), document)


def _ticket(work: Work, book: Rulebook, ticket: Ticket) -> dict[str, Any]:
    place = work.settings.hotline.places.get(ticket.place)
    return {
        "id": ticket.id,
        "number": ticket.number,
        "channel": _coded(book, "channels", ticket.channel),
        "source": ticket.source,
        "external_id": ticket.external_id,
        "summary": ticket.summary,
        "place": {"code": ticket.place, "title": label(place) if place else None} if ticket.place else None,
        "category": _coded(book, "categories", ticket.category) if ticket.category else None,
        "accused": department_view(work, ticket.accused) if ticket.accused else None,
        "lead": department_view(work, ticket.lead) if ticket.lead else None,
        "matter": ticket.matter_id,
        "merged_into": ticket.merged_into,
        "dataset": in_url(ticket.dataset) if ticket.dataset else None,
        "grant": ticket.grant,
        "correction": ticket.correction,
        "handlings": ticket.handlings,
        "satisfied": ticket.satisfied,
        "hung": ticket.hung,
        "created_at": local_iso(ticket.created_at),
        "dispatched_at": local_iso(ticket.dispatched_at) if ticket.dispatched_at else None,
        "fed_back_at": local_iso(ticket.fed_back_at) if ticket.fed_back_at else None,
        "due_at": local_iso(ticket.due_at) if ticket.due_at else None,
        "closed_at": local_iso(ticket.closed_at) if ticket.closed_at else None,
    }


def _correction(work: Work, held: Held) -> dict[str, Any] | None:
    found = outcome_of(work, held)
    if found is None:
        return None
    return {
        "id": found.id,
        "number": found.number,
        "state": found.state,
        "state_title": label(found.title),
        "opened_at": local_iso(found.opened_at),
        "closed_at": local_iso(found.closed_at) if found.closed_at else None,
        "result": found.result,
    }


def _coded(book: Rulebook, path: str, code: str) -> dict[str, Any]:
    return {"code": code, "title": label(coded(book, path).get(code, Text(code, code)))}


_YES_NO = {True: Text("是", "yes"), False: Text("否", "no")}


def _facts(book: Rulebook, case: Case) -> list[dict[str, Any]]:
    """Return how a ticket is classified, in the rulebook's own words."""
    found = []
    for name in value_of(book, "classify.dimensions"):
        value = case.facts.get(name)
        if value is None:
            continue
        rule = book.dimensions[name]
        plain = _YES_NO[value] if isinstance(value, bool) else Text(str(value), str(value))
        said = rule.choices.get(str(value), plain)
        found.append({"name": name, "title": label(rule.title), "value": value, "said": label(said)})
    return found


def _rating(book: Rulebook, rating: Rating) -> dict[str, Any]:
    scale = {e["code"]: text_of(e["title"]) for e in value_of(book, "satisfaction.scale")}
    title = scale.get(rating.satisfaction, Text(rating.satisfaction, rating.satisfaction))
    return {
        "satisfaction": rating.satisfaction,
        "title": label(title),
        "level": rating.level,
        "satisfied": rating.satisfied,
        "unit": rating.unit,
        "at": local_iso(rating.at),
        "by": rating.by,
    }


def _unmaskings(work: Work, held: Held, relation: str) -> list[dict[str, Any]]:
    """Return who saw the caller in the clear to those who watch over it; why, to the supervisor alone."""
    if relation not in ("supervisor", "leader", "auditor"):
        return []
    return [
        {
            "login": row["login"],
            "at": local_iso(row["at"]),
            "fields": row["fields"],
            "record": row["record_id"],
            "reason": reason_of(work, row) if relation == "supervisor" else None,
        }
        for row in store.unmaskings_of(work.tx, held.ticket.id)
    ]


def _suggested(work: Work, suggested: Suggested) -> dict[str, Any]:
    return {
        **department_view(work, suggested.unit),
        "category": suggested.duty.category,
        "place": suggested.duty.place,
        "barred": suggested.barred,
    }


def paper_view(work: Work, held: Held, paper: Attachment) -> dict[str, Any]:
    """Return a paper of a ticket as JSON; whoever may not read it does not learn its name either."""
    return {
        "id": paper.id,
        "type": paper.type,
        "sealed": paper.sealed,
        "name": name_of(work, paper) if may_read_papers(work, held) else paper.name,
        "media_type": paper.media_type,
        "size": paper.size,
        "digest": paper.digest,
        "added_at": local_iso(paper.added_at),
        "url": f"/api/tickets/{held.ticket.id}/attachments/{paper.id}",
    }


def hint_view(work: Work, hint: Hint) -> dict[str, Any]:
    """Return an earlier ticket that may be about the same matter as JSON."""
    ticket = hint.ticket
    case_book = work.rulebooks.current("hotline")
    state = case_book.workflow("ticket").states.get(ticket.state)
    return {
        "id": ticket.id,
        "number": ticket.number,
        "state": ticket.state,
        "state_title": label(state.title if state else Text(ticket.state, ticket.state)),
        "summary": summaries_seen(work, [ticket])[ticket.id],
        "created_at": local_iso(ticket.created_at),
        "answered": ticket.fed_back_at is not None or ticket.closed_at is not None,
        "why": list(hint.why),
        "score": round(hint.score, 2),
    }
