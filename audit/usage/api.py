"""What a department used and gave, over HTTP, for its own scripts. Each look leaves a record."""

from __future__ import annotations

from typing import Any

from audit.questions.present import coverage_view
from audit.usage.parties import PARTIES
from audit.usage.reading import Wanted, read_calls, read_usage, wanted
from core.text import Text
from core.times import local_iso
from core.work import Work
from web.http import Call, Reply, Routes, listing

routes = Routes("audit_usage")

WANTED = {
    "side": Text(
        "consumer（我们用了什么）或 provider（谁用了我们的数据）",
        "consumer: what we used; provider: who used our data",
    ),
    "period": Text(
        "期间：day、week、month、quarter、half_year、year", "day, week, month, quarter, half_year or year"
    ),
    "at": Text("期间内的一天，或期间的写法，如 2026-02", "a day in the period, or its name, such as 2026-02"),
}
BY = {
    "by": Text(
        "分组：dataset、grant、client、consumer、provider", "dataset, grant, client, consumer or provider"
    )
}
NARROWED = {
    "dataset": Text("政务信息资源代码", "code of the dataset"),
    "grant": Text("授权", "the grant"),
    "client": Text("业务系统", "the system that called"),
    "decision": Text("决定", "what was decided"),
}


@routes.add(
    "GET",
    "/api/audit/usage",
    who=PARTIES,
    summary=Text("本部门的使用情况", "What a department used or gave"),
    response="response/audit_usage",
    query={**WANTED, **BY},
    paged=True,
)
def usage(work: Work, call: Call) -> Reply:
    """Return a department's own calls of a period, summed up. That is put on record."""
    found = read_usage(work, wanted(work, call.query), limit=call.limit, cursor=call.cursor)
    more = {
        **_asked(found.wanted),
        "by": found.wanted.by,
        "as_of": local_iso(found.as_of),
        "whole": found.whole,
        "before": {"period": found.wanted.period.previous.name, "whole": found.before},
        "days": list(found.days),
        "coverage": coverage_view(found.coverage),
    }
    return listing(list(found.lines), found.next_cursor, more)


@routes.add(
    "GET",
    "/api/audit/usage/records",
    who=PARTIES,
    summary=Text("本部门的每次调用", "The single calls of a department"),
    response="response/audit_usage_records",
    query={**WANTED, **NARROWED},
    paged=True,
)
def usage_records(work: Work, call: Call) -> Reply:
    """Return a department's own calls of a period one by one, the newest first. That is put on record."""
    asked = wanted(work, call.query)
    found = read_calls(work, asked, call.query, limit=call.limit, cursor=call.cursor)
    items = [{**item, "proof": f"/api/audit/records/{item['id']}/proof"} for item in found.items]
    return listing(items, found.next_cursor, {**_asked(asked), "narrowed": dict(found.narrowed)})


def _asked(asked: Wanted) -> dict[str, Any]:
    period = asked.period
    return {
        "side": asked.side,
        "department": asked.department,
        "period": {"kind": period.kind, "name": period.name, "title": period.title._asdict()},
    }
