"""Checks of data over HTTP: the last report, the history, a check now."""

from __future__ import annotations

from cases.present import label
from catalog.codes import from_url
from catalog.datasets import find_dataset
from catalog.quality.present import report_view, run_row
from catalog.quality.runs import (
    checked_and_kept,
    duty,
    latest_reports,
    list_runs,
    may_check,
    plan_quality,
)
from core.text import Text
from core.work import Work
from web.auth import SIGNED_IN
from web.http import Call, Reply, Routes, listing
from web.kit import kit
from web.roles import ROLES

routes = Routes("quality")


@routes.add(
    "GET",
    "/api/datasets/<code>/quality",
    who=SIGNED_IN,
    response="response/quality",
    summary=Text("数据质量", "Quality of a dataset's data"),
    paged=True,
)
def show(work: Work, call: Call, code: str) -> Reply:
    """Show the newest report of each distribution and the checks before it, newest first."""
    dataset = find_dataset(work, from_url(code))
    found = list_runs(work, dataset, limit=call.limit, cursor=call.cursor)
    leaf = duty(work, dataset)
    beside = {
        "latest": [report_view(work, dataset, run) for run in latest_reports(work, dataset)],
        "may_check": may_check(work, dataset),
        "duty": {
            "by": [label(ROLES.get(r, Text(r, r))) for r in leaf.value["by"]],
            "cite": leaf.cite.as_json(),
        },
    }
    return listing([run_row(row) for row in found.rows], found.next_cursor, beside)


@routes.add(
    "POST",
    "/api/datasets/<code>/quality",
    who={"provider", "platform_manager"},
    request="request/quality_check",
    response="response/quality_report",
    summary=Text("检查数据质量", "Check a dataset's data"),
)
def check(work: Work, call: Call, code: str) -> Reply:
    """Check the data now: the table or else the files, or the distribution of `kind`; it may take minutes."""
    plan = plan_quality(work, from_url(code), call.body.get("kind"))
    with checked_and_kept(work, kit().database, plan) as (after, run):
        return Reply(report_view(after, plan.dataset, run))
