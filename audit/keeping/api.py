"""Erasures over HTTP: asking for one, deciding, following it."""

from __future__ import annotations

from audit.keeping.erasure import (
    ASKERS,
    DECIDERS,
    decide_erasure,
    find_erasure,
    list_erasures,
    request_erasure,
)
from audit.keeping.present import erasure_view
from core.text import Text
from core.work import Work
from web.http import Call, Reply, Routes, listing

routes = Routes("audit_keeping")


@routes.add(
    "GET",
    "/api/audit/erasures",
    who=DECIDERS,
    response="response/audit_erasures",
    query={"state": Text("状态", "state")},
    paged=True,
    summary=Text("正文删除列表", "List erasures of bodies"),
)
def erasures(work: Work, call: Call) -> Reply:
    """List the erasures that were asked for, the newest first."""
    page = list_erasures(work, call.query.get("state") or None, call.limit, call.cursor)
    return listing([erasure_view(work, erasure) for erasure in page.rows], page.next_cursor)


@routes.add(
    "POST",
    "/api/audit/erasures",
    who=ASKERS,
    request="request/audit_erasure",
    response="response/audit_erasure",
    status=201,
    summary=Text("申请删除正文", "Ask that bodies be erased"),
)
def request(work: Work, call: Call) -> Reply:
    """Ask that the bodies of records be erased; somebody else decides."""
    body = call.body
    made = request_erasure(work, body["records"], body["basis"], body["document"])
    return Reply(erasure_view(work, made), 201, {"Location": f"/api/audit/erasures/{made.id}"})


@routes.add(
    "GET",
    "/api/audit/erasures/<erasure_id>",
    who=DECIDERS,
    response="response/audit_erasure",
    summary=Text("查看一项正文删除", "Show an erasure"),
)
def erasure(work: Work, call: Call, erasure_id: str) -> Reply:
    """Show one erasure and how far it has come."""
    return Reply(erasure_view(work, find_erasure(work, erasure_id)))


@routes.add(
    "POST",
    "/api/audit/erasures/<erasure_id>/decision",
    who=DECIDERS,
    request="request/audit_erasure_decision",
    response="response/audit_erasure",
    summary=Text("决定是否删除正文", "Decide on an erasure"),
    step_up=True,
)
def decision(work: Work, call: Call, erasure_id: str) -> Reply:
    """Decide on an erasure that somebody else asked for. The bodies go within a minute of a grant."""
    body = call.body
    return Reply(erasure_view(work, decide_erasure(work, erasure_id, body["grant"], body.get("remark"))))
