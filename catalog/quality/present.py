"""How checks look: the report as it is kept, and as much of it as the viewer may see."""

from __future__ import annotations

from typing import Any

from cases.present import label
from catalog.model import KINDS, Dataset
from catalog.present import relation_to
from catalog.quality.model import RULES, Finding, Freshness, Origin, Report, Run
from core.text import Text
from core.times import local_iso
from core.work import Work

INSIDERS = frozenset({"provider", "platform_manager"})
"""Who sees examples and the names of tables and files; others see counts."""


def report_document(dataset: Dataset, report: Report) -> dict[str, Any]:
    """Return a report as JSON, as it is kept; no value in it is whole."""
    titles = {a["name"]: a["title"] for a in dataset.document["attributes"]}
    return {
        "kind": report.kind,
        "kind_title": label(KINDS[report.kind]),
        "at": local_iso(report.at),
        "rows": report.rows,
        "duration_ms": report.duration_ms,
        "rules": len(report.findings),
        "failed_rules": report.failed_rules,
        "unfinished": _label(report.unfinished),
        "findings": [_finding(f, titles) for f in report.findings],
        "freshness": _freshness(report.freshness),
        "sources": [_origin(o) for o in report.origins],
    }


def _finding(finding: Finding, titles: dict[str, str]) -> dict[str, Any]:
    return {
        "rule": finding.rule,
        "title": label(RULES[finding.rule]),
        "attribute": finding.attribute,
        "attribute_title": titles.get(finding.attribute or ""),
        "expected": _label(finding.expected),
        "checked": finding.checked,
        "failed": finding.failed,
        "samples": [
            {"source": s.source, "row": s.row, "key": list(s.key), "value": s.value} for s in finding.samples
        ],
    }


def _freshness(fresh: Freshness | None) -> dict[str, Any] | None:
    if fresh is None:
        return None
    newest, due = ((local_iso(at) if at else None) for at in (fresh.newest, fresh.due))
    return {"limit": fresh.limit, "newest": newest, "due": due, "late": fresh.late}


def _origin(origin: Origin) -> dict[str, Any]:
    modified = local_iso(origin.modified) if origin.modified else None
    return {
        "name": origin.name,
        "bytes": origin.bytes,
        "modified": modified,
        "encoding": origin.encoding,
        "rows": origin.rows,
    }


def _label(words: Text | None) -> dict[str, str] | None:
    return label(words) if words is not None else None


def report_view(work: Work, dataset: Dataset, run: Run) -> dict[str, Any]:
    """Return a kept check for this viewer: examples and names only for the provider and the manager."""
    shown = {"id": run.id, **run.document}
    if relation_to(work, dataset) not in INSIDERS:
        shown["findings"] = [{k: v for k, v in f.items() if k != "samples"} for f in shown["findings"]]
        shown.pop("sources")
    return shown


def run_row(row: Any) -> dict[str, Any]:
    """Return a check as one row of the history."""
    return {
        "id": row.id,
        "kind": row.kind,
        "kind_title": label(KINDS[row.kind]),
        "at": local_iso(row.at),
        "rows": row.rows,
        "failed_rules": row.failed_rules,
        "duration_ms": row.duration_ms,
    }
