"""The log at a glance, and the state of the log itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from audit.alarms import alarms, unreadable
from audit.columns.coverage import Coverage
from audit.console import names_in, names_of, words_of_records
from audit.keeping.past import past_logs
from audit.log import record
from audit.overview.anomalies import find_anomalies
from audit.overview.state import fingerprint, log_state
from audit.place import log_folder
from audit.questions.present import coverage_words
from audit.questions.statistics import Statistics, read_statistics
from audit.reading import QUERY
from audit.standing import UNREADABLE
from core.errors import Invalid, Unavailable
from core.periods import KINDS, day_of
from core.text import Text
from core.work import Work
from web.charts import bar_chart, line_chart, number
from web.kit import before_answering
from web.pages import Page, Pages, Seen
from web.words import department, words

pages = Pages("audit_overview")

AUDITOR = frozenset({"auditor"})
LINES = ("permitted", "refused", "failed")


# --- the figures of a period ----------------------------------------------------------------------


@pages.show("/records/overview", who=AUDITOR, summary=Text("日志概览", "The log at a glance"))
def overview(work: Work, seen: Seen) -> Page:
    """Show the figures of a period and what stands out in it; that is put on record."""
    context = {
        **words_of_records(work),
        "periods": KINDS,
        "number": number,
        "departments": {d.id: d.name for d in work.settings.departments.values()},
        "found": None,
    }
    try:
        found = read_statistics(work, {k: v for k, v in seen.query.items() if v})
    except Invalid as wrong:
        again = Seen(seen.query, seen.form, wrong.errors)
        return Page("audit/overview.html", {**context, "seen": again}, 422)
    datasets = [str(line["name"]) for line in found.datasets if line["name"]]
    anomalies = find_anomalies(work, found.period.start_at, found.period.end_at)
    examples = [row for anomaly in anomalies if anomaly.found for row in anomaly.found.shown()]
    shown = {
        "found": found,
        "basis": coverage_words(found.coverage),
        "anomalies": anomalies,
        "names": names_in(work, examples),
        "titles": names_of(work, "dataset", datasets),
        "charts": _charts(work, found),
    }
    return Page("audit/overview.html", {**context, **shown})


def _charts(work: Work, found: Statistics) -> dict[str, Markup | None]:
    reasons = words_of_records(work)["reasons"]
    titles = names_of(work, "dataset", [str(line["name"]) for line in found.datasets if line["name"]])
    return {
        "days": _days(found),
        "consumers": _bars(
            "consumers", Text("调用最多的部门", "Departments that called most"), found.consumers, department
        ),
        "datasets": _bars(
            "datasets",
            Text("调用最多的数据集", "Datasets called most"),
            found.datasets,
            lambda code: titles.get(code, code),
        ),
        "reasons": _bars(
            "reasons",
            Text("拒绝和失败的理由", "Why calls were refused or failed"),
            [{**line, "name": line["reason"]} for line in found.reasons],
            lambda code: words(reasons.get(code, code)),
        ),
    }


def _bars(id: str, title: Text, lines: Any, name: Any) -> Markup | None:
    """Draw a ranking; a single line needs no chart."""
    unknown = words(Text("不明", "Unknown"))
    bars = [(name(line["name"]) if line["name"] else unknown, int(line["calls"] or 0)) for line in lines]
    beside = words(Text("数值见下表", "The table below has the numbers"))
    return Markup(bar_chart(id, words(title), beside, bars)) if len(bars) > 1 else None


def _days(found: Statistics) -> Markup | None:
    """Draw the calls of each day up to now, or of each month; a single part needs no chart."""
    parts = [part for part in found.period.parts() if part.first <= day_of(found.as_of)]
    if len(parts) < 2:
        return None
    sums = [dict.fromkeys(LINES, 0) for _ in parts]
    for line in found.days:
        day = str(line["day"])
        at = next((i for i, p in enumerate(parts) if p.first.isoformat() <= day < p.end.isoformat()), None)
        for name in LINES if at is not None else ():
            sums[at or 0][name] += int(line[name] or 0)
    lines = [(name, [one[name] for one in sums]) for name in LINES]
    title = words(Text(f"{found.period.title.zh}调用", f"Calls of {found.period.title.en}"))
    beside = words(Text("数值见下表", "The table below has the numbers"))
    return Markup(line_chart("days", title, beside, [p.name[5:] for p in parts], lines))


# --- the state of the log -------------------------------------------------------------------------


def _basis(coverage: Coverage | Unavailable) -> Text:
    return coverage.message if isinstance(coverage, Unavailable) else coverage_words(coverage)


@pages.show("/records/log", who=AUDITOR, summary=Text("日志状态", "State of the log"))
def state(work: Work, seen: Seen) -> Page:
    """Show how far the log is sealed, witnessed and stamped, and how it is kept; that is put on record.

    While its files cannot be read, only the alarms are shown.
    """
    told = alarms(work.settings, work.now)
    try:
        found, past = log_state(work), past_logs(log_folder(work.settings))
    except UNREADABLE as wrong:
        found, past = None, []
        told = told or [unreadable(wrong)]
    before_answering(work, lambda later: record(later, QUERY, {"query": {"state": "log"}, "rows": 1}))
    context: Mapping[str, Any] = {
        "found": found,
        "basis": None if found is None else _basis(found.coverage),
        "alarms": told,
        "past": past,
        "origin": work.settings.platform.log_origin,
        "rules": work.settings.audit,
        "fingerprint": fingerprint,
    }
    return Page("audit/log.html", context)
