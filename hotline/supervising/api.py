"""Supervisions over HTTP: opening one about a ticket or about many, listing, acting; and what is flagged."""

from __future__ import annotations

from cases.decisions import DECISIONS
from cases.present import department_view
from core.errors import invalid
from core.text import Text
from core.times import local_iso
from core.work import Work
from hotline.accountability import OVERSEERS, flagged, grounds, units_without_liaison
from hotline.book import hotline_book
from hotline.supervising.acting import act_on_supervision, find_supervision, list_supervisions
from hotline.supervising.model import Supervised, Wanted
from hotline.supervising.opening import offers, open_supervision, open_supervisions
from hotline.supervising.periods import flags_asked
from hotline.supervising.present import (
    flagged_row,
    offer_view,
    opened_view,
    supervision_row,
    supervision_view,
)
from web.auth import SIGNED_IN
from web.http import Call, Reply, Routes, listing

routes = Routes("supervisions")

FILTERS = {
    "workflow": Text("程序", "procedure"),
    "state": Text("状态", "state"),
    "ticket": Text("工单编号", "ticket number"),
    "open": Text("是否未办结（true 或 false）", "whether it is still open (true or false)"),
}
FLAG_FILTERS = {
    "flag": Text("情形", "kind of finding"),
    "unit": Text("承办单位", "unit"),
    "from": Text("受理日期自（缺省为 90 天前）", "taken in from this day; 90 days ago if none is given"),
    "until": Text("受理日期至", "taken in until this day"),
}


def _reply(work: Work, held: Supervised, status: int = 200) -> Reply:
    headers = {"Location": f"/api/supervisions/{held.supervision.id}"} if status == 201 else {}
    return Reply(supervision_view(work, held), status, headers, version=held.case.version)


@routes.add(
    "GET",
    "/api/supervisions",
    who=SIGNED_IN,
    response="response/supervisions",
    query=FILTERS,
    paged=True,
    summary=Text("催办督办列表", "List supervisions"),
)
def supervisions(work: Work, call: Call) -> Reply:
    """List the supervisions that one takes part in, the newest first, and what one may open."""
    asked = {name: call.query.get(name) or None for name in FILTERS}
    if asked["open"] not in (None, "true", "false"):
        raise invalid("/open", "应为 true 或 false", "must be true or false")
    is_open = None if asked["open"] is None else asked["open"] == "true"
    wanted = Wanted(asked["workflow"], asked["state"], asked["ticket"], is_open)
    found = list_supervisions(work, wanted, call.limit, call.cursor)
    rows = [supervision_row(work, held) for held in found.rows]
    return listing(rows, found.next_cursor, {"offers": [offer_view(o) for o in offers(work)]})


@routes.add(
    "POST",
    "/api/supervisions",
    who=SIGNED_IN,
    request="request/supervisions",
    response="response/supervisions_opened",
    summary=Text("批量发起", "Open the same about many tickets"),
)
def open_many(work: Work, call: Call) -> Reply:
    """Open the same procedure about many tickets: of each the draft that was opened, or why there is none.

    Without `tickets` one is opened that is about a unit or a period.
    """
    workflow, draft = call.body["workflow"], call.body.get("fields", {})
    if "tickets" not in call.body:
        return Reply({"items": [opened_view(work, None, open_supervision(work, None, workflow, draft))]})
    opened = open_supervisions(work, call.body["tickets"], workflow, draft)
    return Reply({"items": [opened_view(work, id, outcome) for id, outcome in opened]})


@routes.add(
    "POST",
    "/api/tickets/<ticket_id>/supervisions",
    who=SIGNED_IN,
    request="request/supervision",
    response="response/supervision",
    status=201,
    summary=Text("就工单发起催办督办", "Open a supervision of a ticket"),
)
def open_one(work: Work, call: Call, ticket_id: str) -> Reply:
    """Open a procedure about a ticket, as a draft; beside `workflow` stand the fields of its opening."""
    draft = {name: value for name, value in call.body.items() if name != "workflow"}
    return _reply(work, open_supervision(work, ticket_id, call.body["workflow"], draft), 201)


@routes.add(
    "GET",
    "/api/supervisions/<supervision_id>",
    who=SIGNED_IN,
    response="response/supervision",
    summary=Text("查看催办督办", "Show a supervision"),
)
def supervision(work: Work, call: Call, supervision_id: str) -> Reply:
    """Show one supervision with the packet that it was opened with."""
    return _reply(work, find_supervision(work, supervision_id))


@routes.add(
    "POST",
    "/api/supervisions/<supervision_id>/actions/<action>",
    who=SIGNED_IN,
    response="response/supervision",
    summary=Text("办理催办督办", "Take a step of a supervision"),
    step_up=DECISIONS,
)
def act(work: Work, call: Call, supervision_id: str, action: str) -> Reply:
    """Take one of the `actions` that the supervision offers the caller, with the fields of its form."""
    return _reply(work, act_on_supervision(work, supervision_id, action, call.body, call.if_match))


@routes.add(
    "GET",
    "/api/accountability",
    who=OVERSEERS,
    response="response/flagged",
    query=FLAG_FILTERS,
    paged=True,
    summary=Text("可能涉及问责的工单", "Tickets that something was found about"),
)
def flags(work: Work, call: Call) -> Reply:
    """List the tickets that a ground of accountability fits, for people to weigh."""
    found = flagged(work, flags_asked(call.query, work.now), call.limit, call.cursor)
    rows = [flagged_row(work, held, fits) for held, fits in found.rows]
    units = [department_view(work, unit) for unit in units_without_liaison(work)]
    beside = {"grounds": grounds(hotline_book(work)), "units": units, "as_of": local_iso(work.now)}
    return listing(rows, found.next_cursor, beside)
