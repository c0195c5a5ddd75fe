"""Statistics on the command line: all that the platform manager sees."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from core.work import Work
from supervision.figures import FAMILIES, UNITS
from supervision.present import statistics_view
from supervision.statistics import OVERSEERS, Statistics, read_statistics, wanted

MOST = 10_000

Shown = tuple[Statistics, Mapping[str, Any], list[tuple[Any, ...]]]


def shown(
    work: Work, period: str | None, start: str | None, department: str | None, dataset: str | None
) -> Shown:
    """Return statistics, the document that the HTTP API answers with, and the rows of a table."""
    overseer = replace(work.actor, roles=work.actor.roles | set(OVERSEERS))
    asked = {"period": period, "from": start, "department": department, "dataset": dataset}
    work = work.acting_as(overseer)
    found = read_statistics(work, wanted(work, {k: v for k, v in asked.items() if v}), limit=MOST)
    rows = [
        (FAMILIES[family.key].zh, f.title.zh, family.total[f.key], UNITS[f.unit].zh, f.formula.zh)
        for family in found.families
        for f in family.figures
    ]
    return found, {**statistics_view(found), "next": None}, rows
