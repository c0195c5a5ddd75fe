"""Look-ups over HTTP: what an operator may ask for, and asking for it because of a ticket."""

from __future__ import annotations

from typing import Any

from cases.present import label
from core.text import Text
from core.work import Work
from hotline.inquiries.asking import lookups, prepare_lookup
from hotline.inquiries.model import Found, Lookup
from hotline.inquiries.road import ask
from hotline.people import DESK
from web.http import Call, Reply, Routes

routes = Routes("inquiries")


@routes.add(
    "GET",
    "/api/lookups",
    who=DESK,
    response="response/lookups",
    summary=Text("坐席可查的数据", "What operators may look up"),
)
def list_lookups(work: Work, call: Call) -> Reply:
    """Return the look-ups of the deployment."""
    return Reply({"items": [lookup_view(lookup) for lookup in lookups(work)]})


@routes.add(
    "POST",
    "/api/tickets/<ticket_id>/lookups/<code>",
    who=DESK,
    request="request/lookup",
    response="response/lookup_answer",
    summary=Text("为工单查询数据", "Look data up for a ticket"),
)
def look_up(work: Work, call: Call, ticket_id: str, code: str) -> Reply:
    """Ask the data plane, and answer with what it answered, its refusals included."""
    question = prepare_lookup(work, ticket_id, code, call.body)
    work.tx.commit()  # the database does not wait for the provider
    return Reply(found_view(ask(work.settings.platform.gateway_url, question)))


def lookup_view(lookup: Lookup) -> dict[str, Any]:
    """Return a look-up as JSON: what it is called and what it asks for."""
    return {
        "code": lookup.code,
        "title": label(lookup.title),
        "dataset": lookup.dataset,
        "asks": [
            {"name": a.name, "title": label(a.title), "pattern": a.pattern, "optional": a.optional}
            for a in lookup.asks
        ],
    }


def found_view(found: Found) -> dict[str, Any]:
    """Return an answer as JSON: status and record of the call, the rows or document, or the problem."""
    document = found.document if isinstance(found.document, dict) else {}
    answered = found.status < 400
    return {
        "status": found.status,
        "record": found.record,
        "rows": document.get("rows") if answered else None,
        "document": found.document if answered and "rows" not in document else None,
        "problem": document if not answered else None,
    }
