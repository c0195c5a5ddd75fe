"""The pages of supervisions: lists, opening about one ticket or many, acting, the packet to print."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cases.decisions import DECISIONS
from cases.timing import book_of
from core.errors import Invalid, NotFound, Refusal
from core.text import Text
from core.work import Work
from hotline.accountability import FLAGS, OVERSEERS, flagged, grounds, units_without_liaison
from hotline.book import hotline_book
from hotline.callers import summaries_seen
from hotline.lights import LIGHTS, lights_of
from hotline.model import Held
from hotline.model import Wanted as TicketsWanted
from hotline.supervising.acting import act_on_supervision, find_supervision, list_supervisions, of_ticket
from hotline.supervising.model import Offer, Wanted
from hotline.supervising.opening import (
    MOST_AT_ONCE,
    is_drafted,
    offered,
    offers,
    open_supervision,
    open_supervisions,
)
from hotline.supervising.periods import first_day, flags_asked
from hotline.supervising.present import flagged_row, offer_view, supervision_row, supervision_view
from hotline.tickets import find_ticket, list_tickets
from matters.forms import field_shown, form_shown, read_form
from rules.rulebook import Rulebook
from rules.workflow import Workflow
from web.auth import SIGNED_IN
from web.pages import Go, Page, Pages, Seen
from web.words import words

pages = Pages("supervisions")

PAGE = 25
STATUSES = {"open": Text("未办结", "open"), "closed": Text("已办结", "closed")}
CHOSEN = "tickets"
"""The boxes of the form that opens the same about many tickets."""


# --- lists ----------------------------------------------------------------------------------------


@pages.show("/supervisions", who=SIGNED_IN, summary=Text("催办督办", "Supervisions"))
def supervisions(work: Work, seen: Seen) -> Page:
    """List the supervisions that the reader takes part in, and what may be opened."""
    book = hotline_book(work)
    known = offered(book)
    workflow = seen.query.get("workflow") if seen.query.get("workflow") in known else None
    states = {name: s.title for name, s in known[workflow].states.items()} if workflow else {}
    state = seen.query.get("state") if seen.query.get("state") in states else None
    status = seen.query.get("status") if seen.query.get("status") in STATUSES else None
    ticket = seen.query.get("ticket") or None
    wanted = Wanted(workflow, state, ticket, None if status is None else status == "open")
    found = list_supervisions(work, wanted, PAGE, seen.query.get("cursor"))
    context = {
        "rows": [supervision_row(work, held) for held in found.rows],
        "next_cursor": found.next_cursor,
        "workflows": {name: flow.title for name, flow in known.items()},
        "workflow": workflow,
        "states": states,
        "state": state,
        "statuses": STATUSES,
        "status": status,
        "ticket": ticket,
        "offers": [offer_view(o) for o in offers(work)],
        "listed": {name: _listed(book, name) for name in ("ladder", "triggers")},
    }
    return Page("hotline/supervision_list.html", context)


def _listed(book: Rulebook, name: str) -> dict[str, Any]:
    """Return how the book supervises, or what gives cause to: its entries in order, with the provision."""
    leaf = book.policy(f"supervise.{name}")
    return {"entries": leaf.value or (), "cite": leaf.cite.as_json()}


@pages.show("/accountability", who=OVERSEERS, summary=Text("问责情形", "What was found"))
def accountability(work: Work, seen: Seen) -> Page:
    """List the tickets that a ground of accountability fits, for people to weigh."""
    book = hotline_book(work)
    named = grounds(book)
    asked = {name: seen.query[name] for name in ("flag", "unit", "from", "until") if seen.query.get(name)}
    try:
        wanted, wrong = flags_asked(asked, work.now), None
    except Invalid as refused:
        wanted, wrong = flags_asked({}, work.now), refused.errors[0].message
    found = flagged(work, wanted, PAGE, seen.query.get("cursor"))
    context = {
        "rows": [flagged_row(work, held, fits) for held, fits in found.rows],
        "next_cursor": found.next_cursor,
        "grounds": named,
        "units": units_without_liaison(work),
        "flags": {g["flag"]: g["title"] for g in named if g["flag"] in FLAGS},
        "asked": {"from": first_day(work.now).date().isoformat(), **asked},
        "wrong": wrong,
        "provision": book.policy("accountability").cite.as_json(),
    }
    return Page("hotline/supervision_flags.html", context)


# --- opening --------------------------------------------------------------------------------------


@pages.show("/supervisions/new", who=SIGNED_IN, summary=Text("发起催办督办", "Open a supervision"))
def new_supervision(work: Work, seen: Seen) -> Page:
    """Show the form of a procedure: about the ticket named, else about overdue tickets to choose from."""
    offer = _offered(work, seen)
    ticket = _ticket(work, seen)
    many = offer.about_ticket and ticket is None
    late = list_tickets(work, TicketsWanted(late=True), MOST_AT_ONCE, None).rows if many else []
    context = {
        "seen": seen.at_fields(),
        "offer": offer_view(offer),
        "drafted": offer.drafted,
        "fields": [field_shown(rule, required) for rule, required in offer.fields],
        "ticket": ticket.ticket if ticket else None,
        "late": [held.ticket for held in late],
        "summaries": summaries_seen(work, [held.ticket for held in (*late, *([ticket] if ticket else []))]),
        "lights": lights_of(work, [held.ticket.id for held in late]),
        "light_names": LIGHTS,
        "chosen": seen.form.getlist(CHOSEN) if seen.form else [held.ticket.id for held in late],
        "address": _address(offer, ticket),
    }
    return Page("hotline/supervision_new.html", context)


@pages.form(
    "/supervisions/new",
    who=SIGNED_IN,
    summary=Text("发起催办督办", "Open a supervision"),
    again=new_supervision,
)
def open_on_page(work: Work, seen: Seen) -> Go:
    """Open a draft about the ticket named, or about each ticket that was chosen."""
    offer = _offered(work, seen)
    rules = {rule.name: rule for rule, _ in offer.fields}
    draft = read_form({k: v for k, v in seen.given.items() if k != CHOSEN}, rules)
    ticket = _ticket(work, seen)
    if ticket is None and offer.about_ticket:
        return _open_many(work, offer, seen.form.getlist(CHOSEN), draft)
    held = open_supervision(work, ticket.ticket.id if ticket else None, offer.workflow, draft)
    number = held.supervision.number
    drafted = Text(f"已拟稿，编号为 {number}，待签发", f"Drafted under {number}, to be signed")
    handed_in = Text(f"已提交，编号为 {number}", f"Submitted under {number}")
    return Go(f"/supervisions/{held.supervision.id}", drafted if offer.drafted else handed_in)


def _open_many(work: Work, offer: Offer, ids: list[str], draft: Mapping[str, Any]) -> Go:
    opened = open_supervisions(work, ids, offer.workflow, draft)
    wrong = [refused for _, refused in opened if isinstance(refused, Invalid)]
    if wrong:
        raise wrong[0]
    refused = sum(1 for _, outcome in opened if isinstance(outcome, Refusal))
    done = len(opened) - refused
    what = Text("已拟稿", "drafted") if offer.drafted else Text("已提交", "submitted")
    words = Text(
        f"{what.zh} {done} 件" + (f"，{refused} 件未能发起" if refused else ""),
        f"{done} {what.en}" + (f", {refused} could not be opened" if refused else ""),
    )
    return Go(f"/supervisions?workflow={offer.workflow}&status=open", words)


def _offered(work: Work, seen: Seen) -> Offer:
    """Return the procedure that the address names. Raises NotFound for what the reader may not open."""
    named = seen.query.get("workflow", "")
    found = next((o for o in offers(work) if o.workflow == named), None)
    if found is None:
        raise NotFound("没有您可以发起的这一程序", "there is no such procedure that you may open")
    return found


def _ticket(work: Work, seen: Seen) -> Held | None:
    named = seen.query.get("ticket")
    return find_ticket(work, named) if named else None


def _address(offer: Offer, ticket: Held | None) -> str:
    about = f"&ticket={ticket.ticket.id}" if ticket else ""
    return f"/supervisions/new?workflow={offer.workflow}{about}"


# --- one of them ----------------------------------------------------------------------------------


@pages.show("/supervisions/<id>", who=SIGNED_IN, summary=Text("查看催办督办", "Supervision"))
def supervision(work: Work, seen: Seen, id: str, action: str = "") -> Page:
    """Show a supervision: its ticket, its packet, its limits and its steps."""
    held = find_supervision(work, id)
    book, flow = book_of(work, held.case)
    view = supervision_view(work, held)
    context = {
        "seen": seen.at_fields(),
        "s": view,
        "address": f"/supervisions/{id}",
        "forms": {**view, "forms": {a: form_shown(book, form) for a, form in view["forms"].items()}},
        "rules": book.fields,
        "history": [_with_titles(book, step) for step in view["history"]],
        "is_draft": held.case.state == flow.initial and _is_drafted(flow),
        "ticket_address": _ticket_address(work, held.ticket.id) if held.ticket else "",
    }
    return Page("hotline/supervision.html", context)


def _is_drafted(flow: Workflow) -> bool:
    return flow.opens_by is not None and is_drafted(flow, flow.opens_by)


def _with_titles(book: Rulebook, step: Mapping[str, Any]) -> dict[str, Any]:
    """Return a step with the limit that it names called by its title."""
    clock = next((c for c in book.clocks if c.name == step["fields"].get("clock")), None)
    named = {"clock": words(clock.title)} if clock is not None else {}
    return {**step, "fields": {**step["fields"], **named}}


def _ticket_address(work: Work, ticket_id: str) -> str:
    """Return the address of the ticket's page, empty where the reader may not open it."""
    try:
        return f"/tickets/{find_ticket(work, ticket_id).ticket.id}"
    except NotFound:
        return ""


@pages.show("/supervisions/<id>/packet", who=SIGNED_IN, summary=Text("材料", "Packet"))
def packet(work: Work, seen: Seen, id: str) -> Page:
    """Show the packet of a supervision as it was put together, to be printed and signed."""
    view = supervision_view(work, find_supervision(work, id))
    if view["packet"] is None:
        raise NotFound("这一事项没有材料", "there is no packet: it is about no ticket")
    return Page("hotline/supervision_packet.html", {"s": view, "p": view["packet"]})


@pages.form(
    "/supervisions/<id>/actions/<action>",
    who=SIGNED_IN,
    summary=Text("办理催办督办", "Act on a supervision"),
    again=supervision,
    step_up=DECISIONS,
)
def act_on_page(work: Work, seen: Seen, id: str, action: str) -> Go:
    """Take a step of the procedure."""
    book, _ = book_of(work, find_supervision(work, id).case)
    held = act_on_supervision(work, id, action, read_form(seen.given, book.fields), seen.version)
    title = supervision_row(work, held)["state_title"]
    words = Text(f"已办理，状态为“{title['zh']}”", f"Done; it is {title['en']}")
    return Go(f"/supervisions/{id}", words)


# --- beside a ticket --------------------------------------------------------------------------------


def beside_ticket(work: Work, held: Held) -> dict[str, Any]:
    """Return what hotline/supervision_section.html shows on the page of a ticket."""
    found = of_ticket(work, held)
    return {
        "light": found.light,
        "light_names": LIGHTS,
        "rows": [supervision_row(work, s) for s in found.rows],
        "offers": [offer_view(o) for o in found.offers],
        "ticket": held.ticket.id,
    }
