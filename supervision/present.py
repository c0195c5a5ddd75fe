"""Statistics as documents: what the HTTP API answers and what the command line prints as JSON."""

from __future__ import annotations

from typing import Any

from core.periods import Period
from core.text import Text
from core.times import local_iso
from supervision.figures import FAMILIES, UNITS, Figure
from supervision.statistics import Family, Group, Statistics

LINES = {
    "submitted": Text("提交", "submitted"),
    "concluded": Text("办结", "concluded"),
    "permitted": Text("成功", "permitted"),
    "unanswered": Text("拒绝或失败", "refused or failed"),
    "availability": Text("可用率（%）", "availability (%)"),
}
"""What the lines of the charts are called."""


def statistics_view(found: Statistics) -> dict[str, Any]:
    """Return statistics as a document that fits response/statistics."""
    publication = found.publication
    return {
        "period": period_view(found.wanted.period),
        "as_of": local_iso(found.as_of),
        "complete": found.as_of >= found.wanted.period.end_at,
        "department": found.wanted.department,
        "dataset": found.wanted.dataset,
        "public": publication.public,
        "published_every": publication.every,
        "families": [_family(found, family) for family in found.families],
        "top_datasets": [
            {"dataset": d.code, "title": d.title, "provider": d.provider, "permitted": calls}
            for d, calls in found.top
        ],
    }


def period_view(period: Period) -> dict[str, Any]:
    """Return a period with its first and last day."""
    return {
        "kind": period.kind,
        "name": period.name,
        "title": period.title._asdict(),
        "first_day": period.first.isoformat(),
        "last_day": period.last.isoformat(),
    }


def _family(found: Statistics, family: Family) -> dict[str, Any]:
    cite = found.publication.cite if family.published else None
    return {
        "family": family.key,
        "title": FAMILIES[family.key]._asdict(),
        "published": family.published,
        "cite": cite.as_json() if cite else None,
        "figures": [_figure(figure) for figure in family.figures],
        "total": dict(family.total),
        "departments": [_group(g) for g in family.departments],
        "datasets": [{**_group(g), "provider": g.provider} for g in family.datasets],
        "parts": [part.name for part in found.parts],
        "lines": [
            {"line": line.key, "title": LINES[line.key]._asdict(), "values": list(line.values)}
            for line in family.lines
        ],
    }


def _figure(figure: Figure) -> dict[str, Any]:
    return {
        "figure": figure.key,
        "title": figure.title._asdict(),
        "unit": figure.unit,
        "unit_title": UNITS[figure.unit]._asdict(),
        "formula": figure.formula._asdict(),
        "expression": figure.expression,
        "sources": list(figure.sources),
    }


def _group(group: Group) -> dict[str, Any]:
    return {"id": group.id, "title": group.title._asdict(), "values": dict(group.values)}
