"""The monthly bulletin: everything that an office prints and hands on, of one month."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from core.errors import invalid
from core.work import Work
from hotline.reports.findings.counting import Flags, count_flags
from hotline.reports.model import DIMENSIONS
from hotline.reports.overdue import OverdueList, list_overdue
from hotline.reports.report import Report, read_report, wanted

OVERDUE_SHOWN = 30
"""How many overdue limits a bulletin lists; the list itself has them all."""

Told = Callable[[str], object]
"""Is told which part comes next."""
PARTS = ("report", "flags", "overdue")


@dataclass(frozen=True, slots=True)
class Bulletin:
    """What a bulletin holds."""

    report: Report
    flags: Flags
    overdue: OverdueList


def read_bulletin(work: Work, query: Mapping[str, str], told: Told = lambda part: None) -> Bulletin:
    """Work out the bulletin of a month (`month`, such as 2026-02; else the last one that is over).

    Raises Invalid for what names no month.
    """
    asked = wanted(work, {**query, "period": "month", "at": query.get("month", "")})
    month = query.get("month", "")
    if not month:
        asked = replace(asked, period=asked.period.previous)
    elif asked.period.name != month:
        raise invalid("/month", "应写作 2026-02", "must be spelled like 2026-02", code="format")
    told("report")
    report = read_report(work, asked, tuple(DIMENSIONS))
    told("flags")
    flags = count_flags(work, asked)
    told("overdue")
    return Bulletin(report, flags, list_overdue(work, asked, limit=OVERDUE_SHOWN))
