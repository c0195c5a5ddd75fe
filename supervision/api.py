"""The statistics over HTTP: as JSON and as a table for spreadsheets."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from urllib.parse import quote, urlencode

import orjson
from flask import request

from core.text import Text
from core.work import Work
from supervision.present import statistics_view
from supervision.sheets import SHEET_DATASETS, sheet
from supervision.statistics import Statistics, read_statistics, wanted
from web.auth import PUBLIC
from web.http import Call, Reply, Routes

routes = Routes("supervision")

ASKED = {
    "period": Text(
        "期间：day、week、month、quarter、half_year、year",
        "period: day, week, month, quarter, half_year, year",
    ),
    "from": Text(
        "期间内的一天，或期间的写法，如 2026-02", "a day in the period, or its name, such as 2026-02"
    ),
    "department": Text("部门", "department"),
    "dataset": Text("数据集代码", "dataset code"),
}
FRESH_SECONDS = 60
"""How long anybody may keep an answer that anybody may have."""


@routes.add(
    "GET",
    "/api/statistics",
    who=PUBLIC,
    response="response/statistics",
    summary=Text("统计信息", "Statistics"),
    query=ASKED,
    paged=True,
)
def statistics(work: Work, call: Call) -> Reply:
    """Show the statistics of a period: whole, by department, and a page of datasets."""
    found = read_statistics(work, wanted(work, call.query), limit=call.limit, cursor=call.cursor)
    document = {**statistics_view(found), "next": _next(found)}
    return _kept(work, found, Reply(document))


@routes.add(
    "GET",
    "/api/statistics.csv",
    who=PUBLIC,
    summary=Text("统计信息（CSV）", "Statistics as CSV"),
    query={**ASKED, "cursor": Text("游标", "cursor of the page")},
)
def statistics_sheet(work: Work, call: Call) -> Reply:
    """Show the same as a table for a spreadsheet, with all datasets; the Link header leads on if need be."""
    found = read_statistics(work, wanted(work, call.query), limit=SHEET_DATASETS, cursor=call.cursor)
    name = quote(f"statistics-{found.wanted.period.name}.csv")
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return _kept(work, found, Reply(sheet(found), headers=headers, media_type="text/csv; charset=utf-8"))


def _next(found: Statistics) -> str | None:
    if found.next_cursor is None:
        return None
    return f"{request.path}?{urlencode({**request.args.to_dict(), 'cursor': found.next_cursor})}"


def _kept(work: Work, found: Statistics, reply: Reply) -> Reply:
    """Let caches keep what anybody may see, and answer 304 to whoever has it already (RFC 9110, 9111)."""
    following = _next(found)
    headers = {**reply.headers, "Vary": "Authorization"}
    if following:
        headers["Link"] = f'<{following}>; rel="next"'
    if work.actor.login:
        return replace(reply, headers=headers)
    tag = _tag(found, reply.media_type)
    headers |= {"ETag": f'W/"{tag}"', "Cache-Control": f"public, max-age={FRESH_SECONDS}"}
    if request.if_none_match.contains_weak(tag):
        return Reply(b"", 304, headers, media_type="text/plain")
    return replace(reply, headers=headers)


def _tag(found: Statistics, media_type: str) -> str:
    """Return a digest of everything that an answer says but the instant as of which it says it."""
    document = {**statistics_view(found), "as_of": None, "media_type": media_type}
    return hashlib.sha256(orjson.dumps(document)).hexdigest()[:32]
