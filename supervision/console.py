"""The page of the statistics: tables, charts, and behind each figure its formula and its article."""

from __future__ import annotations

from typing import Any

import orjson
from markupsafe import Markup

from core.errors import Invalid
from core.periods import KINDS
from core.text import Text
from core.work import Work
from supervision.figures import FAMILIES, UNITS, Value
from supervision.present import LINES, statistics_view
from supervision.sheets import SHEET_DATASETS, sheet
from supervision.statistics import Family, Statistics, publication_of, read_statistics, wanted
from web.auth import PUBLIC
from web.charts import bar_chart, line_chart, number
from web.pages import File, Page, Pages, Seen
from web.words import words

pages = Pages("supervision")

PAGE = 25
BARS = 12
LEADING = {"authorisation": "submitted", "calls": "calls_permitted", "availability": "availability"}
"""The figure of each family that is drawn for the departments."""
EMPTY: dict[str, Any] = {
    "found": None,
    "families": FAMILIES,
    "units": UNITS,
    "kinds": KINDS,
    "number": number,
}


@pages.show("/statistics", who=PUBLIC, summary=Text("统计信息", "Statistics"))
def statistics(work: Work, seen: Seen) -> Page:
    """Show the statistics of a period."""
    departments = {d.id: d.name for d in work.settings.departments.values()}
    context = {**EMPTY, "departments": departments, "publication": publication_of(work)}
    try:
        asked = wanted(work, seen.query)
        found = read_statistics(work, asked, limit=PAGE, cursor=seen.query.get("cursor") or None)
    except Invalid as wrong:
        again = Seen(seen.query, seen.form, wrong.errors)
        return Page("supervision/statistics.html", {**context, "seen": again}, 422)
    drawn = {
        "lines": {f.key: _lines(found, f) for f in found.families},
        "bars": {f.key: _bars(found, f) for f in found.families},
        "line_titles": LINES,
    }
    return Page("supervision/statistics.html", {**context, **drawn, "found": found})


@pages.show("/statistics.csv", who=PUBLIC, summary=Text("下载统计信息（CSV）", "Statistics as CSV"))
def download_sheet(work: Work, seen: Seen) -> File:
    """Save the statistics of a period as a table for a spreadsheet, with up to `SHEET_DATASETS` datasets."""
    found = _whole(work, seen)
    name = f"statistics-{found.wanted.period.name}.csv"
    return File(name, "text/csv; charset=utf-8", sheet(found).encode())


@pages.show("/statistics.json", who=PUBLIC, summary=Text("下载统计信息（JSON）", "Statistics as JSON"))
def download_document(work: Work, seen: Seen) -> File:
    """Save the statistics of a period as the document that the HTTP API answers with."""
    found = _whole(work, seen)
    content = orjson.dumps({**statistics_view(found), "next": None})
    return File(f"statistics-{found.wanted.period.name}.json", "application/json", content)


def _whole(work: Work, seen: Seen) -> Statistics:
    return read_statistics(work, wanted(work, seen.query), limit=SHEET_DATASETS)


def _lines(found: Statistics, family: Family) -> Markup | None:
    """Draw what happened in each part of the period; a single part needs no chart."""
    if len(found.parts) < 2:
        return None
    title = Text(
        f"{found.wanted.period.title.zh}{FAMILIES[family.key].zh}走势",
        f"{FAMILIES[family.key].en} over {found.wanted.period.title.en}",
    )
    named = [words(LINES[line.key]) for line in family.lines]
    description = Text(
        "数值见图下的表：" + "、".join(named), "The table below has the numbers: " + ", ".join(named)
    )
    lines = [(name, line.values) for name, line in zip(named, family.lines, strict=True)]
    labels = [part.name[5:] for part in found.parts]
    most = 100 if family.key == "availability" else None
    return _drawn(line_chart(f"lines-{family.key}", words(title), words(description), labels, lines, most))


def _bars(found: Statistics, family: Family) -> Markup | None:
    """Draw the leading figure of the departments, the largest first."""
    key = LEADING[family.key]
    rows = [(words(g.title), g.values[key]) for g in family.departments]
    shown = [(name, value) for name, value in rows if value]
    shown.sort(key=lambda row: -_size(row[1]))
    if len(shown) < 2:
        return None
    figure = next(f for f in family.figures if f.key == key)
    unit = words(UNITS[figure.unit])
    title = Text(f"各部门{figure.title.zh}（{unit}）", f"{figure.title.en} by department ({unit})")
    description = Text("数值见部门表", "The table of departments has the numbers")
    return _drawn(bar_chart(f"bars-{family.key}", words(title), words(description), shown[:BARS]))


def _size(value: Value) -> float:
    return float(value or 0)


def _drawn(svg: str) -> Markup:
    """Hand a chart to the template: whatever words it holds are escaped already."""
    return Markup(svg)
