"""What citizens ask over HTTP, with number and query code: how far a ticket is, and to rate the result."""

from __future__ import annotations

import json

from flask import request

from core.text import Text
from core.work import Work
from hotline.citizen.present import progress_view
from hotline.progress import count_guess, progress_of, rate_by_citizen, wrong_code
from web.auth import PUBLIC
from web.http import Call, Reply, Routes
from web.kit import before_answering
from web.problems import problem

routes = Routes("citizen_tickets")


@routes.add(
    "GET",
    "/api/hotline/progress",
    who=PUBLIC,
    response="response/progress",
    query={
        "number": Text("工单编号", "number of the ticket"),
        "code": Text("查询码", "query code"),
    },
    summary=Text("市民查询工单进度", "How far a ticket is, for the citizen"),
)
def progress(work: Work, call: Call) -> Reply:
    """Show how far a ticket is to whoever holds its number and query code."""
    number, code = call.query.get("number", ""), call.query.get("code", "")
    found = progress_of(work, number, code, _source())
    if found is not None:
        return Reply(progress_view(found))
    before_answering(work, lambda own: count_guess(own, number, _source()))
    return _not_opened()


@routes.add(
    "POST",
    "/api/hotline/progress/rating",
    who=PUBLIC,
    request="request/ticket_rating",
    response="response/progress",
    summary=Text("市民评价办理结果", "Rate the handling, as the citizen"),
)
def rate(work: Work, call: Call) -> Reply:
    """Take the citizen's rating of the latest handling."""
    body = call.body
    found = rate_by_citizen(
        work, body["number"], body["code"], body["satisfaction"], body.get("note", ""), _source()
    )
    if found is not None:
        return Reply(progress_view(found))
    count_guess(work, body["number"], _source())
    return _not_opened()


def _not_opened() -> Reply:
    """Answer a wrong guess without raising it: what counts the guess must not be rolled back."""
    document = problem(wrong_code())
    return Reply(json.dumps(document).encode(), document["status"], media_type="application/problem+json")


def _source() -> str:
    return request.remote_addr or ""
