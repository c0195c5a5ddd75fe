"""The pages of tickets: queues, batches, one ticket with its steps, its caller, its papers, its reply."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from audit.log import record
from cases.attachments import MOST_BYTES, name_of
from cases.timing import book_of
from core.errors import Invalid, NotFound, Refusal, invalid
from core.text import Text
from core.work import Work
from hotline.book import coded, hotline_book
from hotline.callers import unmask
from hotline.desk.forms import batch_steps
from hotline.duplicates import tickets_of_phone
from hotline.inquiries.asking import lookups, prepare_lookup
from hotline.inquiries.model import Found
from hotline.inquiries.road import ask
from hotline.lights import LIGHTS, lights_of
from hotline.model import Held, Wanted
from hotline.papers import attach_paper, may_read_papers, read_paper
from hotline.people import ACTING, DESK, READERS
from hotline.present import ticket_line, ticket_row, ticket_view
from hotline.queues import COUNTED, QUEUES, counts, narrowed, provisional, queues_of
from hotline.replies import reply_sheet
from hotline.supervising.console import beside_ticket
from hotline.tickets import MOST_AT_ONCE, act_on_ticket, act_on_tickets, find_ticket, list_tickets
from matters.acting import find_matter
from matters.forms import form_shown, read_form
from rules.clocks import is_past
from rules.rulebook import Rulebook
from web.auth import admit, session_actor
from web.kit import Kit
from web.pages import File, Go, Page, Pages, Seen

pages = Pages("tickets")

DISPATCHERS = frozenset({"operator", "dispatcher"})
PAGE, SHORT = 25, 10
FILTERS = ("q", "state", "category", "channel", "place", "lead", "from", "until")


# --- queues ---------------------------------------------------------------------------------------


@pages.show("/tickets", who=READERS, summary=Text("工单", "Tickets"))
def tickets(work: Work, seen: Seen) -> Page:
    """Show one of the reader's queues, narrowed down as the address says."""
    book = hotline_book(work)
    mine = queues_of(work)
    tab = seen.query.get("tab", "")
    shown = tab if tab in QUEUES else next(iter(mine))
    found = list_tickets(
        work, narrowed(work, QUEUES[shown], seen.query), PAGE, seen.query.get("cursor") or None
    )
    context = {
        "seen": seen,
        "queues": {**mine, shown: QUEUES[shown]},
        "tab": shown,
        "counts": counts(work, mine),
        "counted": COUNTED,
        "asked": {name: seen.query.get(name, "") for name in FILTERS},
        "filters": _filters(work, book),
        "next_cursor": found.next_cursor,
        **_listed(work, found.rows),
        "steps": batch_steps(work, book) if shown == "to_dispatch" else {},
        "units": _units(work),
        "chosen": seen.form.getlist("ids"),
        "may_look_up": not DESK.isdisjoint(work.actor.roles),
    }
    return Page("hotline/tickets.html", context)


def _filters(work: Work, book: Rulebook) -> dict[str, Any]:
    return {
        "states": {name: s.title for name, s in book.workflow("ticket").states.items()},
        "categories": coded(book, "categories"),
        "channels": coded(book, "channels"),
        "places": work.settings.hotline.places,
    }


def _listed(work: Work, rows: Any) -> dict[str, Any]:
    ids = [held.ticket.id for held in rows]
    moving = provisional(work, ids)
    return {
        "rows": [{**_row(work, held), "provisional": held.ticket.id in moving} for held in rows],
        "lights": lights_of(work, ids),
        "light_names": LIGHTS,
    }


def _row(work: Work, held: Held) -> dict[str, Any]:
    """Return a line of a list with whether it is late."""
    return {**ticket_line(work, held), "late": is_past(held.ticket.due_at, work.now)}


def _units(work: Work) -> dict[str, Text]:
    return {d.id: d.name for d in work.settings.departments.values() if d.hotline_unit}


@pages.form(
    "/tickets/actions/lookup", who=DESK, summary=Text("按来电号码查工单", "Find by number"), again=tickets
)
def look_up_on_page(work: Work, seen: Seen) -> Page:
    """Show the tickets of whoever called from a number, which stays out of the address."""
    found = tickets_of_phone(work, seen.form.get("phone", ""))
    return Page("hotline/tickets_found.html", _listed(work, found))


@pages.form(
    "/tickets/actions/batch", who=DISPATCHERS, summary=Text("批量派单", "Dispatch several"), again=tickets
)
def act_on_several(work: Work, seen: Seen) -> Page:
    """Give the chosen tickets to a unit, each by itself; show what became of each."""
    book = hotline_book(work)
    action = seen.form.get("action", "")
    if action not in batch_steps(work, book):
        raise invalid("/action", "不能批量办理这一步", "is no step for several tickets", code="enum")
    ids = list(dict.fromkeys(seen.form.getlist("ids")))
    if not 1 <= len(ids) <= MOST_AT_ONCE:
        raise invalid("/ids", "请勾选工单", "choose the tickets", code="required")
    done = act_on_tickets(work, ids, action, _typed(seen, book, leaving=("ids", "action")))
    kept = [outcome for _, outcome in done if not isinstance(outcome, Refusal)]
    record(work, "ticket.batch", {"action": action, "asked": len(done), "done": len(kept)})
    outcomes = [_outcome(work, ticket_id, outcome) for ticket_id, outcome in done]
    return Page("hotline/tickets_batch.html", {"outcomes": outcomes, "done": len(kept)})


def _outcome(work: Work, ticket_id: str, outcome: Held | Refusal) -> dict[str, Any]:
    if not isinstance(outcome, Refusal):
        return {"row": ticket_row(work, outcome), "wrong": ()}
    wrong = [e.message for e in outcome.errors] if isinstance(outcome, Invalid) else [outcome.message]
    try:
        return {"row": ticket_row(work, find_ticket(work, ticket_id)), "wrong": wrong}
    except NotFound:
        return {"row": None, "wrong": wrong}


# --- one ticket -----------------------------------------------------------------------------------


@pages.show("/tickets/<id>", who=READERS, summary=Text("查看工单", "Ticket"))
def ticket(work: Work, seen: Seen, id: str, action: str = "", code: str = "") -> Page:
    """Show a ticket: what it is about, its limits, what was done and what may be."""
    return Page("hotline/ticket.html", _ticket(work, seen, find_ticket(work, id)))


def _ticket(work: Work, seen: Seen, held: Held) -> dict[str, Any]:
    book, _ = book_of(work, held.case)
    view = ticket_view(work, held)
    same = list_tickets(work, Wanted(matter=held.ticket.matter_id), SHORT + 1, None).rows
    others = [_row(work, h) for h in same if h.ticket.id != held.ticket.id]
    suggested = [u for u in view.get("suggested", ()) if not u["barred"]]
    at_work = not DESK.isdisjoint(work.actor.roles) and held.case.closed_at is None
    return {
        "seen": seen.at_fields(),
        "k": view,
        "late": is_past(held.ticket.due_at, work.now),
        "address": f"/tickets/{held.ticket.id}",
        "forms": {**view, "forms": {a: form_shown(book, f) for a, f in view.get("forms", {}).items()}},
        "rules": book.fields,
        "units": _units(work),
        "suggested": suggested[0]["id"] if suggested else "",
        "same": others[:SHORT],
        "merged_into": _number(work, held.ticket.merged_into),
        "correction_address": _correction_address(work, held),
        "lookups": lookups(work) if at_work else (),
        "supervision": beside_ticket(work, held),
        "may_attach": held.case.closed_at is None and may_read_papers(work, held),
        "has_reply": reply_sheet(work, held) is not None,
    }


def _number(work: Work, ticket_id: str | None) -> str:
    """Return the number of the ticket that another one went into, empty where the reader may not know it."""
    if ticket_id is None:
        return ""
    try:
        return find_ticket(work, ticket_id).ticket.number
    except NotFound:
        return ""


def _correction_address(work: Work, held: Held) -> str:
    """Return the address of the correction that a ticket called for, empty for whoever may not open it."""
    if held.ticket.correction is None:
        return ""
    try:
        return f"/matters/{find_matter(work, held.ticket.correction)[0].id}"
    except NotFound:
        return ""


@pages.form(
    "/tickets/<id>/actions/<action>", who=ACTING, summary=Text("办理工单", "Act on a ticket"), again=ticket
)
def act_on_page(work: Work, seen: Seen, id: str, action: str) -> Go:
    """Take a step of a ticket; whoever gave it away with the step goes back to the list."""
    book, _ = book_of(work, find_ticket(work, id).case)
    held = act_on_ticket(work, id, action, _typed(seen, book), seen.version)
    title = book.workflow("ticket").states[held.case.state].title
    words = Text(
        f"工单 {held.ticket.number} 已办理，状态为“{title.zh}”", f"Done; {held.ticket.number} is {title.en}"
    )
    try:
        find_ticket(work, id)
    except NotFound:
        return Go("/tickets", words)
    return Go(f"/tickets/{id}", words)


def _typed(seen: Seen, book: Rulebook, leaving: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return what was typed for a step; several values of one field one on each line."""
    joined = {name: "\n".join(v for v in seen.form.getlist(name) if v.strip()) for name in seen.given}
    return read_form({n: v for n, v in joined.items() if n not in leaving}, book.fields)


@pages.form(
    "/tickets/<id>/caller",
    who=ACTING,
    summary=Text("查看来电人完整信息", "Show the caller"),
    again=ticket,
    step_up=True,
)
def show_caller(work: Work, seen: Seen, id: str) -> Page:
    """Show who called in the clear, this once, for a reason that is kept."""
    held = find_ticket(work, id)
    clear = unmask(work, held, seen.form.get("reason", ""))
    quiet = Seen(seen.query, type(seen.form)())
    return Page("hotline/ticket.html", {**_ticket(work, quiet, held), "clear": clear})


@pages.show("/tickets/<id>/reply", who=READERS, summary=Text("打印答复", "Print the reply"))
def reply(work: Work, seen: Seen, id: str) -> Page:
    """Show the latest reply in the order that the rulebook gives, to be printed."""
    held = find_ticket(work, id)
    sheet = reply_sheet(work, held)
    if sheet is None:
        raise NotFound("还没有答复", "there is no reply yet")
    return Page("hotline/reply.html", {"k": ticket_row(work, held), "sheet": sheet})


# --- papers and data ------------------------------------------------------------------------------


@pages.form("/tickets/<id>/attachments", who=ACTING, summary=Text("上传附件", "Add a paper"), again=ticket)
def upload_paper(work: Work, seen: Seen, id: str) -> Go:
    """Add a paper to an open ticket."""
    file = seen.files.get("content")
    if file is None or not file.filename:
        raise invalid("/content", "请选择文件", "choose a file", code="required")
    attach_paper(work, id, name=file.filename, content=file.stream.read(MOST_BYTES + 1))
    return Go(f"/tickets/{id}", Text("已上传", "Uploaded"))


@pages.show(
    "/tickets/<id>/attachments/<attachment>", who=ACTING, summary=Text("下载附件", "Download a paper")
)
def download_paper(work: Work, seen: Seen, id: str, attachment: str) -> File:
    """Send a paper to be saved."""
    found, content = read_paper(work, id, attachment)
    return File(name_of(work, found), found.media_type, content)


ASKED = "ask."
"""What the names of the fields of a look-up begin with."""


def _looked_up(kit: Kit, form: Mapping[str, str]) -> Found:
    """Ask the data plane before the page's own transaction: the database waits for no provider."""
    with kit.database.begin() as tx:
        work = kit.work(tx, session_actor(kit, tx, kit.clock()))
        admit(work.actor, DESK)
        values = {n.removeprefix(ASKED): v for n, v in form.items() if n.startswith(ASKED) and v.strip()}
        question = prepare_lookup(work, form.get("ticket", ""), form.get("lookup", ""), values)
    return ask(kit.settings.platform.gateway_url, question)


@pages.form(
    "/tickets/<id>/lookups",
    who=DESK,
    summary=Text("为工单查询数据", "Look data up for a ticket"),
    again=ticket,
    ahead=_looked_up,
)
def show_lookup(work: Work, seen: Seen, id: str) -> Page:
    """Show what the data plane answered, its refusals included."""
    found: Found = seen.ahead
    document = found.document if isinstance(found.document, dict) else {}
    answer = {"status": found.status, "record": found.record, "rows": document.get("rows")}
    shown = {**answer, "document": found.document}
    return Page("hotline/ticket.html", {**_ticket(work, seen, find_ticket(work, id)), "found": shown})
