"""The pages of the reports: figures, overdue lists, and the monthly bulletin to print."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from flask import Flask, current_app, render_template
from markupsafe import Markup

from core.errors import Invalid
from core.periods import KINDS
from core.text import Text
from core.work import Work
from hotline.reports.bulletin import Bulletin, read_bulletin
from hotline.reports.export import COUNTED
from hotline.reports.findings.counting import count_flags
from hotline.reports.model import DIMENSIONS, HANDLER, OFFICE
from hotline.reports.names import Names, limit_titles
from hotline.reports.overdue import list_overdue
from hotline.reports.rates import MEASURES, ahead_of
from hotline.reports.reading import OVERDUE, REPORT, export
from hotline.reports.report import Report, read_report, sees_all, wanted
from web.charts import bar_chart, line_chart, number
from web.pages import File, Page, Pages, Seen
from web.words import words

pages = Pages("hotline_reports")

WHO = OFFICE | {HANDLER}
BARS = 12
PAGE = 50


@pages.show("/hotline/reports", who=WHO, summary=Text("热线报表", "Reports of the hotline"))
def reports(work: Work, seen: Seen) -> Page:
    """Show the report of a period."""
    try:
        asked = wanted(work, seen.query)
        found = read_report(work, asked)
        flags = count_flags(work, asked)
    except Invalid as wrong:
        return Page("hotline/reports.html", {**_common(work), "seen": _again(seen, wrong)}, 422)
    by = asked.by
    drawn = {"lines": _lines(found), "bars": _bars(found, by)}
    return Page("hotline/reports.html", {**_common(work), **drawn, "found": found, "flags": flags})


@pages.show("/hotline/reports/overdue", who=WHO, summary=Text("逾期清单", "Limits that were not kept"))
def overdue(work: Work, seen: Seen) -> Page:
    """Show what is overdue or was met late in the period."""
    try:
        asked = wanted(work, seen.query)
        found = list_overdue(work, asked, limit=PAGE, cursor=seen.query.get("cursor") or None)
    except Invalid as wrong:
        return Page("hotline/reports_overdue.html", {**_common(work), "seen": _again(seen, wrong)}, 422)
    return Page("hotline/reports_overdue.html", {**_common(work), "found": found})


@pages.show("/hotline/reports/bulletin", who=WHO, summary=Text("热线月报", "Monthly bulletin"))
def bulletin(work: Work, seen: Seen) -> Page:
    """Show the bulletin of a month, to be printed."""
    return Page("hotline/bulletin.html", _bulletin(work, read_bulletin(work, seen.query)))


@pages.show(
    "/hotline/reports/export/<form>",
    who=WHO,
    summary=Text("导出热线报表", "Save the report as a file"),
    step_up=True,
)
def save_report(work: Work, seen: Seen, form: str) -> File:
    """Save the report of a period as a file for a spreadsheet."""
    made = export(work, seen.query, REPORT, form)
    return File(made.name, made.media_type, made.file)


@pages.show(
    "/hotline/reports/overdue/export/<form>",
    who=WHO,
    summary=Text("导出逾期清单", "Save the list as a file"),
    step_up=True,
)
def save_overdue(work: Work, seen: Seen, form: str) -> File:
    """Save the whole overdue list as a file for a spreadsheet."""
    made = export(work, seen.query, OVERDUE, form)
    return File(made.name, made.media_type, made.file)


def bulletin_alone(app: Flask, work: Work, found: Bulletin, language: str) -> str:
    """Return a bulletin as one HTML file that needs nothing else."""
    with app.test_request_context(f"/hotline/reports/bulletin?lang={language}"):
        style = Path(cast(str, current_app.static_folder), "bulletin.css").read_text(encoding="utf-8")
        context = {**_bulletin(work, found), "style": Markup(style)}
        return render_template("hotline/bulletin_alone.html", **context)


def _again(seen: Seen, wrong: Invalid) -> Seen:
    return Seen(seen.query, seen.form, wrong.errors)


def _common(work: Work) -> dict[str, Any]:
    names = Names(work)
    return {
        "found": None,
        "kinds": KINDS,
        "dimensions": DIMENSIONS,
        "counted": COUNTED,
        "measures": MEASURES,
        "ahead_of": ahead_of,
        "number": number,
        "names": names,
        "titles": limit_titles(names.book),
        "choices": {name: _choices(names, name) for name in ("unit", "category", "channel")},
        "sees_all": sees_all(work),
    }


def _choices(names: Names, dimension: str) -> list[tuple[str, Text]]:
    return list(names.choices(dimension).items())


def _bulletin(work: Work, found: Bulletin) -> dict[str, Any]:
    report = found.report
    return {
        **_common(work),
        "found": report,
        "flags": found.flags,
        "overdue": found.overdue,
        "lines": _lines(report),
        "bars_by": {name: _bars(report, name) for name in DIMENSIONS},
    }


def _lines(found: Report) -> Markup | None:
    """Draw how many tickets came in and were closed in each part; a single part needs no chart."""
    if len(found.parts) < 2:
        return None
    title = found.wanted.period.title
    named = (words(COUNTED["received"]), words(COUNTED["closed"]))
    lines = [
        (named[0], [part.received for part in found.parts]),
        (named[1], [part.closed for part in found.parts]),
    ]
    labels = [part.period.name[5:] for part in found.parts]
    return _drawn(
        line_chart(
            "lines",
            words(Text(f"{title.zh}受理和办结走势", f"Tickets received and closed over {title.en}")),
            words(
                Text(
                    "实线为受理，虚线为办结；数值见图下的表",
                    "The solid line is received, the dashed one closed; the table below has the numbers",
                )
            ),
            labels,
            lines,
        )
    )


def _bars(found: Report, by: str) -> Markup | None:
    """Draw the groups with the most tickets."""
    rows = [(words(row.title), row.counts.received) for row in found.rows[by] if row.counts.received]
    if len(rows) < 2:
        return None
    title = DIMENSIONS[by]
    named = words(Text(f"各{title.zh}受理工单数", f"Tickets received by {title.en.lower()}"))
    below = words(Text("数值见图下的表", "The table below has the numbers"))
    return _drawn(bar_chart(f"bars-{by}", named, below, rows[:BARS]))


def _drawn(svg: str) -> Markup:
    """Hand a chart to the template: whatever words it holds are escaped already."""
    return Markup(svg)
