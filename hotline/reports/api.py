"""The hotline's reports over HTTP: as JSON, and as files for spreadsheets."""

from __future__ import annotations

from core.text import Text
from core.work import Work
from hotline.reports.findings.counting import count_flags
from hotline.reports.model import HANDLER, OFFICE
from hotline.reports.names import Names
from hotline.reports.overdue import list_overdue
from hotline.reports.present import overdue_row, overdue_view, report_view
from hotline.reports.reading import OVERDUE, REPORT, export
from hotline.reports.report import read_report, wanted
from web.http import Call, Reply, Routes, download_headers, listing

routes = Routes("hotline_reports")

WHO = OFFICE | {HANDLER}
ASKED = {
    "period": Text(
        "期间：day、week、month、quarter、half_year、year",
        "period: day, week, month, quarter, half_year, year",
    ),
    "at": Text("期间内的一天，或期间的写法，如 2026-02", "a day in the period, or its name, such as 2026-02"),
    "by": Text("分组：unit、category、place、channel", "broken down by unit, category, place or channel"),
    "unit": Text("承办单位", "unit"),
    "category": Text("类别，含其下级", "category, with those below it"),
    "place": Text("区划代码，含其下级", "code of a division, with what lies within it"),
    "channel": Text("渠道", "channel"),
    "floor": Text("参加排名的最少件数", "the fewest cases on which a unit is ranked"),
}


@routes.add(
    "GET",
    "/api/hotline/reports",
    who=WHO,
    response="response/hotline_report",
    summary=Text("热线报表", "Report of the hotline"),
    query=ASKED,
)
def report(work: Work, call: Call) -> Reply:
    """Show the report of a period: rates with their formulas, rankings, topics, comparisons."""
    asked = wanted(work, call.query)
    return Reply(report_view(read_report(work, asked), count_flags(work, asked)))


@routes.add(
    "GET",
    "/api/hotline/reports/export/<form>",
    who=WHO,
    summary=Text("导出热线报表（csv 或 xlsx）", "Report of the hotline as csv or xlsx"),
    query=ASKED,
    step_up=True,
)
def report_file(work: Work, call: Call, form: str) -> Reply:
    """Save the report of a period as a file for a spreadsheet; the export goes on record."""
    return _file(work, call, REPORT, form)


@routes.add(
    "GET",
    "/api/hotline/reports/overdue",
    who=WHO,
    response="response/hotline_report_overdue",
    summary=Text("逾期清单", "Limits that were not kept"),
    query=ASKED,
    paged=True,
)
def overdue(work: Work, call: Call) -> Reply:
    """Show what is overdue or was met late in the period, the oldest first; the office reads why."""
    found = list_overdue(work, wanted(work, call.query), limit=call.limit, cursor=call.cursor)
    names = Names(work)
    rows = [overdue_row(names, row) for row in found.rows]
    return listing(rows, found.next_cursor, overdue_view(found))


@routes.add(
    "GET",
    "/api/hotline/reports/overdue/export/<form>",
    who=WHO,
    summary=Text("导出逾期清单（csv 或 xlsx）", "Limits that were not kept, as csv or xlsx"),
    query=ASKED,
    step_up=True,
)
def overdue_file(work: Work, call: Call, form: str) -> Reply:
    """Save the whole list as a file for a spreadsheet; the export goes on record."""
    return _file(work, call, OVERDUE, form)


def _file(work: Work, call: Call, what: str, form: str) -> Reply:
    made = export(work, call.query, what, form)
    return Reply(made.file, headers=download_headers(made.name), media_type=made.media_type)
