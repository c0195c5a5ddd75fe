"""Tickets over HTTP: intake, lists, steps one by one and in batches, callers, papers."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from audit.log import record
from cases.attachments import MOST_BYTES, name_of
from core.codes import code_in
from core.errors import Refusal, invalid
from core.text import Text
from core.times import parse_instant
from core.work import Work
from hotline.book import hotline_book
from hotline.callers import caller_seen, unmask
from hotline.duplicates import hints, tickets_of_phone
from hotline.intake import take_in
from hotline.model import Held, Wanted
from hotline.papers import attach_paper, read_paper
from hotline.people import ACTING, DESK, READERS, TAKERS, source_of
from hotline.present import hint_view, paper_view, ticket_row, ticket_view
from hotline.tickets import act_on_ticket, act_on_tickets, find_ticket, list_tickets
from web.http import Call, Reply, Routes, download_headers, listing
from web.problems import problem

routes = Routes("tickets")

FILTERS = {
    "q": Text("编号或摘要中的词", "words of the number or the summary"),
    "state": Text("状态", "state"),
    "flag": Text(
        "状态类别（intake、handling、answered、hung、held、resting）",
        "kind of state (intake, handling, answered, hung, held, resting)",
    ),
    "place": Text("区划代码（含下级）", "division, with what lies within it"),
    "category": Text("类别", "topic"),
    "channel": Text("渠道", "channel"),
    "source": Text(
        "来源（operator、citizen、open311、import、superior）",
        "who took it in (operator, citizen, open311, import, superior)",
    ),
    "lead": Text("主办单位", "lead unit"),
    "dataset": Text("数据集代码", "dataset code"),
    "matter": Text("同一事项", "matter"),
    "open": Text("是否未办结（true 或 false）", "whether it is still open (true or false)"),
    "late": Text("是否逾期（true）", "whether a limit has passed (true)"),
    "hung": Text("是否挂账（true 或 false）", "whether it is hung (true or false)"),
    "satisfied": Text("是否满意（true 或 false）", "whether the caller is satisfied (true or false)"),
    "from": Text("登记时间起", "taken in from"),
    "until": Text("登记时间止（不含）", "taken in before"),
    "order": Text("排序（created 或 due）", "order (created or due)"),
}


def wanted_of(query: Mapping[str, str]) -> Wanted:
    """Return what the parameters of a list narrow it down to. Raises Invalid for one that means nothing."""
    asked = {name: query.get(name) or None for name in FILTERS}
    flags = {name: _flag(name, asked[name]) for name in ("open", "late", "hung", "satisfied")}
    if asked["order"] not in (None, "created", "due"):
        raise invalid("/order", "应为 created 或 due", "must be created or due")
    return Wanted(
        q=asked["q"],
        state=asked["state"],
        flag=asked["flag"],
        place=asked["place"],
        category=asked["category"],
        channel=asked["channel"],
        source=asked["source"],
        lead=asked["lead"],
        matter=asked["matter"],
        dataset=code_in(asked["dataset"]) if asked["dataset"] else None,
        is_open=flags["open"],
        late=flags["late"],
        hung=flags["hung"],
        satisfied=flags["satisfied"],
        created_from=_instant("from", asked["from"]),
        created_until=_instant("until", asked["until"]),
        by_due=asked["order"] == "due",
    )


def _flag(name: str, value: str | None) -> bool | None:
    if value not in (None, "true", "false"):
        raise invalid(f"/{name}", "应为 true 或 false", "must be true or false")
    return None if value is None else value == "true"


def _instant(name: str, value: str | None) -> datetime | None:
    if value is None:
        return None
    try:
        return parse_instant(value)
    except ValueError:
        raise invalid(f"/{name}", "不是有效的时间", "is not an instant", code="format") from None


def _reply(work: Work, held: Held) -> Reply:
    return Reply(ticket_view(work, held), version=held.case.version)


# --- tickets --------------------------------------------------------------------------------------


@routes.add(
    "POST",
    "/api/tickets",
    who=TAKERS,
    request="request/ticket",
    response="response/ticket_taken",
    status=201,
    summary=Text("登记工单", "Take in a ticket"),
)
def take_one_in(work: Work, call: Call) -> Reply:
    """Take in a ticket; the answer holds the citizen's query code, this once."""
    held, code = take_in(work, {**call.body, "source": source_of(work.actor)})
    headers = {"Location": f"/api/tickets/{held.ticket.id}"}
    told = {**ticket_row(work, held), "caller": caller_seen(work, held), "code": code}
    return Reply(told, 201, headers, version=held.case.version)


@routes.add(
    "GET",
    "/api/tickets",
    who=READERS,
    response="response/tickets",
    query=FILTERS,
    paged=True,
    summary=Text("工单列表", "List tickets"),
)
def tickets(work: Work, call: Call) -> Reply:
    """List the tickets that one takes part in, the newest first, or those first that fall due first."""
    hotline_book(work)
    page = list_tickets(work, wanted_of(call.query), call.limit, call.cursor)
    return listing([ticket_row(work, held) for held in page.rows], page.next_cursor)


@routes.add(
    "GET",
    "/api/tickets/<ticket_id>",
    who=READERS,
    response="response/ticket",
    summary=Text("查看工单", "Show a ticket"),
)
def ticket(work: Work, call: Call, ticket_id: str) -> Reply:
    """Show one ticket, its caller masked."""
    return _reply(work, find_ticket(work, ticket_id))


@routes.add(
    "POST",
    "/api/tickets/<ticket_id>/actions/<action>",
    who=ACTING,
    response="response/ticket",
    summary=Text("办理工单", "Take a step of a ticket"),
)
def act(work: Work, call: Call, ticket_id: str, action: str) -> Reply:
    """Take one of the `actions` that the ticket offers the caller, with the fields that its form names.

    Whoever gives the ticket away with the step is shown its number and state.
    """
    held = act_on_ticket(work, ticket_id, action, call.body, call.if_match)
    return _reply(work, held)


@routes.add(
    "POST",
    "/api/tickets/batch/<action>",
    who=ACTING,
    request="request/ticket_batch",
    response="response/ticket_batch",
    summary=Text("批量办理工单", "Take the same step of several tickets"),
)
def act_on_several(work: Work, call: Call, action: str) -> Reply:
    """Take the same step of up to 200 tickets; each is done or refused by itself."""
    done = act_on_tickets(work, call.body["ids"], action, call.body.get("fields", {}))
    named = {"action": action} if _done(done) else {}  # what nothing was done by may be any words
    record(work, "ticket.batch", {**named, "asked": len(done), "done": _done(done)})
    return Reply({"items": [_outcome(ticket_id, result) for ticket_id, result in done], "done": _done(done)})


def _done(results: list[tuple[str, Held | Refusal]]) -> int:
    return sum(1 for _, result in results if not isinstance(result, Refusal))


def _outcome(ticket_id: str, result: Held | Refusal) -> dict[str, Any]:
    if isinstance(result, Refusal):
        return {"id": ticket_id, "done": False, "problem": problem(result)}
    return {"id": ticket_id, "done": True, "number": result.ticket.number, "state": result.case.state}


# --- callers --------------------------------------------------------------------------------------


@routes.add(
    "POST",
    "/api/tickets/<ticket_id>/caller",
    who=ACTING,
    request="request/ticket_unmask",
    response="response/ticket_caller",
    summary=Text("查看来电人完整信息（须写明理由，记录在案）", "Show the caller in the clear, for a reason"),
    step_up=True,
)
def caller(work: Work, call: Call, ticket_id: str) -> Reply:
    """Show who called, in the clear; who asked and why is kept."""
    return Reply(unmask(work, find_ticket(work, ticket_id), call.body["reason"]))


@routes.add(
    "POST",
    "/api/tickets/lookup",
    who=DESK,
    request="request/ticket_lookup",
    response="response/ticket_found",
    summary=Text("按电话号码查找工单", "Look tickets up by a phone number"),
)
def look_up(work: Work, call: Call) -> Reply:
    """List the tickets of whoever called from a number; the look-up is on record, the number is not."""
    hotline_book(work)
    return Reply({"items": [ticket_row(work, held) for held in tickets_of_phone(work, call.body["phone"])]})


@routes.add(
    "POST",
    "/api/tickets/hints",
    who=DESK,
    request="request/ticket_hints",
    response="response/ticket_hints",
    summary=Text("可能重复的工单", "Earlier tickets that may be about the same matter"),
)
def similar(work: Work, call: Call) -> Reply:
    """List earlier tickets that may be about the same matter as what is being typed."""
    hotline_book(work)
    found = hints(work, call.body)
    record(work, "ticket.hinted", {"found": len(found)})
    return Reply({"items": [hint_view(work, hint) for hint in found]})


# --- papers ---------------------------------------------------------------------------------------


@routes.add(
    "POST",
    "/api/tickets/<ticket_id>/attachments",
    who=ACTING,
    response="response/application_attachment",
    status=201,
    query={"name": Text("文件名", "file name")},
    takes_bytes=MOST_BYTES,
    summary=Text("上传工单附件（请求体为文件内容，加密保存）", "Add a paper to a ticket, kept encrypted"),
)
def add_paper(work: Work, call: Call, ticket_id: str) -> Reply:
    """Add a paper to an open ticket."""
    made = attach_paper(work, ticket_id, name=call.query.get("name", ""), content=call.content)
    view = paper_view(work, find_ticket(work, ticket_id), made)
    return Reply(view, 201, {"Location": view["url"]})


@routes.add(
    "GET",
    "/api/tickets/<ticket_id>/attachments/<attachment_id>",
    who=ACTING,
    summary=Text("下载工单附件", "Download a paper of a ticket"),
)
def paper(work: Work, call: Call, ticket_id: str, attachment_id: str) -> Reply:
    """Send the content of a paper, to be saved and never to be shown in place."""
    found, content = read_paper(work, ticket_id, attachment_id)
    return Reply(content, media_type=found.media_type, headers=download_headers(name_of(work, found)))
